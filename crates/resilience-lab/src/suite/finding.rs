//! What a scenario found.

use super::live::Row;
use crate::report::{Cell, Chart, Number, Section, Table};
use serde::{Deserialize, Serialize};

/// What a scenario found: for people, and for programs.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Text, the table of the figures, charts.
    pub section: Section,
    /// The figures of the table.
    pub figures: Vec<Figure>,
}

/// A key figure: one cell of a scenario's table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The name of the scenario.
    pub scenario: String,
    /// The row of the table: the stack, or what else is compared.
    pub stack: String,
    /// The column of the table.
    pub name: String,
    /// The figure, and its aim if it has one.
    #[serde(flatten)]
    pub number: Number,
    /// How far it may move before a check fails: what chance can do to it.
    pub margin: f64,
    /// Whether it was measured in real time: it is not the same each time, and no check expects it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub real_time: bool,
}

impl Finding {
    /// Nothing found yet.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            section: Section::new(title).table(Table::default()),
            figures: Vec::new(),
        }
    }

    /// Sets the text: paragraphs, with empty lines between them.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.section = self.section.text(text);
        self
    }

    /// Adds a figure: a cell in the row `stack` and the column `name`, which are made where they are new.
    ///
    /// `margin` is how far the figure may move before a check fails: what another seed would do to it.
    pub fn figure(mut self, stack: &str, name: &str, number: Number, margin: f64) -> Self {
        self.cell(stack, name, number.clone().into());
        self.figures.push(Figure {
            scenario: String::new(),
            stack: stack.to_owned(),
            name: name.to_owned(),
            number,
            margin,
            real_time: false,
        });
        self
    }

    /// Adds a row that was played in real time: its figures, or that it was late.
    ///
    /// They are written as the others of their columns.
    pub(super) fn live(mut self, row: &Row) -> Result<Self, String> {
        for (column, value) in &row.figures {
            let mut others = self.figures.iter();
            let other = others.find(|figure| figure.name == *column);
            let other = other.ok_or_else(|| format!("no column {column}"))?;
            let mut number = Number::new(*value, other.number.precision);
            number.unit.clone_from(&other.number.unit);
            if !row.is_on_time() {
                self.cell(&row.name, column, "late".into());
                continue;
            }
            self = self.figure(&row.name, column, number, 0.0);
            if let Some(figure) = self.figures.last_mut() {
                figure.real_time = true;
            }
        }
        Ok(self)
    }

    /// Fills a cell, in a row and a column that are made where they are new.
    fn cell(&mut self, stack: &str, name: &str, cell: Cell) {
        let table = self.section.table.get_or_insert_default();
        if table.columns.is_empty() {
            table.columns.push(String::new());
        }
        let column = index(
            &mut table.columns,
            |column| column == name,
            || name.to_owned(),
        );
        let is_row =
            |row: &Vec<Cell>| matches!(row.first(), Some(Cell::Text(text)) if text == stack);
        let row = index(&mut table.rows, is_row, || vec![stack.into()]);
        let row = &mut table.rows[row];
        if row.len() <= column {
            row.resize(column + 1, Cell::EMPTY);
        }
        row[column] = cell;
    }

    /// Adds a chart.
    pub fn chart(mut self, chart: Chart) -> Self {
        self.section = self.section.chart(chart);
        self
    }
}

/// The index of the first item that `is` it, or of a new one at the end.
fn index<T>(items: &mut Vec<T>, is: impl FnMut(&T) -> bool, new: impl FnOnce() -> T) -> usize {
    items.iter().position(is).unwrap_or_else(|| {
        items.push(new());
        items.len() - 1
    })
}
