//! The faults of one server at a time.

use super::{Fault, Trouble};
use crate::sim::Stream;
use http::StatusCode;
use resilience_core::{ConfigError, nanos};
use std::time::Duration;

/// What goes wrong, with the intervals in which it does.
type Timed = (Trouble, Vec<(u64, u64)>);

/// What goes wrong at `now`, and since when.
fn active(faults: &[Timed], now: u64) -> impl Iterator<Item = (&Trouble, u64)> {
    faults.iter().filter_map(move |(what, intervals)| {
        let ended = intervals.partition_point(|(_, until)| *until <= now);
        let (from, _) = intervals.get(ended)?;
        (*from <= now).then_some((what, *from))
    })
}

/// All that goes wrong with one server.
pub(crate) struct Schedule {
    faults: Vec<Timed>,
    stream: Stream,
}

/// What becomes of a call that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Pass,
    Fail(StatusCode),
    Refuse,
    Hang,
}

impl Schedule {
    pub(crate) fn new(faults: &[Fault], mut stream: Stream) -> Result<Self, ConfigError> {
        let faults = faults.iter().map(|fault| {
            fault.validate()?;
            Ok((fault.what.clone(), fault.intervals(&mut stream)))
        });
        Ok(Self {
            faults: faults.collect::<Result<_, _>>()?,
            stream,
        })
    }

    /// What becomes of a call that arrives at `now`: the first fault that hits it decides.
    pub(crate) fn arrival(&mut self, now: u64) -> Effect {
        let Self { faults, stream } = self;
        let hit = active(faults, now).find_map(|(what, from)| match what {
            Trouble::Fail { status, share } if stream.chance(*share) => {
                let status = StatusCode::from_u16(*status).ok()?;
                Some(Effect::Fail(status))
            }
            Trouble::Refuse { share } if stream.chance(*share) => Some(Effect::Refuse),
            Trouble::Hang { share } if stream.chance(*share) => Some(Effect::Hang),
            Trouble::ZoneLoss {
                share,
                noticed_after,
            } if now - from < nanos(*noticed_after) => {
                stream.chance(*share).then_some(Effect::Hang)
            }
            _ => None,
        });
        hit.unwrap_or(Effect::Pass)
    }

    /// How long a service takes that is begun at `now`, and would take `plain` otherwise.
    pub(crate) fn service_time(&self, plain: Duration, now: u64) -> Duration {
        active(&self.faults, now).fold(plain, |time, (what, _)| match what {
            Trouble::Slow { factor } => {
                Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
            }
            Trouble::SlowTo { service_time } => *service_time,
            _ => time,
        })
    }

    /// How many of `workers` there are at `now`.
    pub(crate) fn workers(&self, workers: u64, now: u64) -> u64 {
        active(&self.faults, now).fold(workers, |left, (what, _)| match what {
            Trouble::ZoneLoss { share, .. } => {
                crate::sim::whole((crate::sim::float(left) * (1.0 - share)).ceil())
            }
            _ => left,
        })
    }

    /// When the number of workers grows again.
    pub(crate) fn returns(&self) -> impl Iterator<Item = u64> {
        self.faults
            .iter()
            .filter(|(what, _)| matches!(what, Trouble::ZoneLoss { .. }))
            .flat_map(|(_, intervals)| intervals.iter().map(|(_, until)| *until))
    }
}
