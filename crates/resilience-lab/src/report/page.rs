//! The page. Every text goes through maud, which escapes it.

use super::{
    Error, Report, draw,
    model::{Aim, Cell, Chart, Number, Section, Table, Verdict},
    words::{bound, figure, paragraphs, visible},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::HashMap;

const STYLE: &str = include_str!("style.css");

/// More rows than this of a chart's data are put together.
const ROWS: usize = 48;

/// Nothing is fetched, and nothing is run.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

pub(super) fn page(report: &Report) -> Result<String, Error> {
    let mut pens = Pens::default();
    let mut sections = Vec::new();
    for (section, index) in report.sections.iter().zip(1..) {
        sections.push(self::section(section, index, &mut pens)?);
    }
    let title = visible(&report.title);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    @for text in paragraphs(&report.lead) { p.lead { (text) } }
                    (aims(report))
                    @if !report.facts.is_empty() {
                        dl {
                            @for fact in &report.facts {
                                div { dt { (visible(&fact.name)) } dd { (visible(&fact.value)) } }
                            }
                        }
                    }
                    (contents(report))
                }
                main { @for section in &sections { (section) } }
            }
        }
    };
    Ok(page.into_string())
}

/// How many aims there are, and what became of them.
fn aims(report: &Report) -> Markup {
    let tables = report
        .sections
        .iter()
        .filter_map(|section| section.table.as_ref());
    let cells = tables.flat_map(|table| table.rows.iter().flatten());
    let verdicts: Vec<_> = cells
        .filter_map(|cell| match cell {
            Cell::Number(number) => number.verdict(),
            Cell::Text(_) => None,
        })
        .collect();
    let count = |verdict| verdicts.iter().filter(|v| **v == verdict).count();
    html! {
        @if !verdicts.is_empty() {
            p.aims {
                @for verdict in [Verdict::Met, Verdict::Missed, Verdict::Explained] {
                    @if count(verdict) > 0 {
                        span class=(class(verdict)) {
                            span.sign { (verdict.sign()) } " " (count(verdict)) " " (name(verdict))
                        }
                    }
                }
                " of " (verdicts.len()) " aims"
            }
        }
    }
}

fn contents(report: &Report) -> Markup {
    html! {
        @if report.sections.len() > 2 {
            nav aria-label="Contents" {
                ol {
                    @for (section, index) in report.sections.iter().zip(1..) {
                        li { a href={ "#s" (index) } { (visible(&section.title)) } }
                    }
                }
            }
        }
    }
}

fn section(section: &Section, index: usize, pens: &mut Pens) -> Result<Markup, Error> {
    let mut figures = Vec::new();
    for (chart, number) in section.charts.iter().zip(1..) {
        figures.push(self::chart(chart, &format!("c{index}-{number}"), pens)?);
    }
    Ok(html! {
        section id={ "s" (index) } {
            h2 { (visible(&section.title)) }
            @for text in paragraphs(&section.text) { p { (text) } }
            @if let Some(table) = &section.table { (self::table(table)) }
            @if !figures.is_empty() { div.charts { @for figure in &figures { (figure) } } }
        }
    })
}

fn table(table: &Table) -> Markup {
    let explanations = table.explanations();
    html! {
        div.table {
            table {
                @if !table.columns.is_empty() {
                    thead { tr {
                        @for (index, column) in table.columns.iter().enumerate() {
                            th scope="col" class=[table.is_numeric(index).then_some("num")] {
                                (visible(column))
                            }
                        }
                    } }
                }
                tbody {
                    @for row in &table.rows {
                        tr { @for (index, cell) in row.iter().enumerate() { (self::cell(cell, index, &explanations)) } }
                    }
                }
            }
        }
        @if !explanations.is_empty() {
            ol.notes { @for explanation in &explanations { li { (visible(explanation)) } } }
        }
    }
}

fn cell(cell: &Cell, index: usize, explanations: &[&str]) -> Markup {
    match cell {
        Cell::Text(text) if index == 0 => html! { th scope="row" { (visible(text)) } },
        Cell::Text(text) => html! { td { (visible(text)) } },
        Cell::Number(number) => html! {
            td.num {
                (visible(&figure(number)))
                @if let (Some(aim), Some(verdict)) = (&number.aim, number.verdict()) {
                    (self::aim(number, aim, verdict, explanations))
                }
            }
        },
    }
}

fn aim(number: &Number, aim: &Aim, verdict: Verdict, explanations: &[&str]) -> Markup {
    let why = aim
        .explanation
        .as_deref()
        .filter(|_| verdict == Verdict::Explained);
    let note = why.and_then(|why| explanations.iter().position(|other| *other == why));
    html! {
        span class={ "aim " (class(verdict)) } {
            span.sign aria-hidden="true" { (verdict.sign()) }
            " "
            span.aloud { (name(verdict)) ": " }
            (bound(aim.bound, number))
            @if let Some(note) = note { sup { (note + 1) } }
        }
    }
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::Explained => "explained",
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::Explained => "missed and explained",
    }
}

fn chart(chart: &Chart, id: &str, pens: &mut Pens) -> Result<Markup, Error> {
    let pens = pens.of(chart);
    let drawing = draw::chart(chart, &pens)?;
    let mut legend = Vec::new();
    for (series, pen) in chart.series.iter().zip(&pens) {
        legend.push((draw::swatch(*pen, series.shape)?, visible(&series.name)));
    }
    let one_unnamed = matches!(&*chart.series, [only] if only.name.is_empty());
    let (title, x) = (visible(&chart.title), draw::title_of(&chart.x));
    let described = format!("{id}-t {id}-d");
    Ok(html! {
        figure {
            figcaption { (title) }
            @if !legend.is_empty() && !one_unnamed {
                ul.legend {
                    @for (swatch, name) in &legend {
                        li {
                            svg width=(swatch.width) height=(swatch.height) aria-hidden="true" {
                                (PreEscaped(&swatch.shapes))
                            }
                            (name)
                        }
                    }
                }
            }
            svg.chart viewBox={ "0 0 " (drawing.width) " " (drawing.height) }
                role="img" aria-labelledby=(described) {
                title id={ (id) "-t" } { (title) }
                desc id={ (id) "-d" } { (visible(&description(chart))) }
                (PreEscaped(&drawing.shapes))
            }
            p.x { (visible(&x)) }
            @if drawing.begins_elsewhere {
                p.note { "The vertical axis does not begin at zero." }
            }
            (data(chart))
        }
    })
}

/// A chart for those who do not see it.
fn description(chart: &Chart) -> String {
    let y = draw::title_of(&chart.y);
    let mut sentences = vec![format!("{y} over {}.", draw::title_of(&chart.x))];
    for series in &chart.series {
        let values = || {
            series
                .points
                .iter()
                .map(|&(_, y)| y)
                .filter(|y| y.is_finite())
        };
        let least = values().min_by(f64::total_cmp);
        let most = values().max_by(f64::total_cmp);
        sentences.push(match (least, most) {
            (Some(least), Some(most)) => format!(
                "{}: {}.",
                series.name,
                from_to(
                    &draw::in_words(&chart.y, least),
                    &draw::in_words(&chart.y, most)
                )
            ),
            _ => format!("{}: no values.", series.name),
        });
    }
    for span in &chart.spans {
        let (from, to) = (
            draw::in_words(&chart.x, span.from),
            draw::in_words(&chart.x, span.to),
        );
        sentences.push(format!("Shaded, {}: {}.", from_to(&from, &to), span.label));
    }
    for mark in &chart.annotations {
        sentences.push(format!("Marked: {}.", mark.text));
    }
    sentences.join(" ")
}

fn from_to(from: &str, to: &str) -> String {
    if from == to {
        from.into()
    } else {
        format!("{from} to {to}")
    }
}

/// The points in a table. If there are many, each row is a stretch of x with the least and the greatest value.
fn data(chart: &Chart) -> Markup {
    let xs = || chart.series.iter().flat_map(|series| &series.points);
    let mut xs: Vec<_> = xs().map(|&(x, _)| x).filter(|x| x.is_finite()).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let stretches: Vec<_> = xs.chunks(xs.len().div_ceil(ROWS).max(1)).collect();
    let columns: Vec<_> = chart
        .series
        .iter()
        .map(|series| extremes(&series.points, &stretches))
        .collect();
    html! {
        @if !xs.is_empty() {
            details {
                summary { "Data" }
                div.table { table {
                    thead { tr {
                        th scope="col" { (visible(&draw::title_of(&chart.x))) }
                        @for series in &chart.series { th.num scope="col" { (visible(&series.name)) } }
                    } }
                    tbody { @for (row, stretch) in stretches.iter().enumerate() {
                        tr {
                            th scope="row" { (visible(&from_to(&draw::in_words(&chart.x, stretch[0]), &draw::in_words(&chart.x, stretch[stretch.len() - 1])))) }
                            @for column in &columns {
                                td.num {
                                    @if let Some((least, most)) = column[row] {
                                        (visible(&from_to(&draw::in_words(&chart.y, least), &draw::in_words(&chart.y, most))))
                                    }
                                }
                            }
                        }
                    } }
                } }
            }
        }
    }
}

/// The least and the greatest value in each stretch of x.
fn extremes(points: &[(f64, f64)], stretches: &[&[f64]]) -> Vec<Option<(f64, f64)>> {
    let mut extremes = vec![None; stretches.len()];
    for &(x, y) in points
        .iter()
        .filter(|(x, y)| x.is_finite() && y.is_finite())
    {
        let stretch = stretches.partition_point(|stretch| stretch[stretch.len() - 1] < x);
        if let Some(extreme) = extremes.get_mut(stretch) {
            let (least, most): (f64, f64) = extreme.unwrap_or((y, y));
            *extreme = Some((least.min(y), most.max(y)));
        }
    }
    extremes
}

/// Which series is drawn with which pen: the same in all charts, as long as they do not meet in one.
#[derive(Debug, Default)]
struct Pens(HashMap<String, u8>);

impl Pens {
    fn of(&mut self, chart: &Chart) -> Vec<u8> {
        let mut taken = Vec::new();
        for series in &chart.series {
            let next = u8::try_from(self.0.len() % usize::from(draw::PENS)).unwrap_or(0);
            let pen = *self.0.entry(series.name.clone()).or_insert(next);
            let others = (0..draw::PENS).map(|more| (pen + more) % draw::PENS);
            let free = others.into_iter().find(|other| !taken.contains(other));
            taken.push(free.unwrap_or(pen));
        }
        taken
    }
}
