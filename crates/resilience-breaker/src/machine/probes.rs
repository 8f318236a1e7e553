//! Half-open: the probes under way, and what their results say.

use super::{
    config::{Config, Judge, Probing},
    window::{Counts, Mark},
};
use resilience_core::Timestamp;
use std::num::NonZeroU64;

/// What the probes' results have decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    Close,
    Reopen,
}

#[derive(Debug, Default)]
pub(crate) struct Probes {
    /// In the order of their admission.
    under_way: Vec<Probe>,
    /// How many there have been: the number of the latest.
    admitted: u64,
    results: Counts,
}

#[derive(Debug)]
struct Probe {
    id: NonZeroU64,
    admitted: Timestamp,
    /// Set when the head of its response is there: whether that took too long.
    head: Option<Slow>,
}

#[derive(Clone, Copy, Debug)]
struct Slow(bool);

impl Probes {
    /// Takes a place, if one is free.
    pub(crate) fn admit(&mut self, at: Timestamp, config: &Probing) -> Option<NonZeroU64> {
        if self.under_way.len() >= config.concurrent {
            return None;
        }
        self.admitted += 1;
        let id = NonZeroU64::new(self.admitted)?;
        self.under_way.push(Probe {
            id,
            admitted: at,
            head: None,
        });
        Some(id)
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Ends the probes that have had their time: as successes if at least the head is there, else as failures.
    pub(crate) fn expire(&mut self, at: Timestamp, config: &Config) -> Option<Judgement> {
        while let Some(late) = self
            .under_way
            .iter()
            .position(|probe| at - probe.admitted >= config.probing.limit)
        {
            let probe = self.under_way.remove(late);
            let mark = Mark {
                failure: probe.head.is_none(),
                slow: probe.head.is_some_and(|slow| slow.0),
            };
            let judgement = self.record(mark, config);
            if judgement.is_some() {
                return judgement;
            }
        }
        None
    }

    /// Notes that the head of a probe's response is there. A slow one fails here, as far as it can.
    pub(crate) fn head(
        &mut self,
        id: NonZeroU64,
        slow: bool,
        config: &Config,
    ) -> Option<Judgement> {
        let probe = self.under_way.iter_mut().find(|probe| probe.id == id)?;
        probe.head = Some(Slow(slow));
        (slow && matches!(config.probing.judge, Judge::InARow(_))).then_some(Judgement::Reopen)
    }

    /// Ends a probe; without a mark it only gives its place back. One that has lost its place before moves
    /// nothing.
    pub(crate) fn end(
        &mut self,
        id: NonZeroU64,
        mark: Option<Mark>,
        config: &Config,
    ) -> Option<Judgement> {
        let place = self.under_way.iter().position(|probe| probe.id == id)?;
        self.under_way.remove(place);
        self.record(mark?, config)
    }

    fn record(&mut self, mark: Mark, config: &Config) -> Option<Judgement> {
        self.results.add(mark);
        match config.probing.judge {
            Judge::InARow(_) if mark.failure || mark.slow => Some(Judgement::Reopen),
            Judge::InARow(needed) => {
                (self.results.calls >= u64::from(needed)).then_some(Judgement::Close)
            }
            Judge::ByRate(needed) if self.results.calls < needed => None,
            Judge::ByRate(_) if config.rates.exceeded(self.results).is_some() => {
                Some(Judgement::Reopen)
            }
            Judge::ByRate(_) => Some(Judgement::Close),
        }
    }
}
