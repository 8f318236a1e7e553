//! What the lock of a [`Machine`](super::Machine) protects: the state machine itself.

use super::{
    Admission, Refused, Ticket, Undated,
    config::{Config, Exceeded},
    probes::{Judgement, Probes},
    run::Run,
    state::{Cause, Snapshot, State, Transition, Word},
    window::{Mark, Window},
};
use resilience_core::{Entropy, Timestamp};
use std::{num::NonZeroU64, time::Duration};

#[derive(Debug)]
pub(crate) struct Core {
    /// Goes up with every transition, so that results can be told from those of before.
    epoch: u64,
    phase: Phase,
    window: Window,
    /// When successes were last dated; `None` before the first of this epoch.
    dated: Option<Timestamp>,
    run: Run,
    openings: u32,
}

#[derive(Debug)]
pub(crate) enum Phase {
    Closed,
    Open { until: Timestamp },
    HalfOpen(Probes),
    ForcedOpen,
    ForcedClosed,
}

impl Phase {
    fn state(&self) -> State {
        match self {
            Self::Closed => State::Closed,
            Self::Open { .. } => State::Open,
            Self::HalfOpen(_) => State::HalfOpen,
            Self::ForcedOpen => State::ForcedOpen,
            Self::ForcedClosed => State::ForcedClosed,
        }
    }
}

/// What the end of a call says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said {
    Nothing,
    /// Abandoned, and that extends the run of failures.
    Abandoned,
    Result(Mark),
}

impl Core {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            epoch: 0,
            phase: Phase::Closed,
            window: Window::new(config.window),
            dated: None,
            run: Run::default(),
            openings: 0,
        }
    }

    pub(crate) fn word(&self) -> Word {
        Word {
            state: self.phase.state(),
            run: self.run.failures() > 0,
            epoch: self.epoch,
        }
    }

    /// Until when everybody is refused; zero if not everybody is, or nobody knows.
    pub(crate) fn open_until(&self) -> Timestamp {
        match self.phase {
            Phase::Open { until } => until,
            _ => Timestamp::default(),
        }
    }

    /// Puts the successes that have been counted into the window.
    fn date(&mut self, undated: &Undated, at: Timestamp) {
        let from = self.dated.unwrap_or(at);
        self.window.push_good(undated.take(), from, at);
        self.dated = Some(from.max(at));
    }

    /// Counting ends. What has been counted stays in the window for whoever looks at it.
    pub(crate) fn stop_counting(&mut self, undated: &Undated) {
        if let Some(dated) = self.dated {
            self.date(undated, dated);
        }
    }

    /// Admits, or refuses, after seeing to what time has brought about.
    pub(crate) fn admit(&mut self, at: Timestamp, config: &Config, entropy: &Entropy) -> Admission {
        let transition = match self.phase {
            Phase::Open { until } if at >= until => {
                Some(self.enter(Phase::HalfOpen(Probes::default()), Cause::OpenTimeOver))
            }
            _ => self.expire_probes(at, config, entropy),
        };
        let refuse = |retry_after| Err(Refused { retry_after });
        let ticket = match &mut self.phase {
            Phase::Closed | Phase::ForcedClosed => Ok(Ticket::new(self.epoch, None, Some(at))),
            Phase::Open { until } => refuse(Some(*until - at)),
            Phase::ForcedOpen => refuse(None),
            Phase::HalfOpen(probes) => match probes.admit(at, &config.probing) {
                Some(probe) => Ok(Ticket::new(self.epoch, Some(probe), Some(at))),
                None => refuse(None),
            },
        };
        Admission { ticket, transition }
    }

    /// Records the end of a call that a closed breaker admitted. Says why to open, if that is to be done.
    pub(crate) fn record(
        &mut self,
        said: Said,
        at: Timestamp,
        config: &Config,
        undated: Option<&Undated>,
    ) -> Option<Cause> {
        let Phase::Closed = self.phase else {
            return None;
        };
        match said {
            Said::Nothing => return None,
            Said::Abandoned => self.run.extend(at),
            Said::Result(mark) => {
                if mark.failure {
                    self.run.extend(at);
                } else {
                    self.run.end();
                }
                if let Some(undated) = undated {
                    self.date(undated, at);
                    if !mark.failure {
                        undated.looked();
                    }
                }
                self.window.push(mark, at);
            }
        }
        if config.run.is_some_and(|limit| self.run.reaches(limit, at)) {
            return Some(Cause::ConsecutiveFailures);
        }
        // What is well does not open it: a window that becomes large enough with a success waits for the next failure, and
        // so a breaker that has just closed does not open again after the trouble, over failures of before its end.
        let Said::Result(Mark { failure, slow }) = said else {
            return None;
        };
        if !failure && !slow {
            return None;
        }
        let counts = self.window.counts();
        if counts.calls < config.minimum_calls {
            return None;
        }
        let exceeded = config.rates.exceeded(counts)?;
        self.window.covers_enough(at).then_some(match exceeded {
            Exceeded::Failure => Cause::FailureRate,
            Exceeded::Slow => Cause::SlowCallRate,
        })
    }

    /// Records a success in a closed breaker with a count window. `false`: it ends a run of failures, and nothing has been
    /// done.
    pub(crate) fn push_success(&mut self) -> bool {
        match &mut self.window {
            Window::Count(window) if self.run.failures() == 0 => window.push(Mark::default()),
            _ => return false,
        }
        true
    }

    pub(crate) fn probe_head(
        &mut self,
        probe: NonZeroU64,
        slow: bool,
        at: Timestamp,
        config: &Config,
        entropy: &Entropy,
    ) -> Option<Transition> {
        self.probed(at, config, entropy, |probes| {
            probes.head(probe, slow, config)
        })
    }

    pub(crate) fn probe_end(
        &mut self,
        probe: NonZeroU64,
        said: Said,
        at: Timestamp,
        config: &Config,
        entropy: &Entropy,
    ) -> Option<Transition> {
        let mark = match said {
            Said::Nothing => None,
            Said::Abandoned => Some(Mark {
                failure: true,
                slow: false,
            }),
            Said::Result(mark) => Some(mark),
        };
        self.probed(at, config, entropy, |probes| {
            probes.end(probe, mark, config)
        })
    }

    /// Gives the place of a probe back.
    pub(crate) fn probe_back(&mut self, probe: NonZeroU64, config: &Config) {
        if let Phase::HalfOpen(probes) = &mut self.phase {
            probes.end(probe, None, config);
        }
    }

    /// Lets a step be taken by the probes, after those have ended that have had their time: what a result is
    /// worth must not depend on whether another call came before it.
    fn probed(
        &mut self,
        at: Timestamp,
        config: &Config,
        entropy: &Entropy,
        step: impl FnOnce(&mut Probes) -> Option<Judgement>,
    ) -> Option<Transition> {
        let transition = self.expire_probes(at, config, entropy);
        if transition.is_some() {
            return transition;
        }
        let Phase::HalfOpen(probes) = &mut self.phase else {
            return None;
        };
        let judgement = step(probes)?;
        Some(self.conclude(judgement, at, config, entropy))
    }

    fn expire_probes(
        &mut self,
        at: Timestamp,
        config: &Config,
        entropy: &Entropy,
    ) -> Option<Transition> {
        let Phase::HalfOpen(probes) = &mut self.phase else {
            return None;
        };
        let judgement = probes.expire(at, config)?;
        Some(self.conclude(judgement, at, config, entropy))
    }

    fn conclude(
        &mut self,
        judgement: Judgement,
        at: Timestamp,
        config: &Config,
        entropy: &Entropy,
    ) -> Transition {
        match judgement {
            Judgement::Close => self.close(Cause::ProbesSucceeded),
            Judgement::Reopen => self.open(at, Cause::ProbesFailed, config, entropy),
        }
    }

    pub(crate) fn open(
        &mut self,
        at: Timestamp,
        cause: Cause,
        config: &Config,
        entropy: &Entropy,
    ) -> Transition {
        self.openings = self.openings.saturating_add(1);
        let open_for = config.opening.length(self.openings, entropy);
        Transition {
            open_for: Some(open_for),
            ..self.enter(
                Phase::Open {
                    until: at + open_for,
                },
                cause,
            )
        }
    }

    fn close(&mut self, cause: Cause) -> Transition {
        self.window.clear();
        self.dated = None;
        self.run.end();
        self.openings = 0;
        self.enter(Phase::Closed, cause)
    }

    pub(crate) fn force(&mut self, phase: Phase) -> Option<Transition> {
        (self.phase.state() != phase.state()).then(|| self.enter(phase, Cause::Handle))
    }

    pub(crate) fn reset(&mut self) -> Option<Transition> {
        let transition = self.close(Cause::Handle);
        (transition.from != transition.to).then_some(transition)
    }

    pub(crate) fn snapshot(&mut self, at: Timestamp, undated: Option<&Undated>) -> Snapshot {
        if let (Some(undated), Some(_)) = (undated, self.dated) {
            self.date(undated, at);
        }
        self.window.advance(at);
        let counts = self.window.counts();
        Snapshot {
            state: self.phase.state(),
            calls: counts.calls,
            failures: counts.failures,
            slow_calls: counts.slow,
            consecutive_failures: self.run.failures(),
            openings_in_a_row: self.openings,
            probes: match &self.phase {
                Phase::HalfOpen(probes) => probes.under_way(),
                _ => 0,
            },
            until_probe: match self.phase {
                Phase::Open { until } => Some::<Duration>(until - at),
                _ => None,
            },
        }
    }

    fn enter(&mut self, phase: Phase, cause: Cause) -> Transition {
        let from = std::mem::replace(&mut self.phase, phase).state();
        self.epoch += 1;
        Transition {
            from,
            to: self.phase.state(),
            cause,
            open_for: None,
            epoch: self.epoch,
        }
    }
}
