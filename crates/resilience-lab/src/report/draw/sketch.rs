//! A chart with its axes, spans and marks.

use super::{
    At as _, Drawn, Plot, Root, WIDTH,
    axis::Placed,
    canvas::Ink,
    label::{FONT, beside, lines, text, width_of, word},
    series::least_distance,
    style, tenths, title_of,
};
use crate::report::{
    model::{Chart, Shape, Span},
    number::short,
};
use plotters::{
    chart::ChartBuilder,
    element::{Circle, PathElement, Rectangle},
    style::text_anchor::{HPos, VPos},
};

pub(super) const BOTTOM: i32 = 26;
const RIGHT: i32 = 14;
/// With more bars than this, values above them would be in each other's way.
const BARS_WITH_VALUES: usize = 12;
const LINE_HEIGHT: i32 = 13;

/// Pixels.
const LEAST_SPAN: i32 = 3;
/// The label of a narrow span may be so much wider, if there is room: two short words.
const NARROW: f64 = 76.0;

/// The places of a span, and the lines of its label.
type Labelled = (f64, f64, Vec<String>);

/// A chart with its axes found.
pub(super) struct Sketch<'a> {
    pub(super) chart: &'a Chart,
    pub(super) pens: &'a [u8],
    pub(super) x: Placed<'a>,
    pub(super) y: Placed<'a>,
    /// Half of the width that bars at one x have.
    pub(super) reach: f64,
    spans: Vec<Labelled>,
    left: i32,
    right: i32,
    pub(super) top: i32,
}

impl<'a> Sketch<'a> {
    pub(super) fn new(chart: &'a Chart, pens: &'a [u8]) -> Self {
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
        let spans = labelled(chart, &x, plot);
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

    pub(super) fn draw(&self, root: &Root<'_>) -> Drawn {
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
        for (from, to, lines) in &self.spans {
            let (a, b) = (plot.at(*from, self.y.to), plot.at(*to, self.y.from));
            let middle = i32::midpoint(a.0, b.0);
            // As wide as can be seen.
            let half = (a.0.abs_diff(b.0) / 2)
                .cast_signed()
                .max(tenths(LEAST_SPAN) / 2);
            let corners = [(middle - half, a.1), (middle + half, b.1)];
            root.draw(&Rectangle::new(corners, style(Ink::Span).filled()))?;
            for (line, above) in lines.iter().rev().zip(0..) {
                let y = a.1 - tenths(6 + above * LINE_HEIGHT);
                word(root, line, (middle, y), HPos::Center, VPos::Bottom)?;
            }
        }
        Ok(())
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
}

fn labelled(chart: &Chart, x: &Placed<'_>, plot: f64) -> Vec<Labelled> {
    let places = |span: &Span| Some((x.place(span.from)?, x.place(span.to)?));
    let places: Vec<_> = chart.spans.iter().map(places).collect();
    let pixels = |distance: f64| distance.abs() / (x.to - x.from) * plot;
    let middle = |(from, to): (f64, f64)| f64::midpoint(from, to);
    let mut spans = Vec::new();
    for (index, span) in chart.spans.iter().enumerate() {
        let Some(place) = places[index] else {
            continue;
        };
        let others = places.iter().enumerate();
        let others = others.filter(|(other, _)| *other != index);
        let distances = others
            .filter_map(|(_, other)| other.map(|other| pixels(middle(other) - middle(place))));
        let room = distances.fold(NARROW, f64::min);
        let width = pixels(place.1 - place.0).max(room);
        spans.push((place.0, place.1, lines(&span.label, width)));
    }
    spans
}
