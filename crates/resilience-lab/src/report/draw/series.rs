//! Lines and bars.

use super::{
    At as _, Drawn, PENS, PLOT_HEIGHT, Plot, Root, as_f64, axis::has_place, canvas::Ink,
    sketch::Sketch, style, tenths, thin,
};
use crate::report::model::{Scale, Series, Shape};
use plotters::{
    drawing::DrawingAreaErrorKind,
    element::{Circle, PathElement, Polygon, Rectangle},
};
use std::convert::Infallible;

/// A column of points is as wide as a line.
const COLUMNS: u32 = 240;
/// Series in states would hide one another where they are in the same.
const ASIDE: f64 = 4.0;
/// Markers on a line.
const MARKERS: u8 = 5;
/// Values of bars, and where they are to be written.
type Values = Vec<(f64, (i32, i32))>;

impl Sketch<'_> {
    pub(super) fn draw_line(
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

    pub(super) fn draw_bars(
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

/// Draws the marker of a pen: shapes that can be told apart without their colours.
pub(super) fn marker(root: &Root<'_>, (x, y): (i32, i32), pen: u8) -> Drawn {
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
pub(super) fn least_distance<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> f64 {
    let mut xs: Vec<_> = points.map(|&(x, _)| x).filter(|x| has_place(*x)).collect();
    xs.sort_by(f64::total_cmp);
    let distances = xs.windows(2).map(|pair| pair[1] - pair[0]);
    let least = distances
        .filter(|distance| *distance > 0.0)
        .min_by(f64::total_cmp);
    least.filter(|least| least.is_finite()).unwrap_or(1.0)
}
