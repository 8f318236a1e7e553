//! All subjects, and what the family aims at.

use crate::{
    floors, ours, peers,
    subject::{Bare, By, Subject},
};

/// What a layer of this family may cost, in nanoseconds above the bare service.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    pub pattern: &'static str,
    /// One thread; for all details that begin so.
    pub detail: &'static str,
    pub one: f64,
    pub two: Two,
}

/// Of two threads on one policy.
#[derive(Clone, Copy, Debug)]
pub enum Two {
    /// Nanoseconds of each, above the bare service.
    Nanos(f64),
    /// Together they make at least 1.8 times the calls of one.
    Scales,
    Any,
}

pub const SCALES: f64 = 1.8;

/// One look at tokio's clock; the figure of the row `bare/one clock read` is added to aims that allow one.
pub const AIMS: &[(Aim, bool)] = &[
    (
        aim("breaker, closed", "default", 18.0, Two::Nanos(40.0)),
        true,
    ),
    (
        aim("breaker, closed", "count window", 18.0, Two::Nanos(40.0)),
        false,
    ),
    (
        aim("breaker, closed", "consecutive", 18.0, Two::Nanos(40.0)),
        false,
    ),
    (aim("breaker, refused", "own error", 8.0, Two::Scales), true),
    (aim("bulkhead", "", 26.0, Two::Nanos(164.0)), false),
    (
        aim("bulkhead, refused", "own error", 8.0, Two::Scales),
        false,
    ),
    (aim("rate limit", "", 30.0, Two::Nanos(125.0)), false),
    (
        aim("rate limit, one hot key", "", 45.0, Two::Nanos(250.0)),
        false,
    ),
    (
        aim("rate limit, random among 10^6 keys", "", 130.0, Two::Any),
        false,
    ),
    (
        aim("retry with budget, first try", "", 12.0, Two::Nanos(40.0)),
        false,
    ),
    (
        aim("attempt timeout, ready at once", "", 5.0, Two::Scales),
        false,
    ),
    (
        aim("attempt timeout, one pending poll", "", 140.0, Two::Scales),
        false,
    ),
    (aim("fallback, not needed", "", 3.0, Two::Scales), false),
    (aim("client stack", "", 90.0, Two::Nanos(240.0)), false),
];

const fn aim(pattern: &'static str, detail: &'static str, one: f64, two: Two) -> Aim {
    Aim {
        pattern,
        detail,
        one,
        two,
    }
}

/// In the order of the report: for each pattern the floor, ours, the others.
pub fn subjects() -> Vec<Subject> {
    let mut all = floors::subjects();
    all.extend(ours::subjects());
    all.extend(peers::subjects());
    let pattern = |subject: &Subject| {
        let known = AIMS
            .iter()
            .position(|(aim, _)| aim.pattern == subject.pattern);
        known.map_or(0, |place| place + 1)
    };
    all.sort_by_key(pattern);
    all
}

/// The subject that is subtracted from those over this inner service.
pub fn is_bare_of(subject: &Subject, bare: Bare) -> bool {
    subject.by == By::Bare && subject.bare == bare && subject.detail != CLOCK
}

/// What one clock read costs.
pub const CLOCK: &str = "one clock read";

pub fn aim_of(subject: &Subject) -> Option<(Aim, bool)> {
    let of =
        |(aim, _): &&(Aim, bool)| aim.pattern == subject.pattern && aim.detail == subject.detail;
    AIMS.iter()
        .find(of)
        .copied()
        .filter(|_| subject.by == By::Ours)
}
