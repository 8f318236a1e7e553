//! Tables for a terminal.

use super::{
    Report,
    model::{Cell, Number, Table, Verdict},
    words::{aim, figure, mark, visible},
};
use comfy_table::{CellAlignment, ContentArrangement, presets};
use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
};

/// What a terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Columns; `None`: as many as it takes.
    pub width: Option<u16>,
    /// Whether met and missed aims have a colour besides their sign.
    pub colour: bool,
}

impl Terminal {
    /// The one that standard output goes to: no colour if it is none, or if `NO_COLOR` is set and not empty.
    pub fn of_stdout() -> Self {
        if !io::stdout().is_terminal() {
            return Self::default();
        }
        Self {
            width: terminal_size::terminal_size().map(|(width, _)| width.0),
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }
}

pub(super) fn report(report: &Report, terminal: Terminal) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", visible(&report.title));
    let width = report
        .facts
        .iter()
        .map(|fact| fact.name.chars().count())
        .max();
    for fact in &report.facts {
        let (name, value) = (visible(&fact.name), visible(&fact.value));
        let _ = writeln!(out, "  {name:<0$}  {value}", width.unwrap_or(0));
    }
    for section in &report.sections {
        let _ = write!(out, "\n{}\n", visible(&section.title));
        if let Some(table) = &section.table {
            let explanations = table.explanations();
            let _ = writeln!(out, "{}", lines(table, &explanations, terminal));
            for (nth, explanation) in explanations.iter().enumerate() {
                let mark = mark(Verdict::Explained, nth, explanations.len());
                let _ = writeln!(out, " {mark} {}", visible(explanation));
            }
        }
    }
    out
}

fn lines(table: &Table, explanations: &[&str], terminal: Terminal) -> String {
    let mut lines = comfy_table::Table::new();
    lines.load_style(presets::UTF8_HORIZONTAL_ONLY);
    if let Some(width) = terminal.width {
        lines.set_width(width);
        lines.set_content_arrangement(ContentArrangement::Dynamic);
    }
    let columns = table.width();
    lines.set_header((0..columns).map(|index| {
        let name = table.columns.get(index).map_or("", |name| name);
        cell(&visible(name), table.is_numeric(index))
    }));
    for row in &table.rows {
        lines.add_row((0..columns).map(|index| match row.get(index) {
            Some(Cell::Text(text)) => cell(&visible(text), table.is_numeric(index)),
            Some(Cell::Number(number)) => cell(&in_one_line(number, explanations), true),
            None => cell("", false),
        }));
    }
    let lines = lines.to_string();
    if !terminal.colour {
        return lines;
    }
    // Afterwards: escape sequences would count as letters when the columns are laid out.
    [Verdict::Met, Verdict::Missed, Verdict::Explained]
        .into_iter()
        .fold(lines, |lines, verdict| {
            let (sign, code) = (verdict.sign(), verdict.colour());
            lines.replace(sign, &format!("\x1b[{code}m{sign}\x1b[0m"))
        })
}

fn cell(text: &str, right: bool) -> comfy_table::Cell {
    comfy_table::Cell::new(text).set_alignment(if right {
        CellAlignment::Right
    } else {
        CellAlignment::Left
    })
}

fn in_one_line(number: &Number, explanations: &[&str]) -> String {
    let mut line = visible(&figure(number)).into_owned();
    if let Some(aim) = aim(number, explanations) {
        let _ = write!(line, " {aim}");
    }
    line
}

impl Verdict {
    /// Can be told apart without colours.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Met => "✓",
            Self::Missed => "✗",
            Self::Explained => "∗",
        }
    }

    /// In a terminal's own palette: green, red, yellow.
    fn colour(self) -> u8 {
        match self {
            Self::Met => 32,
            Self::Missed => 31,
            Self::Explained => 33,
        }
    }
}
