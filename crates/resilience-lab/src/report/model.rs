//! What a report is made of: plain data.

mod chart;
mod figure;

pub use chart::{Annotation, Axis, Chart, Scale, Series, Shape, Span};
pub use figure::{Aim, Bound, Number, Verdict};

use serde::{Deserialize, Serialize};

/// A name and a value, such as the seed of a run or the version of a crate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// What it is in this report.
    pub value: String,
}

/// A part of a report: a heading, some text, at most one table, and any number of charts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Section {
    /// The heading.
    pub title: String,
    /// Paragraphs of plain text, with empty lines between them.
    pub text: String,
    /// Shown below the text.
    pub table: Option<Table>,
    /// Shown below the table, two in a row where there is room.
    pub charts: Vec<Chart>,
}

impl Section {
    /// A section with this heading and nothing in it.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// Sets the text: paragraphs, with empty lines between them.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// Sets the table.
    pub fn table(mut self, table: Table) -> Self {
        self.table = Some(table);
        self
    }

    /// Adds a chart.
    pub fn chart(mut self, chart: Chart) -> Self {
        self.charts.push(chart);
        self
    }
}

/// Columns with names, and rows of cells. A row may be shorter than the others; the rest of it is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Table {
    /// The names of the columns, with their units if all cells of a column have the same.
    pub columns: Vec<String>,
    /// From top to bottom.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns and no rows.
    pub fn new(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row. Text and [`Number`]s become cells with `.into()`.
    pub fn row(mut self, cells: impl IntoIterator<Item = Cell>) -> Self {
        self.rows.push(cells.into_iter().collect());
        self
    }

    /// The number of columns, with and without a name.
    pub(super) fn width(&self) -> usize {
        let rows = self.rows.iter().map(Vec::len);
        rows.chain([self.columns.len()]).max().unwrap_or(0)
    }

    /// Whether a column has figures, which are written below one another.
    pub(super) fn is_numeric(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.any(|cell| matches!(cell, Cell::Number(_)))
    }

    /// Why aims are not met, each once.
    pub(super) fn explanations(&self) -> Vec<&str> {
        let mut explanations = Vec::new();
        for cell in self.rows.iter().flatten() {
            let Cell::Number(number) = cell else {
                continue;
            };
            if number.verdict() == Some(Verdict::Explained) {
                let aim = number.aim.as_ref();
                explanations.extend(aim.and_then(|aim| aim.explanation.as_deref()));
            }
        }
        let mut seen = std::collections::HashSet::new();
        explanations.retain(|explanation| seen.insert(*explanation));
        explanations
    }
}

/// One cell of a [`Table`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cell {
    /// Words.
    Text(String),
    /// A figure.
    Number(Number),
}

impl Cell {
    /// A cell with nothing in it.
    pub const EMPTY: Self = Self::Text(String::new());
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Number> for Cell {
    fn from(number: Number) -> Self {
        Self::Number(number)
    }
}
