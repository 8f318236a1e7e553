//! The page. Every text goes through maud, which escapes it.

mod chart;
mod data;
mod table;

use super::{
    Error, Report,
    model::{Cell, Section, Verdict},
    words::{paragraphs, visible},
};
use chart::{Pens, chart};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use table::{breakable, class, name, table};

const STYLE: &str = include_str!("style.css");

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
    for (it, number) in section.charts.iter().zip(1..) {
        figures.push(chart(it, &format!("c{index}-{number}"), pens)?);
    }
    Ok(html! {
        section id={ "s" (index) } {
            h2 { (breakable(&section.title)) }
            @for text in paragraphs(&section.text) { p { (text) } }
            @if let Some(rows) = &section.table { (table(rows)) }
            @if !figures.is_empty() { div.charts { @for figure in &figures { (figure) } } }
        }
    })
}
