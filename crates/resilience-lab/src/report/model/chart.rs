//! Charts: series over two axes.

use crate::report::number;
use serde::{Deserialize, Serialize};

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

    /// Makes it logarithmic. A y axis has whole decades; zero and what is below is drawn at its bottom. On an x axis, that
    /// is a gap.
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
