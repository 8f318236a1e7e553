//! Tables, with what figures should be.

use crate::report::{
    model::{Aim, Cell, Number, Table, Verdict},
    words::{bound, figure, visible},
};
use maud::{Markup, html};

pub(super) fn table(table: &Table) -> Markup {
    let explanations = table.explanations();
    html! {
        div.table {
            table {
                @if !table.columns.is_empty() {
                    thead { tr {
                        @for (index, column) in table.columns.iter().enumerate() {
                            th scope="col" class=[table.is_numeric(index).then_some("num")] {
                                (breakable(column))
                            }
                        }
                    } }
                }
                tbody {
                    @for row in &table.rows {
                        tr { @for index in 0..table.width() {
                            (cell(row.get(index).unwrap_or(&Cell::EMPTY), index, table.is_numeric(index), &explanations))
                        } }
                    }
                }
            }
        }
        @if !explanations.is_empty() {
            ol.notes { @for explanation in &explanations { li { (visible(explanation)) } } }
        }
    }
}

fn cell(cell: &Cell, index: usize, numeric: bool, explanations: &[&str]) -> Markup {
    match cell {
        Cell::Text(text) if index == 0 => html! { th scope="row" { (visible(text)) } },
        Cell::Text(text) => html! { td class=[numeric.then_some("num")] { (visible(text)) } },
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
    let note = number.note(explanations);
    html! {
        span class={ "aim " (class(verdict)) } {
            span.sign aria-hidden="true" { (verdict.sign()) }
            // Not after the bound, where it would be an exponent.
            @if let Some(note) = note { sup { (note + 1) } }
            " "
            span.aloud { (name(verdict)) ": " }
            (bound(aim.bound, number))
        }
    }
}

/// A path, such as that of a field, may go on in the next line after a point.
pub(super) fn breakable(text: &str) -> Markup {
    let text = visible(text);
    html! {
        @for (index, part) in text.split_inclusive('.').enumerate() {
            @if index > 0 { wbr; }
            (part)
        }
    }
}

pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::Explained => "explained",
    }
}

pub(super) fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::Explained => "missed and explained",
    }
}
