//! What a report is made of: plain data.

use super::number;
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

/// A figure, how it is to be written, and what it should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Number {
    /// The figure. What is not finite is `null` in JSON, and NaN when it is read from there.
    #[serde(with = "number")]
    pub value: f64,
    /// Digits after the point.
    pub precision: u8,
    /// Written after the figure; empty for none.
    pub unit: String,
    /// What the figure should be.
    pub aim: Option<Aim>,
}

impl Number {
    /// A figure with so many digits after the point.
    pub fn new(value: f64, precision: u8) -> Self {
        Self {
            value,
            precision,
            ..Self::default()
        }
    }

    /// Sets the unit.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// It should be at least so much.
    pub fn at_least(self, bound: f64) -> Self {
        self.aim(Bound::AtLeast(bound))
    }

    /// It should be at most so much.
    pub fn at_most(self, bound: f64) -> Self {
        self.aim(Bound::AtMost(bound))
    }

    /// Says why the aim is not met, if it is not. Without an aim, this does nothing.
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        if let Some(aim) = &mut self.aim {
            aim.explanation = Some(reason.into());
        }
        self
    }

    /// Whether the aim is met; `None` without an aim. What is not a number meets no aim.
    pub fn verdict(&self) -> Option<Verdict> {
        let aim = self.aim.as_ref()?;
        let met = match aim.bound {
            Bound::AtLeast(bound) => self.value >= bound,
            Bound::AtMost(bound) => self.value <= bound,
        };
        Some(match (met, &aim.explanation) {
            (true, _) => Verdict::Met,
            (false, None) => Verdict::Missed,
            (false, Some(_)) => Verdict::Explained,
        })
    }

    fn aim(mut self, bound: Bound) -> Self {
        self.aim = Some(Aim {
            bound,
            explanation: None,
        });
        self
    }
}

/// What a [`Number`] should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aim {
    /// The bound, in the unit of the number.
    pub bound: Bound,
    /// Why the aim cannot be met, for those who see that it is not.
    #[serde(default)]
    pub explanation: Option<String>,
}

/// The side of an [`Aim`] on which a figure should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// ≥
    AtLeast(#[serde(with = "number")] f64),
    /// ≤
    AtMost(#[serde(with = "number")] f64),
}

/// What became of an [`Aim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The figure is as it should be.
    Met,
    /// It is not.
    Missed,
    /// It is not, and the report says why.
    Explained,
}

/// A chart: series over two axes, with spans and annotations.
///
/// Points need not be sorted. What is not finite, or beyond ± 10¹⁵, is a gap. A series has the same colour, dashes and
/// marker in all charts of a report: they go by its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Chart {
    /// Says what is to be seen.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Drawn in this order, the last on top.
    pub series: Vec<Series>,
    /// Shaded parts, such as an outage.
    pub spans: Vec<Span>,
    /// Lines and points with a word to them.
    pub annotations: Vec<Annotation>,
}

impl Chart {
    /// A chart with nothing in it.
    pub fn new(title: impl Into<String>, x: Axis, y: Axis) -> Self {
        Self {
            title: title.into(),
            x,
            y,
            ..Self::default()
        }
    }

    /// Adds a line through the points.
    pub fn line(self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.series(name, Shape::Line, points)
    }

    /// Adds steps: each value holds until the next, as states do.
    pub fn steps(self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.series(name, Shape::Steps, points)
    }

    /// Adds bars, which stand on zero, beside those of other series. On a logarithmic axis they are dots, since there
    /// is no zero to stand on.
    pub fn bars(self, name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        self.series(name, Shape::Bars, points)
    }

    /// Shades a part of the x axis.
    pub fn span(mut self, from: f64, to: f64, label: impl Into<String>) -> Self {
        let label = label.into();
        self.spans.push(Span { from, to, label });
        self
    }

    /// Adds a vertical line.
    pub fn mark_x(self, x: f64, text: impl Into<String>) -> Self {
        self.annotate(Some(x), None, text)
    }

    /// Adds a horizontal line, such as an aim or a capacity.
    pub fn mark_y(self, y: f64, text: impl Into<String>) -> Self {
        self.annotate(None, Some(y), text)
    }

    /// Marks a point.
    pub fn mark(self, x: f64, y: f64, text: impl Into<String>) -> Self {
        self.annotate(Some(x), Some(y), text)
    }

    fn series(mut self, name: impl Into<String>, shape: Shape, points: Vec<(f64, f64)>) -> Self {
        let name = name.into();
        self.series.push(Series {
            name,
            shape,
            points,
        });
        self
    }

    fn annotate(mut self, x: Option<f64>, y: Option<f64>, text: impl Into<String>) -> Self {
        let text = text.into();
        self.annotations.push(Annotation { x, y, text });
        self
    }
}

/// What a chart shows in one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Axis {
    /// What the values are.
    pub label: String,
    /// Empty for none.
    pub unit: String,
    /// How values become places.
    pub scale: Scale,
    /// The axis begins here or below. Without it, a linear y axis begins at zero unless values are negative; the page says
    /// so when a chart does not.
    pub min: Option<f64>,
    /// The axis ends here or above.
    pub max: Option<f64>,
}

impl Axis {
    /// A linear axis.
    pub fn new(label: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            unit: unit.into(),
            ..Self::default()
        }
    }

    /// An axis with a name at 0, at 1, and so on: things to compare, or states.
    pub fn names(
        label: impl Into<String>,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            label: label.into(),
            scale: Scale::Names(names.into_iter().map(Into::into).collect()),
            ..Self::default()
        }
    }

    /// Makes it logarithmic, of whole decades. On a y axis, zero and what is below is drawn at the bottom; on an x axis
    /// it is a gap.
    pub fn log(mut self) -> Self {
        self.scale = Scale::Log;
        self
    }

    /// Lets it begin here, or below if there are lower values.
    pub fn min(mut self, min: f64) -> Self {
        self.min = Some(min);
        self
    }

    /// Lets it end here, or above if there are higher values.
    pub fn max(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }
}

/// How the values of an [`Axis`] become places.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scale {
    /// Equal differences are equally long.
    #[default]
    Linear,
    /// Equal ratios are equally long.
    Log,
    /// Names at 0, at 1, and so on.
    Names(Vec<String>),
}

/// Values of one thing in a [`Chart`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Series {
    /// As the legend has it.
    pub name: String,
    /// How it is drawn.
    pub shape: Shape,
    /// Pairs of x and y.
    #[serde(with = "number::points")]
    pub points: Vec<(f64, f64)>,
}

/// How a [`Series`] is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Shape {
    /// Straight from point to point.
    #[default]
    Line,
    /// Each value holds until the next.
    Steps,
    /// From zero to the value.
    Bars,
}

/// A shaded part of the x axis.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Span {
    /// Where it begins.
    #[serde(with = "number")]
    pub from: f64,
    /// Where it ends.
    #[serde(with = "number")]
    pub to: f64,
    /// Written above it.
    pub label: String,
}

/// A vertical line (x alone), a horizontal line (y alone), or a point.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Annotation {
    /// `None`: a horizontal line.
    pub x: Option<f64>,
    /// `None`: a vertical line.
    pub y: Option<f64>,
    /// Written beside it.
    pub text: String,
}
