//! Charts as SVG.

mod axis;
mod canvas;
mod label;
mod series;
mod sketch;
mod thin;

pub(super) use axis::in_words;

use super::{
    Error,
    model::{Axis, Chart, Shape},
};
use axis::Coordinate;
use canvas::{Canvas, Ink, TENTHS};
use plotters::{
    chart::ChartContext,
    coord::{Shift, cartesian::Cartesian2d},
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _},
    element::{PathElement, Rectangle},
    style::ShapeStyle,
};
use series::marker;
use sketch::{BOTTOM, Sketch};
use std::convert::Infallible;

/// Colours, with a dash and a marker each. The style sheet has as many.
pub(super) const PENS: u8 = 7;

/// Pixels of the page, where it is wide enough.
const WIDTH: i32 = 560;
const PLOT_HEIGHT: i32 = 190;

type Coordinates = Cartesian2d<Coordinate, Coordinate>;
type Root<'a> = DrawingArea<Canvas<'a>, Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<Infallible>>;

/// The shapes of a chart, without the element around them, and its height in pixels.
pub(super) struct Drawing {
    pub(super) shapes: String,
    pub(super) width: i32,
    pub(super) height: i32,
    /// What has to be known of the y axis.
    pub(super) note: Option<&'static str>,
}

/// Draws a chart; `pens` are those of its series.
pub(super) fn chart(chart: &Chart, pens: &[u8]) -> Result<Drawing, Error> {
    let sketch = Sketch::new(chart, pens);
    let mut shapes = String::new();
    let height = sketch.top + PLOT_HEIGHT + BOTTOM;
    let size = (tenths(WIDTH).unsigned_abs(), tenths(height).unsigned_abs());
    let out = &mut shapes;
    let drawn = sketch.draw(&Canvas { out, size }.into_drawing_area());
    drawn.map_err(|error| Error::Draw(error.to_string()))?;
    Ok(Drawing {
        shapes,
        width: WIDTH,
        height,
        note: sketch.y.note(),
    })
}

/// What stands for a series in the legend.
pub(super) fn swatch(pen: u8, shape: Shape) -> Result<Drawing, Error> {
    let (width, height) = (30, 12);
    let mut shapes = String::new();
    let size = (tenths(width).unsigned_abs(), tenths(height).unsigned_abs());
    let out = &mut shapes;
    let root = Canvas { out, size }.into_drawing_area();
    let (middle, style) = (tenths(height) / 2, style(Ink::Series(pen)));
    let drawn = match shape {
        Shape::Bars => root.draw(&Rectangle::new(
            [(tenths(9), 0), (tenths(21), tenths(height))],
            style.filled(),
        )),
        Shape::Line | Shape::Steps => root
            .draw(&PathElement::new(
                [(0, middle), (tenths(width), middle)],
                style,
            ))
            .and_then(|()| marker(&root, (tenths(width) / 2, middle), pen)),
    };
    drop(root);
    drawn.map_err(|error| Error::Draw(error.to_string()))?;
    Ok(Drawing {
        shapes,
        width,
        height,
        note: None,
    })
}
type Plot<'a, 'b> = ChartContext<'a, Canvas<'b>, Coordinates>;

trait At {
    /// The pixel of a place.
    fn at(&self, x: f64, y: f64) -> (i32, i32);
}

impl At for Plot<'_, '_> {
    fn at(&self, x: f64, y: f64) -> (i32, i32) {
        self.plotting_area().map_coordinate(&(x, y))
    }
}

fn style(ink: Ink) -> ShapeStyle {
    ink.color().into()
}

/// The name of an axis, with its unit.
pub(super) fn title_of(axis: &Axis) -> String {
    match (&*axis.label, &*axis.unit) {
        (label, "") => label.into(),
        ("", unit) => unit.into(),
        (label, unit) => format!("{label}, {unit}"),
    }
}

fn tenths(pixels: i32) -> i32 {
    pixels * TENTHS
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
