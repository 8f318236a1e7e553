//! Figures, and what they should be.

use crate::report::number;
use serde::{Deserialize, Serialize};

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

    /// Which of `explanations` says why the aim is not met, if one does.
    pub(crate) fn note(&self, explanations: &[&str]) -> Option<usize> {
        let explained = self.verdict() == Some(Verdict::Explained);
        let why = self.aim.as_ref()?.explanation.as_deref();
        let why = why.filter(|_| explained)?;
        explanations.iter().position(|other| *other == why)
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
