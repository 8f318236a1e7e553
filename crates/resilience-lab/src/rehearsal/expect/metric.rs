//! The figures.

use serde::{Deserialize, Serialize};

/// A figure that can be expected to be so or so.
///
/// Shares are of 1, and can be written as `"95%"`. Calls count as they were made; those that are not over in the end are not
/// answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Of a client: the share of its calls that were answered well and in time.
    Goodput,
    /// Of a client: the share that its own layers refused.
    Refused,
    /// Of a client: the share that failed.
    Failed,
    /// Of a client: the share that it gave up when its patience was at its end.
    Late,
    /// Of a client: how long half of the good answers took at most.
    P50,
    /// Of a client: how long nine of ten good answers took at most.
    P90,
    /// Of a client: how long 99 of 100 good answers took at most.
    P99,
    /// Of a client: how long 999 of 1,000 good answers took at most.
    P999,
    /// Of a client: from the end of the last fault until it had recovered, see [`Measure`](crate::rehearsal::Measure).
    TimeToRecover,
    /// Of a server: calls that arrived for each one that would have if every call had been sent once and none refused.
    Amplification,
    /// Of a server: the share of the time that its workers worked.
    Utilization,
    /// Of a server: the share of the work that was done for callers who had gone.
    DeadWork,
    /// Of a server: the most calls that waited for a worker at a point of the charts.
    PeakQueue,
}

/// How a figure is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::rehearsal) enum Unit {
    Share,
    Factor,
    Time,
    Count,
}

impl Metric {
    pub(in crate::rehearsal) fn is_of_clients(self) -> bool {
        use Metric::{Amplification, DeadWork, PeakQueue, Utilization};
        !matches!(self, Amplification | Utilization | DeadWork | PeakQueue)
    }

    pub(in crate::rehearsal) fn unit(self) -> Unit {
        match self {
            Self::Goodput
            | Self::Refused
            | Self::Failed
            | Self::Late
            | Self::Utilization
            | Self::DeadWork => Unit::Share,
            Self::P50 | Self::P90 | Self::P99 | Self::P999 | Self::TimeToRecover => Unit::Time,
            Self::Amplification => Unit::Factor,
            Self::PeakQueue => Unit::Count,
        }
    }

    /// As it is written in files.
    pub(in crate::rehearsal) fn name(self) -> &'static str {
        match self {
            Self::Goodput => "goodput",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Late => "late",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p999",
            Self::TimeToRecover => "time_to_recover",
            Self::Amplification => "amplification",
            Self::Utilization => "utilization",
            Self::DeadWork => "dead_work",
            Self::PeakQueue => "peak_queue",
        }
    }
}
