//! From values to places on an axis, and what is written there.

use crate::report::{
    model::{Axis, Scale},
    number::{fixed, magnitude, short},
};
use plotters::coord::{
    ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter},
    types::RangedCoordf64,
};
use std::ops::{Range, RangeInclusive};

/// What is beyond has no place: the differences between neighbours would be lost.
const BEYOND: f64 = 1e15;
/// The last decades that a logarithmic axis has.
const DECADES: RangeInclusive<f64> = -15.0..=15.0;

/// What rounding may lose, in shares of a step.
const ALMOST: f64 = 1e-9;

/// Where an axis ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    AtValues,
    AtTicks,
}

/// An axis with its range and ticks. Places are values on a linear axis, exponents on a logarithmic one.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    axis: &'a Axis,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl<'a> Placed<'a> {
    /// An axis from left to right, for these values.
    pub(super) fn x(axis: &'a Axis, values: impl Iterator<Item = f64>) -> Self {
        Self::new(axis, values, Ends::AtValues)
    }

    /// An axis from bottom to top. It begins at zero unless it is told otherwise, and ends at a tick.
    pub(super) fn y(axis: &'a Axis, values: impl Iterator<Item = f64>) -> Self {
        Self::new(axis, values, Ends::AtTicks)
    }

    fn new(axis: &'a Axis, values: impl Iterator<Item = f64>, ends: Ends) -> Self {
        let bounds = axis.min.into_iter().chain(axis.max);
        let values = values.chain(bounds).filter(|value| has_place(*value));
        let (from, to, ticks) = match &axis.scale {
            Scale::Linear => {
                let (from, to) = extent(values).unwrap_or((0.0, 1.0));
                let (from, to) = wide_enough(from, to);
                let (from, to) = match (ends, axis.min) {
                    (Ends::AtValues, _) => (from, to),
                    (Ends::AtTicks, Some(_)) => whole_steps(from, to),
                    (Ends::AtTicks, None) => whole_steps(from.min(0.0), to),
                };
                let (ticks, step) = linear_ticks(from, to);
                let precision = usize::try_from(-magnitude(step * 1.000_001)).unwrap_or(0);
                let label = |tick| (tick, fixed(tick, precision));
                (from, to, ticks.into_iter().map(label).collect())
            }
            Scale::Log => {
                let logarithms = values.filter(|value| *value > 0.0).map(f64::log10);
                let (from, to) = extent(logarithms).unwrap_or((0.0, 1.0));
                let ticks = ones_twos_fives(from, to);
                if ends == Ends::AtValues && ticks.len() > 2 {
                    (from, to, ticks)
                } else {
                    let from = from.floor().clamp(*DECADES.start(), *DECADES.end() - 1.0);
                    let to = to.ceil().clamp(from + 1.0, *DECADES.end());
                    (from, to, decades(from, to))
                }
            }
            Scale::Names(names) => {
                let ticks = (0_u32..).map(f64::from).zip(names.iter().cloned());
                let last = f64::from(u32::try_from(names.len().max(1)).unwrap_or(u32::MAX));
                (-0.5, last - 0.5, ticks.collect())
            }
        };
        Self {
            axis,
            from,
            to,
            ticks,
        }
    }

    /// Where a value is; `None` if it has no place.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        if !has_place(value) {
            return None;
        }
        match self.axis.scale {
            Scale::Log if value > 0.0 => Some(value.log10()),
            Scale::Log => None,
            Scale::Linear | Scale::Names(_) => Some(value),
        }
        .map(|place| place.clamp(self.from, self.to))
    }

    /// As [`place`](Self::place), with zero and what is below at the start of a logarithmic axis.
    pub(super) fn place_or_floor(&self, value: f64) -> Option<f64> {
        let floor = (has_place(value) && self.is_log()).then_some(self.from);
        self.place(value).or(floor)
    }

    /// The axis as plotters has it.
    pub(super) fn coordinate(&self) -> Coordinate {
        Coordinate {
            places: (self.from..self.to).into(),
            ticks: self.ticks.clone(),
        }
    }

    pub(super) fn is_log(&self) -> bool {
        self.axis.scale == Scale::Log
    }

    /// If the lengths of what is drawn do not go by zero, though one could think so.
    pub(super) fn note(&self) -> Option<&'static str> {
        match self.axis.scale {
            Scale::Linear if self.from > 0.0 => Some("The vertical axis does not begin at zero."),
            Scale::Log => Some("The vertical axis is logarithmic; zero is drawn at its bottom."),
            _ => None,
        }
    }
}

/// Places from one end to the other, and the ticks that we have found.
#[derive(Clone)]
pub(super) struct Coordinate {
    places: RangedCoordf64,
    ticks: Vec<(f64, String)>,
}

impl Ranged for Coordinate {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, pixels: (i32, i32)) -> i32 {
        self.places.map(place, pixels)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.ticks.iter().map(|&(place, _)| place).collect()
    }

    fn range(&self) -> Range<f64> {
        self.places.range()
    }
}

impl ValueFormatter<f64> for Coordinate {
    fn format_ext(&self, place: &f64) -> String {
        let tick = self
            .ticks
            .iter()
            .find(|(tick, _)| tick.total_cmp(place).is_eq());
        tick.map(|(_, label)| label.clone()).unwrap_or_default()
    }
}

/// A value in words: its name, if the axis has names.
pub(in crate::report) fn in_words(axis: &Axis, value: f64) -> String {
    if let Scale::Names(names) = &axis.scale {
        let is_it = |index: u32| (f64::from(index) - value).abs() < 0.25;
        if let Some((_, name)) = (0..).zip(names).find(|&(index, _)| is_it(index)) {
            return name.clone();
        }
    }
    short(value)
}

pub(super) fn has_place(value: f64) -> bool {
    value.abs() <= BEYOND
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, value| match extent {
        None => Some((value, value)),
        Some((from, to)) => Some((from.min(value), to.max(value))),
    })
}

/// A range that is not so narrow that its ends could not be told apart.
fn wide_enough(from: f64, to: f64) -> (f64, f64) {
    let least = (from.abs().max(to.abs()) * 1e-6).max(1e-9);
    if to - from >= least {
        return (from, to);
    }
    if from == 0.0 {
        // Nothing but zeros: a scale that fits many units.
        return (0.0, 1.0);
    }
    let more = (0.1 * from.abs()).max(least);
    (from - more, to + more)
}

/// Ticks at round values, and the distance between them: one, two or five times a power of ten, so that there are not more
/// than seven.
fn linear_ticks(from: f64, to: f64) -> (Vec<f64>, f64) {
    let least = (to - from) / 6.0;
    let decade = 10_f64.powi(magnitude(least));
    let steps = [1.0, 2.0, 5.0].map(|times| times * decade);
    let fits = |step: &f64| *step >= least * (1.0 - ALMOST);
    let step = steps.into_iter().find(fits).unwrap_or(10.0 * decade);
    let first = (from / step - ALMOST).ceil();
    let ticks = (0..8).map(|nth| (first + f64::from(nth)) * step);
    let ticks = ticks.take_while(|tick| *tick <= to + ALMOST * step);
    (ticks.collect(), step)
}

/// A range that ends at ticks.
fn whole_steps(mut from: f64, mut to: f64) -> (f64, f64) {
    // The longer range may have fewer ticks.
    for _ in 0..2 {
        let (_, step) = linear_ticks(from, to);
        from = (from / step + ALMOST).floor() * step;
        to = (to / step - ALMOST).ceil() * step;
    }
    (from, to)
}

/// Round values between two exponents, if that is few decades.
fn ones_twos_fives(from: f64, to: f64) -> Vec<(f64, String)> {
    let few = *DECADES.start() <= from && to <= *DECADES.end() && to - from <= 3.0;
    let decades = if few {
        decades(from.floor(), to.ceil())
    } else {
        Vec::new()
    };
    let values = decades.iter().flat_map(|(decade, _)| {
        [1.0, 2.0, 5.0].map(|times: f64| (decade + times.log10(), times * 10_f64.powf(*decade)))
    });
    let within = values.filter(|(place, _)| (from - ALMOST..=to + ALMOST).contains(place));
    within.map(|(place, value)| (place, short(value))).collect()
}

/// Powers of ten, not more than fit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at most thirty decades"
)]
fn decades(from: f64, to: f64) -> Vec<(f64, String)> {
    let (from, count) = (from as i32, (to - from) as usize);
    let powers = (from..).take(count + 1).step_by(count.div_ceil(6).max(1));
    powers
        .map(|power| (f64::from(power), short(10_f64.powi(power))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(placed: &Placed<'_>) -> Vec<String> {
        placed
            .ticks
            .iter()
            .map(|(_, label)| label.clone())
            .collect()
    }

    #[test]
    fn a_linear_y_axis_begins_at_zero_unless_told_otherwise() {
        let axis = Axis::new("", "%");
        let placed = Placed::y(&axis, [98.0, 99.0].into_iter());
        assert_eq!(labels(&placed), ["0", "20", "40", "60", "80", "100"]);
        let axis = axis.min(95.0).max(100.0);
        let placed = Placed::y(&axis, [98.0, 99.0].into_iter());
        assert_eq!(labels(&placed), ["95", "96", "97", "98", "99", "100"]);
        assert!(placed.note().is_some());
    }

    #[test]
    fn a_logarithmic_axis_has_whole_decades() {
        let axis = Axis::new("", "ms").log();
        let placed = Placed::y(&axis, [0.0, 0.002, 700.0].into_iter());
        let expected = ["0.001", "0.01", "0.1", "1", "10", "100", "1,000"];
        assert_eq!(labels(&placed), expected);
        assert_eq!(placed.place(0.0), None);
        assert_eq!(placed.place_or_floor(0.0), Some(-3.0));
        assert_eq!(placed.place_or_floor(f64::NAN), None);
    }

    #[test]
    fn a_y_axis_ends_at_a_tick_above_all_values() {
        for (most, last) in [
            (1030.0, "1,200"),
            (106.0, "120"),
            (79_420.0, "80,000"),
            (0.1, "0.10"),
        ] {
            let axis = Axis::default();
            let placed = Placed::y(&axis, [0.0, most].into_iter());
            let (tick, label) = placed.ticks.last().unwrap();
            assert!(
                (placed.to - tick).abs() < 1e-9 && *tick >= most,
                "{placed:?}"
            );
            assert_eq!(label, last);
        }
        let axis = Axis::default();
        let seconds = Placed::x(&axis, [0.0, 120.0].into_iter());
        assert_eq!(
            labels(&seconds),
            ["0", "20", "40", "60", "80", "100", "120"]
        );
    }

    #[test]
    fn a_logarithmic_x_axis_has_no_room_that_is_empty() {
        let axis = Axis::default().log();
        let load = Placed::x(&axis, [0.5, 10.0].into_iter());
        assert_eq!(labels(&load), ["0.5", "1", "2", "5", "10"]);
        assert_eq!(load.place(0.5), Some(load.from));
        let narrow = Placed::x(&axis, [3.0, 4.0].into_iter());
        assert_eq!(labels(&narrow), ["1", "10"]);
        let wide = Placed::x(&axis, [0.5, 9_000.0].into_iter());
        assert_eq!(labels(&wide), ["0.1", "1", "10", "100", "1,000", "10,000"]);
    }

    #[test]
    fn every_range_has_a_few_ticks() {
        let extremes = [
            0.0,
            1e-300,
            -1e-12,
            1.0,
            1.0 + 1e-15,
            123_456.7,
            -1e15,
            1e15,
            1e300,
            f64::NAN,
            f64::INFINITY,
        ];
        for a in extremes {
            for b in extremes {
                for axis in [Axis::default(), Axis::default().log()] {
                    for placed in [
                        Placed::x(&axis, [a, b].into_iter()),
                        Placed::y(&axis, [a, b].into_iter()),
                    ] {
                        assert!(placed.from < placed.to, "{a} {b} {placed:?}");
                        assert!((2..=12).contains(&placed.ticks.len()), "{a} {b} {placed:?}");
                    }
                }
            }
        }
    }
}
