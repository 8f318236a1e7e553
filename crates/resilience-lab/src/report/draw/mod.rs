//! Charts as SVG.

mod axis;
mod canvas;
mod thin;

pub(super) use axis::in_words;

use super::{
    Error,
    model::{Axis, Chart, Scale, Series, Shape, Span},
    number::short,
};
use axis::{Coordinate, Placed};
use canvas::{Canvas, Ink, TENTHS};
use plotters::{
    chart::{ChartBuilder, ChartContext},
    coord::{Shift, cartesian::Cartesian2d},
    drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea as _},
    element::{Circle, PathElement, Polygon, Rectangle, Text},
    style::{
        Color as _, FontDesc, FontFamily, FontStyle, ShapeStyle, TextStyle,
        text_anchor::{HPos, Pos, VPos},
    },
};
use std::convert::Infallible;

/// Colours, with a dash and a marker each. The style sheet has as many.
pub(super) const PENS: u8 = 7;

/// Pixels of the page, where it is wide enough.
const WIDTH: i32 = 560;
const PLOT_HEIGHT: i32 = 190;
const BOTTOM: i32 = 26;
const RIGHT: i32 = 14;
/// The size of letters.
const FONT: i32 = 12;
const LINE_HEIGHT: i32 = 13;
/// A column of points is as wide as a line.
const COLUMNS: u32 = 240;
/// Series in states would hide one another where they are in the same.
const ASIDE: f64 = 4.0;
/// With more bars than this, values above them would be in each other's way.
const BARS_WITH_VALUES: usize = 12;
/// Markers on a line.
const MARKERS: u8 = 5;

type Coordinates = Cartesian2d<Coordinate, Coordinate>;
type Root<'a> = DrawingArea<Canvas<'a>, Shift>;
/// Values of bars, and where they are to be written.
type Values = Vec<(f64, (i32, i32))>;
type Drawn = Result<(), DrawingAreaErrorKind<Infallible>>;

/// The shapes of a chart, without the element around them, and its height in pixels.
pub(super) struct Drawing {
    pub(super) shapes: String,
    pub(super) width: i32,
    pub(super) height: i32,
    /// Whether the y axis begins above zero.
    pub(super) begins_elsewhere: bool,
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
        begins_elsewhere: sketch.y.begins_elsewhere(),
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
        begins_elsewhere: false,
    })
}

/// A chart with its axes found.
struct Sketch<'a> {
    chart: &'a Chart,
    pens: &'a [u8],
    x: Placed<'a>,
    y: Placed<'a>,
    /// Half of the width that bars at one x have.
    reach: f64,
    spans: Vec<(&'a Span, f64, f64, Vec<String>)>,
    left: i32,
    right: i32,
    top: i32,
}

impl<'a> Sketch<'a> {
    fn new(chart: &'a Chart, pens: &'a [u8]) -> Self {
        let points = || chart.series.iter().flat_map(|series| &series.points);
        let bars = || {
            chart
                .series
                .iter()
                .filter(|series| series.shape == Shape::Bars)
        };
        let reach = 0.36 * least_distance(bars().flat_map(|series| &series.points));
        let room = if bars().next().is_some() { reach } else { 0.0 };
        let spans = chart.spans.iter().flat_map(|span| [span.from, span.to]);
        let marks = || chart.annotations.iter();
        let x = points()
            .flat_map(|&(x, _)| [x - room, x + room])
            .chain(spans)
            .chain(marks().filter_map(|mark| mark.x));
        let y = points()
            .map(|&(_, y)| y)
            .chain(marks().filter_map(|mark| mark.y));
        let zero = bars().next().map(|_| 0.0);
        let (x, y) = (Placed::x(&chart.x, x), Placed::y(&chart.y, y.chain(zero)));
        let left = y.ticks.iter().map(|(_, label)| width_of(label)).max();
        let left = left.unwrap_or(0).min(WIDTH / 3) + 10;
        let beside = marks().filter(|mark| mark.x.is_none());
        let beside = beside.map(|mark| width_of(&mark.text)).max();
        let right = RIGHT.max(beside.unwrap_or(0).min(WIDTH / 3) + 6);
        let plot = f64::from(WIDTH - left - right);
        let spans: Vec<_> = chart
            .spans
            .iter()
            .filter_map(|span| {
                let (from, to) = (x.place(span.from)?, x.place(span.to)?);
                let width = (to - from).abs() / (x.to - x.from) * plot;
                Some((span, from, to, lines(&span.label, width)))
            })
            .collect();
        let most = spans.iter().map(|(.., lines)| lines.len()).max();
        let most = i32::try_from(most.unwrap_or(0)).unwrap_or(0);
        Self {
            chart,
            pens,
            reach,
            spans,
            left,
            right,
            top: 22 + most * LINE_HEIGHT + 4,
            x,
            y,
        }
    }

    fn draw(&self, root: &Root<'_>) -> Drawn {
        let mut plot = ChartBuilder::on(root)
            .margin_top(tenths(self.top))
            .margin_right(tenths(self.right))
            .x_label_area_size(tenths(BOTTOM))
            .y_label_area_size(tenths(self.left))
            .build_cartesian_2d(self.x.coordinate(), self.y.coordinate())?;
        self.draw_spans(root, &plot)?;
        plot.configure_mesh()
            .disable_x_mesh()
            .max_light_lines(0)
            .set_all_tick_mark_size(tenths(3))
            .bold_line_style(style(Ink::Grid))
            .light_line_style(style(Ink::Grid))
            .axis_style(style(Ink::Grid))
            .label_style(text(Ink::Tick))
            .draw()?;
        word(
            root,
            &title_of(&self.chart.y),
            (0, 0),
            HPos::Left,
            VPos::Top,
        )?;
        let mut values = Vec::new();
        for (index, (series, pen)) in self.chart.series.iter().zip(self.pens).enumerate() {
            match series.shape {
                Shape::Bars => values.extend(self.draw_bars(root, &mut plot, index, *pen)?),
                Shape::Line | Shape::Steps => {
                    self.draw_line(root, &mut plot, index, *pen, series)?;
                }
            }
        }
        self.draw_marks(root, &plot)?;
        if values.len() <= BARS_WITH_VALUES {
            for (value, above) in values {
                word(root, &short(value), above, HPos::Center, VPos::Bottom)?;
            }
        }
        root.present()
    }

    fn draw_spans(&self, root: &Root<'_>, plot: &Plot<'_, '_>) -> Drawn {
        for (_, from, to, lines) in &self.spans {
            let (a, b) = (plot.at(*from, self.y.to), plot.at(*to, self.y.from));
            root.draw(&Rectangle::new([a, b], style(Ink::Span).filled()))?;
            let middle = i32::midpoint(a.0, b.0);
            for (line, above) in lines.iter().rev().zip(0..) {
                let y = a.1 - tenths(4 + above * LINE_HEIGHT);
                word(root, line, (middle, y), HPos::Center, VPos::Bottom)?;
            }
        }
        Ok(())
    }

    fn draw_line(
        &self,
        root: &Root<'_>,
        plot: &mut Plot<'_, '_>,
        index: usize,
        pen: u8,
        series: &Series,
    ) -> Drawn {
        let aside = self.aside(index);
        let mut points = series.points.clone();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let places = points.iter().map(|&(x, y)| {
            let y = self.y.place_or_floor(y)?;
            Some((self.x.place(x)?, y + aside))
        });
        let range = (self.x.from, self.x.to);
        let parts = thin::parts(places).into_iter();
        let parts: Vec<_> = parts
            .map(|part| thin::thin(&part, range, COLUMNS))
            .collect();
        let ink = if parts.iter().map(Vec::len).sum::<usize>() > COLUMNS as usize {
            style(Ink::Dense(pen))
        } else {
            style(Ink::Series(pen))
        };
        let mut all = Vec::new();
        for part in parts {
            let path = match series.shape {
                Shape::Steps => steps(&part),
                Shape::Line | Shape::Bars => part.clone(),
            };
            if let [only] = *path {
                marker(root, plot.at(only.0, only.1), pen)?;
            }
            plot.draw_series([PathElement::new(path, ink)])?;
            all.extend(part);
        }
        // Spread over the width, and not where those of other series are.
        let places = (0..MARKERS).map(|marker| {
            let share = f64::from(marker) + (f64::from(pen) + 0.5) / f64::from(PENS);
            self.x.from + share / f64::from(MARKERS) * (self.x.to - self.x.from)
        });
        let mut at: Vec<usize> = places
            .filter_map(|place| {
                let after = all.partition_point(|&(x, _)| x < place);
                (after < all.len()).then_some(after)
            })
            .collect();
        at.dedup();
        for index in at {
            marker(root, plot.at(all[index].0, all[index].1), pen)?;
        }
        Ok(())
    }

    fn draw_bars(
        &self,
        root: &Root<'_>,
        plot: &mut Plot<'_, '_>,
        index: usize,
        pen: u8,
    ) -> Result<Values, DrawingAreaErrorKind<Infallible>> {
        let bars = |series: &[Series]| {
            let bars = series.iter().filter(|series| series.shape == Shape::Bars);
            as_f64(bars.count())
        };
        let width = 2.0 * self.reach / bars(&self.chart.series);
        let zero = 0.0_f64.clamp(self.y.from, self.y.to);
        let mut values = Vec::new();
        for &(x, value) in &self.chart.series[index].points {
            let (Some(x), Some(y)) = (self.x.place(x), self.y.place_or_floor(value)) else {
                continue;
            };
            let left = x - self.reach + bars(&self.chart.series[..index]) * width;
            let top = plot.at(left + width / 2.0, y);
            if self.y.is_log() {
                marker(root, top, pen)?;
            } else {
                let corners = [(left, zero), (left + width * 0.94, y)];
                let bar = Rectangle::new(corners, style(Ink::Series(pen)).filled());
                plot.draw_series([bar])?;
            }
            values.push((value, (top.0, top.1 - tenths(4))));
        }
        Ok(values)
    }

    fn draw_marks(&self, root: &Root<'_>, plot: &Plot<'_, '_>) -> Drawn {
        for mark in &self.chart.annotations {
            let x = mark.x.map(|x| self.x.place(x));
            let y = mark.y.map(|y| self.y.place(y));
            match (x, y) {
                (Some(Some(x)), None) => {
                    let (top, bottom) = (plot.at(x, self.y.to), plot.at(x, self.y.from));
                    root.draw(&PathElement::new([top, bottom], style(Ink::Mark)))?;
                    beside(root, &mark.text, (top.0, top.1 + tenths(FONT)))?;
                }
                (None, Some(Some(y))) => {
                    let (left, right) = (plot.at(self.x.from, y), plot.at(self.x.to, y));
                    root.draw(&PathElement::new([left, right], style(Ink::Mark)))?;
                    let at = (right.0 + tenths(5), right.1);
                    word(root, &mark.text, at, HPos::Left, VPos::Center)?;
                }
                (Some(Some(x)), Some(Some(y))) => {
                    let at = plot.at(x, y);
                    root.draw(&Circle::new(at, tenths(4), style(Ink::Mark)))?;
                    beside(root, &mark.text, (at.0 + tenths(3), at.1 - tenths(6)))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// How far a series in states is moved from its place.
    fn aside(&self, index: usize) -> f64 {
        if !matches!(self.chart.y.scale, Scale::Names(_)) {
            return 0.0;
        }
        let middle = (as_f64(self.chart.series.len()) - 1.0) / 2.0;
        let pixel = (self.y.to - self.y.from) / f64::from(PLOT_HEIGHT);
        (middle - as_f64(index)) * ASIDE * pixel
    }
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

/// Draws the marker of a pen: shapes that can be told apart without their colours.
fn marker(root: &Root<'_>, (x, y): (i32, i32), pen: u8) -> Drawn {
    let corners: &[(i32, i32)] = match pen {
        0 => return root.draw(&Circle::new((x, y), 36, style(Ink::Series(pen)).filled())),
        1 => &[(-32, -32), (32, -32), (32, 32), (-32, 32)],
        2 => &[(0, -42), (40, 30), (-40, 30)],
        3 => &[(0, -46), (46, 0), (0, 46), (-46, 0)],
        4 => &[(0, 42), (40, -30), (-40, -30)],
        5 => &[(-48, -22), (48, -22), (48, 22), (-48, 22)],
        _ => &[(-22, -48), (22, -48), (22, 48), (-22, 48)],
    };
    let corners: Vec<_> = corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
    root.draw(&Polygon::new(corners, style(Ink::Series(pen)).filled()))
}

/// Writes to the right of a place, or to its left where there is no room.
fn beside(root: &Root<'_>, text: &str, (x, y): (i32, i32)) -> Drawn {
    let fits = x + tenths(4 + width_of(text)) <= tenths(WIDTH);
    let (x, side) = if fits {
        (x + tenths(4), HPos::Left)
    } else {
        (x - tenths(4), HPos::Right)
    };
    word(root, text, (x, y), side, VPos::Bottom)
}

fn word(root: &Root<'_>, words: &str, at: (i32, i32), h_pos: HPos, v_pos: VPos) -> Drawn {
    let style = text(Ink::Word).pos(Pos::new(h_pos, v_pos));
    root.draw(&Text::new(words, at, style))
}

fn style(ink: Ink) -> ShapeStyle {
    ink.color().into()
}

/// The style sheet has the font; plotters asks for one.
fn text(ink: Ink) -> TextStyle<'static> {
    let font = FontDesc::new(
        FontFamily::SansSerif,
        f64::from(tenths(FONT)),
        FontStyle::Normal,
    );
    let mut style = TextStyle::from(font);
    style.color = ink.color().to_backend_color();
    style
}

/// The name of an axis, with its unit.
pub(super) fn title_of(axis: &Axis) -> String {
    match (&*axis.label, &*axis.unit) {
        (label, "") => label.into(),
        ("", unit) => unit.into(),
        (label, unit) => format!("{label}, {unit}"),
    }
}

/// From each point straight to the next x, and then up or down.
fn steps(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let after = points.windows(2).map(|pair| (pair[1].0, pair[0].1));
    let mut path: Vec<_> = points
        .iter()
        .copied()
        .zip(after)
        .flat_map(|(a, b)| [a, b])
        .collect();
    path.extend(points.last());
    path
}

/// The least distance of neighbours; 1 if there are none.
fn least_distance<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> f64 {
    let mut xs: Vec<_> = points.map(|&(x, _)| x).filter(|x| x.is_finite()).collect();
    xs.sort_by(f64::total_cmp);
    let distances = xs.windows(2).map(|pair| pair[1] - pair[0]);
    let least = distances
        .filter(|distance| *distance > 0.0)
        .min_by(f64::total_cmp);
    least.filter(|least| least.is_finite()).unwrap_or(1.0)
}

/// Breaks a label into lines of about that width, three at the most.
fn lines(label: &str, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in label.split_whitespace() {
        match lines.last_mut() {
            Some(line) if f64::from(width_of(line) + width_of(word) + 3) <= width => {
                *line += " ";
                *line += word;
            }
            _ => lines.push(word.into()),
        }
    }
    if lines.len() > 3 {
        lines.truncate(3);
        lines[2] += " …";
    }
    lines
}

/// About so many pixels.
fn width_of(text: &str) -> i32 {
    let characters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    characters.min(1000) * FONT * 11 / 20
}

fn tenths(pixels: i32) -> i32 {
    pixels * TENTHS
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
