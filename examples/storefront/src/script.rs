//! The outage, as data: what happens when, and how much load there is meanwhile.

use resilience_stack::core::{Timestamp, clock};
use std::{sync::Arc, time::Duration};

/// How a dependency behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Answers as it should, most of the time.
    Healthy,
    /// Takes calls and never answers.
    Hanging,
    /// Refuses every call at once.
    FailingFast,
    /// Takes its time, and then fails every third call.
    SlowAndFailing,
}

/// A part of the script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// Length, in fortieths of the whole run: seconds, by default.
    share: u32,
    /// Load, as a multiple of the normal one.
    pub(crate) load: u32,
    pub(crate) inventory: Health,
    pub(crate) recommendations: Health,
}

impl Phase {
    const fn calm(name: &'static str, share: u32) -> Self {
        Self {
            name,
            share,
            load: 1,
            inventory: Health::Healthy,
            recommendations: Health::Healthy,
        }
    }

    const fn inventory(self, inventory: Health) -> Self {
        Self { inventory, ..self }
    }

    const fn recommendations(self, recommendations: Health) -> Self {
        Self {
            recommendations,
            ..self
        }
    }

    const fn load(self, load: u32) -> Self {
        Self { load, ..self }
    }

    /// Whether nothing is wrong, apart from what may be left of earlier phases.
    pub(crate) fn is_calm(&self) -> bool {
        self.name.starts_with("calm")
    }
}

const SHARES: u32 = 40;
/// After a spike, the bare storefront has pages to serve that nobody waits for any more.
const SETTLES: Duration = Duration::from_secs(3);
pub(crate) const RECOVERY: usize = 3;
pub(crate) const PHASES: [Phase; 7] = [
    Phase::calm("calm", 5),
    Phase::calm("inventory hangs", 6).inventory(Health::Hanging),
    Phase::calm("inventory fails fast", 5).inventory(Health::FailingFast),
    Phase::calm("recovery", 8),
    Phase::calm("recommendations slow and failing", 5).recommendations(Health::SlowAndFailing),
    Phase::calm("spike of 3x load", 5).load(3),
    Phase::calm("calm again", 6),
];

/// The phases, with the load and the length of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    /// Requests per second to each storefront, normally.
    pub(crate) rps: u32,
    /// Length of the run.
    pub(crate) seconds: u32,
}

impl Script {
    /// When phase `index` starts; the one after the last "starts" when the run ends.
    pub(crate) fn start_of(self, index: usize) -> Duration {
        let shares: u32 = PHASES[..index].iter().map(|phase| phase.share).sum();
        Duration::from_secs(self.seconds.into()) * shares / SHARES
    }

    pub(crate) fn length_of(self, index: usize) -> Duration {
        self.start_of(index + 1)
            .saturating_sub(self.start_of(index))
    }

    /// Length of the run.
    pub(crate) fn length(self) -> Duration {
        self.start_of(PHASES.len())
    }

    /// The phase at that time after the start.
    pub(crate) fn phase_at(self, offset: Duration) -> Option<usize> {
        (0..PHASES.len()).find(|&index| offset < self.start_of(index + 1))
    }

    /// Whether it is calm at that time after the start, and no storefront works off a queue of before.
    pub(crate) fn is_settled(self, offset: Duration) -> bool {
        self.phase_at(offset).is_some_and(|index| {
            let since = offset.saturating_sub(self.start_of(index));
            PHASES[index].is_calm() && (index == 0 || since >= SETTLES)
        })
    }

    /// Time from one request to the next in phase `index`.
    pub(crate) fn interval(self, index: usize) -> Duration {
        Duration::from_secs(1) / (self.rps * PHASES[index].load)
    }

    /// When each storefront is to get its requests, as phases and times after the start. The interval after
    /// each is still within the phase.
    pub(crate) fn arrivals(self) -> impl Iterator<Item = (usize, Duration)> {
        (0..PHASES.len()).flat_map(move |index| {
            let (end, interval) = (self.start_of(index + 1), self.interval(index));
            std::iter::successors(Some(self.start_of(index)), move |&at| Some(at + interval))
                .take_while(move |&at| at + interval <= end)
                .map(move |at| (index, at))
        })
    }
}

/// A script under way. The dependencies look up here how they are to behave.
#[derive(Clone, Debug)]
pub(crate) struct Stage(Arc<(Script, Timestamp)>);

impl Stage {
    /// Starts `script` at that time.
    pub(crate) fn new(script: Script, start: Timestamp) -> Self {
        Self(Arc::new((script, start)))
    }

    pub(crate) fn script(&self) -> Script {
        self.0.0
    }

    pub(crate) fn start(&self) -> Timestamp {
        self.0.1
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        clock::now() - self.start()
    }

    /// The present phase; `None` before the start (while connections are warmed up) and after the end.
    pub(crate) fn phase(&self) -> Option<usize> {
        let now = clock::now();
        if now < self.start() {
            return None;
        }
        self.script().phase_at(now - self.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Script = Script {
        rps: 100,
        seconds: 14,
    };

    #[test]
    fn phases_fill_the_run() {
        assert_eq!(PHASES.iter().map(|phase| phase.share).sum::<u32>(), SHARES);
        assert_eq!(SHORT.length(), Duration::from_secs(14));
        assert_eq!(SHORT.phase_at(Duration::ZERO), Some(0));
        assert_eq!(SHORT.phase_at(SHORT.start_of(3)), Some(3));
        assert_eq!(SHORT.phase_at(SHORT.length()), None);
    }

    #[test]
    fn calm_is_settled_when_queues_are_gone() {
        assert!(SHORT.is_settled(Duration::ZERO));
        assert!(!SHORT.is_settled(SHORT.start_of(1)));
        let long = Script {
            seconds: 40,
            ..SHORT
        };
        assert!(!long.is_settled(long.start_of(6)));
        assert!(long.is_settled(long.start_of(6) + SETTLES));
    }

    #[test]
    fn inventory_is_named_where_it_is_down() {
        for phase in PHASES {
            let down = phase.inventory != Health::Healthy;
            assert_eq!(phase.name.contains("inventory"), down, "{}", phase.name);
        }
        assert_eq!(PHASES[RECOVERY].name, "recovery");
        assert_ne!(PHASES[RECOVERY - 1].inventory, Health::Healthy);
    }

    #[test]
    fn arrivals_come_at_the_rate_of_their_phase() {
        let arrivals: Vec<_> = SHORT.arrivals().collect();
        assert!(arrivals.is_sorted_by_key(|&(_, at)| at));
        for (index, phase) in PHASES.iter().enumerate() {
            let count = arrivals.iter().filter(|&&(i, _)| i == index).count();
            let expected = SHORT.length_of(index).as_secs_f64() * f64::from(100 * phase.load);
            #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
            let difference = (count as f64 - expected).abs();
            assert!(difference <= 1.0, "{}: {count}, not {expected}", phase.name);
        }
        for (index, at) in arrivals {
            assert_eq!(SHORT.phase_at(at), Some(index));
        }
    }
}
