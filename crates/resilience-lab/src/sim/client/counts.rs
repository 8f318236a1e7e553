//! What becomes of calls, counted.

use crate::sim::{ClientFigures, Latency, float, handler::is_good};
use hdrhistogram::Histogram;
use http::Response;
use resilience_core::{BoxError, Rejected, nanos};
use resilience_http::Degraded;
use std::time::Duration;

/// What became of a call.
#[derive(Clone, Copy)]
pub(super) enum End {
    Answered,
    Degraded,
    Refused,
    Failed,
    Late,
}

impl End {
    pub(super) fn of<B>(result: Result<Response<B>, BoxError>) -> Self {
        match result {
            Ok(response) if Degraded::of(&response).is_some() => Self::Degraded,
            Ok(response) if response.extensions().get::<Rejected>().is_some() => Self::Refused,
            Err(error) if Rejected::find(&*error).is_some() => Self::Refused,
            Ok(response) if is_good(response.status()) => Self::Answered,
            Ok(_) | Err(_) => Self::Failed,
        }
    }
}

/// What a client counts.
pub(super) struct Counts {
    /// How often the client was told to forget: older calls do not count.
    age: u64,
    since: Duration,
    offered: u64,
    /// By [`End`].
    ends: [u64; 5],
    good: Histogram<u64>,
    any: Histogram<u64>,
}

impl Counts {
    pub(super) fn new(since: Duration) -> Self {
        // A microsecond to an hour; what is longer counts as an hour.
        let histogram = Histogram::new_with_bounds(1_000, 3_600_000_000_000, 3);
        let histogram = histogram.expect("bounds that fit");
        Self {
            age: 0,
            since,
            offered: 0,
            ends: [0; 5],
            good: histogram.clone(),
            any: histogram,
        }
    }

    pub(super) fn offer(&mut self) -> u64 {
        self.offered += 1;
        self.age
    }

    pub(super) fn end(&mut self, age: u64, end: End, took: Duration) {
        if age != self.age {
            return;
        }
        self.ends[end as usize] += 1;
        if matches!(end, End::Answered) {
            self.good.saturating_record(nanos(took));
        }
        if !matches!(end, End::Late) {
            self.any.saturating_record(nanos(took));
        }
    }

    pub(super) fn offered(&self) -> u64 {
        self.offered
    }

    pub(super) fn ended(&self, end: End) -> u64 {
        self.ends[end as usize]
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.offered - self.ends.iter().sum::<u64>()
    }

    pub(super) fn forget(&mut self, now: Duration) {
        self.age += 1;
        self.since = now;
        (self.offered, self.ends) = (0, [0; 5]);
        self.good.reset();
        self.any.reset();
    }

    pub(super) fn figures(&self, name: &str, now: Duration) -> ClientFigures {
        let seconds = now.saturating_sub(self.since).as_secs_f64();
        let [answered, degraded, refused, failed, late] = self.ends;
        let over = self.ends.iter().sum::<u64>();
        ClientFigures {
            name: name.to_owned(),
            seconds,
            offered: self.offered,
            answered,
            degraded,
            refused,
            failed,
            late,
            in_flight: self.in_flight(),
            goodput: if seconds > 0.0 {
                float(answered) / seconds
            } else {
                0.0
            },
            success: if over > 0 {
                float(answered) / float(over)
            } else {
                1.0
            },
            latency: Latency::of(&self.good),
            any_latency: Latency::of(&self.any),
        }
    }
}
