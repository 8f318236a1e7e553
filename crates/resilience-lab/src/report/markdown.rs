//! Tables for pages in Markdown.

use super::{
    Report,
    model::{Cell, Number, Table, Verdict},
    words::{aim, figure, mark, visible},
};
use std::fmt::Write as _;

pub(super) fn report(report: &Report) -> String {
    let mut out = String::new();
    for fact in &report.facts {
        let _ = writeln!(out, "- {}: {}", visible(&fact.name), visible(&fact.value));
    }
    for section in &report.sections {
        let _ = write!(out, "\n## {}\n", visible(&section.title));
        if !section.text.is_empty() {
            let _ = write!(out, "\n{}\n", section.text);
        }
        if let Some(table) = &section.table {
            let explanations = table.explanations();
            let _ = write!(out, "\n{}", lines(table, &explanations));
            for (nth, explanation) in explanations.iter().enumerate() {
                let mark = mark(Verdict::Explained, nth, explanations.len());
                let _ = write!(out, "\n{mark} {}\n", visible(explanation));
            }
        }
    }
    out
}

fn lines(table: &Table, explanations: &[&str]) -> String {
    let columns = 0..table.width();
    let name = |index: usize| {
        table
            .columns
            .get(index)
            .map_or_else(String::new, |name| text(name))
    };
    let side = |index| {
        if table.is_numeric(index) {
            "---:"
        } else {
            "---"
        }
    };
    let mut out = line(columns.clone().map(name));
    out += &line(columns.clone().map(|index| side(index).to_owned()));
    for row in &table.rows {
        out += &line(columns.clone().map(|index| match row.get(index) {
            Some(Cell::Text(words)) => text(words),
            Some(Cell::Number(number)) => number_in(number, explanations),
            None => String::new(),
        }));
    }
    out
}

fn line(cells: impl Iterator<Item = String>) -> String {
    cells.fold("|".to_owned(), |line, cell| format!("{line} {cell} |")) + "\n"
}

/// A bar would end the cell.
fn text(text: &str) -> String {
    visible(text).replace('|', "\\|")
}

fn number_in(number: &Number, explanations: &[&str]) -> String {
    let mut out = text(&figure(number));
    if let Some(aim) = aim(number, explanations) {
        let _ = write!(out, " {}", text(&aim));
    }
    out
}
