//! The figures of a whole run, as they are written to JSON.

use crate::{
    script::PHASES,
    stats::{Figures, Stats},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) phases: Vec<PhaseOutcome>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PhaseOutcome {
    pub(crate) name: String,
    pub(crate) bare: Figures,
    pub(crate) protected: Figures,
}

impl Outcome {
    /// The figures so far, of the first so many phases.
    pub(crate) fn of(bare: &Stats, protected: &Stats, phases: usize) -> Self {
        let phases = PHASES.iter().take(phases).enumerate();
        Self {
            phases: phases
                .map(|(index, phase)| PhaseOutcome {
                    name: phase.name.into(),
                    bare: bare.figures(index),
                    protected: protected.figures(index),
                })
                .collect(),
        }
    }
}

impl Figures {
    /// Requests that have come to their end.
    pub(crate) fn ended(&self) -> u64 {
        self.full + self.degraded + self.refused + self.failed
    }

    /// Percentage of pages that were shown, in full or degraded.
    pub(crate) fn percent_answered(&self) -> f64 {
        self.percent(self.full + self.degraded)
    }

    /// Percentage of so many requests, of those that have come to their end.
    #[expect(clippy::cast_precision_loss, reason = "at most some millions")]
    pub(crate) fn percent(&self, requests: u64) -> f64 {
        100.0 * requests as f64 / self.ended().max(1) as f64
    }
}
