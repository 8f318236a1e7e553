//! All subjects, and what the family aims at.

use crate::{
    floors,
    inner::Inner,
    ours,
    subject::{Bare, By, Subject},
};
use tower::Service;

/// What a layer of this family may cost, in nanoseconds above the bare service.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    pub pattern: &'static str,
    pub detail: &'static str,
    /// One thread.
    pub one: f64,
    /// Whether one look at the clock comes on top: the figure of the row [`CLOCK`] in the same run.
    pub clock: bool,
    pub two: Two,
}

/// Of two threads on one policy.
#[derive(Clone, Copy, Debug)]
pub enum Two {
    /// Nanoseconds of each, above the bare service.
    Nanos(f64),
    /// Together they make at least [`SCALES`] times the calls of one.
    Scales,
    Any,
}

pub const SCALES: f64 = 1.8;

/// They were set on another machine, where a look at the clock takes 19 ns.
#[rustfmt::skip]
pub const AIMS: &[Aim] = &[
    aim("breaker, closed", "default", 18.0, Two::Nanos(40.0)).and_clock(),
    aim("breaker, closed", "count window", 18.0, Two::Nanos(40.0)),
    aim("breaker, closed", "consecutive", 18.0, Two::Nanos(40.0)),
    aim("breaker, refused", "own error", 8.0, Two::Scales).and_clock(),
    aim("bulkhead", "", 26.0, Two::Nanos(164.0)),
    aim("bulkhead, refused", "own error", 8.0, Two::Scales),
    aim("rate limit", "", 30.0, Two::Nanos(125.0)),
    aim("rate limit, one hot key", "", 45.0, Two::Nanos(250.0)),
    aim(RANDOM_KEYS, "", 130.0, Two::Any),
    aim("retry with budget, first try", "", 12.0, Two::Nanos(40.0)),
    aim("attempt timeout, ready at once", "", 5.0, Two::Scales),
    aim("attempt timeout, one pending poll", "", 140.0, Two::Scales),
    aim("fallback, not needed", "", 3.0, Two::Scales),
    aim(CLIENT_STACK, "one guard", 90.0, Two::Nanos(240.0)),
    aim(CLIENT_STACK, "separate layers", 90.0, Two::Nanos(240.0)),
];

const fn aim(pattern: &'static str, detail: &'static str, one: f64, two: Two) -> Aim {
    Aim {
        pattern,
        detail,
        one,
        clock: false,
        two,
    }
}

impl Aim {
    const fn and_clock(self) -> Self {
        Self {
            clock: true,
            ..self
        }
    }
}

pub const CLIENT_STACK: &str = "client stack";
pub const RANDOM_KEYS: &str = "rate limit, random among 10^6 keys";

/// What a key of [`RANDOM_KEYS`] may take, in bytes.
pub const KEY_BYTES: f64 = 64.0;

/// What the future of our [`CLIENT_STACK`] may have in bytes, besides the future of the inner service and the request.
const FUTURE_BYTES: usize = 320;

/// How large the future of a call may be, where there is an aim.
pub fn future_limit(subject: &Subject) -> Option<usize> {
    let inner = size_of::<<Inner as Service<u64>>::Future>() + size_of::<u64>();
    let aimed = subject.by == By::Ours && subject.pattern == CLIENT_STACK;
    aimed.then_some(FUTURE_BYTES + inner)
}

/// In the order of the report: for each pattern the floor, ours, the others.
pub fn subjects() -> Vec<Subject> {
    let mut all = floors::subjects();
    all.extend(ours::subjects());
    #[cfg(feature = "peers")]
    all.extend(crate::peers::subjects());
    let place = |subject: &Subject| {
        let known = AIMS.iter().position(|aim| aim.pattern == subject.pattern);
        match subject.by {
            By::Bare => 0,
            _ => known.map_or(AIMS.len() + 1, |place| place + 1),
        }
    };
    all.sort_by_key(place);
    all
}

/// The subject that is subtracted from those over this inner service.
pub fn is_bare_of(subject: &Subject, bare: Bare) -> bool {
    subject.by == By::Bare && subject.bare == bare && subject.detail != CLOCK
}

/// What one clock read costs.
pub const CLOCK: &str = "one clock read";

pub fn aim_of(subject: &Subject) -> Option<Aim> {
    let of = |aim: &&Aim| aim.pattern == subject.pattern && aim.detail == subject.detail;
    let aim = AIMS.iter().find(of).copied();
    aim.filter(|_| subject.by == By::Ours)
}
