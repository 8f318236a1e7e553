//! What is counted and timed.

use super::{float, server::Totals};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What became of a client's calls. Each that is over is in one of `answered`, `degraded`, `refused`, `failed` and `late`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientFigures {
    /// Of the client.
    pub name: String,
    /// Seconds in which this was counted.
    pub seconds: f64,
    /// Calls made.
    pub offered: u64,
    /// Answered well and in time.
    pub answered: u64,
    /// Answered in time by a fallback.
    pub degraded: u64,
    /// Refused in time, by a layer of the client's own.
    pub refused: u64,
    /// Failed in time.
    pub failed: u64,
    /// Given up when the patience was at its end.
    pub late: u64,
    /// Not yet over.
    pub in_flight: u64,
    /// `answered` per second.
    pub goodput: f64,
    /// `answered` as a share of those that are over; 1 if none is.
    pub success: f64,
    /// How long the good answers took.
    pub latency: Latency,
    /// How long all answers took, refusals and failures included.
    pub any_latency: Latency,
}

/// Percentiles in seconds, to three digits. All zero if there was nothing to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The mean.
    pub mean: f64,
    /// Half are slower.
    pub p50: f64,
    /// One of ten is slower.
    pub p90: f64,
    /// One of a hundred is slower.
    pub p99: f64,
    /// One of a thousand is slower.
    pub p999: f64,
    /// None is slower.
    pub max: f64,
}

impl Latency {
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        if histogram.is_empty() {
            return Self::default();
        }
        let at = |quantile| float(histogram.value_at_quantile(quantile)) / 1e9;
        Self {
            mean: histogram.mean() / 1e9,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: float(histogram.max()) / 1e9,
        }
    }
}

/// What a server has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerFigures {
    /// Of the server.
    pub name: String,
    /// Seconds in which this was counted.
    pub seconds: f64,
    /// Calls that came, faults or not.
    pub arrived: u64,
    /// Calls that workers have begun with.
    pub started: u64,
    /// Calls that workers are done with.
    pub served: u64,
    /// Calls among the served whose caller, or layer, had gone.
    pub dead: u64,
    /// Calls that did not get to the workers, the full queue included.
    pub refused: u64,
    /// Calls that the bound of the queue refused.
    pub overflowed: u64,
    /// How long calls waited for a worker on average, in seconds.
    pub mean_wait: f64,
    /// How many calls waited for a worker, on average over time.
    pub mean_queue: f64,
    /// How many workers worked, on average over time.
    pub mean_busy: f64,
    /// `mean_busy` as a share of the workers.
    pub utilization: f64,
}

impl ServerFigures {
    pub(super) fn new(name: &str, workers: u64, totals: &Totals, now: Duration) -> Self {
        let nanos = resilience_core::nanos(now).saturating_sub(totals.since);
        let over_time = |area: u128| {
            if nanos == 0 {
                0.0
            } else {
                wide(area) / float(nanos)
            }
        };
        let mean_busy = over_time(totals.area_busy);
        Self {
            name: name.to_owned(),
            seconds: float(nanos) / 1e9,
            arrived: totals.arrived,
            started: totals.started,
            served: totals.served,
            dead: totals.dead,
            refused: totals.refused,
            overflowed: totals.overflowed,
            mean_wait: match totals.started {
                0 => 0.0,
                started => wide(totals.wait) / float(started) / 1e9,
            },
            mean_queue: over_time(totals.area_waiting),
            mean_busy,
            utilization: mean_busy / float(workers),
        }
    }

    /// Calls that arrived for each one that `client` made: how retries, and calls for each call, multiply. Both count from the
    /// same time.
    pub fn amplification(&self, client: &ClientFigures) -> f64 {
        match client.offered {
            0 => 0.0,
            offered => float(self.arrived) / float(offered),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "15 digits are enough for a mean"
)]
fn wide(area: u128) -> f64 {
    area as f64
}
