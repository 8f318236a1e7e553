//! Charts for those who do not see them: in words, and in numbers.

use super::table::breakable;
use crate::report::{draw, model::Chart, words::visible};
use maud::{Markup, html};

/// More rows than this of a chart's data are put together.
const ROWS: usize = 48;

/// A chart for those who do not see it.
pub(super) fn description(chart: &Chart) -> String {
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
pub(super) fn data(chart: &Chart) -> Markup {
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
                        th scope="col" { (breakable(&draw::title_of(&chart.x))) }
                        @for series in &chart.series { th.num scope="col" { (breakable(&series.name)) } }
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
