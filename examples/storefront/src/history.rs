//! What the storefronts leave no trace of themselves: calls to the dependencies, and breakers, over time.

use crate::stats::Stats;
use resilience_stack::breaker::State;
use std::time::Duration;

/// From one look to the next.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

/// Looks, one after the other.
#[derive(Debug, Default)]
pub(crate) struct History {
    looks: Vec<Look>,
}

#[derive(Debug)]
struct Look {
    at: Duration,
    /// Calls so far to inventory and to recommendations: of the bare storefront, and of the protected one.
    calls: [[u64; 2]; 2],
    /// Of the breakers of inventory and of recommendations.
    states: [Option<State>; 2],
}

impl History {
    /// Looks at the storefronts, bare and protected, and at the breakers of the latter.
    pub(crate) fn note(&mut self, at: Duration, shops: [&Stats; 2], states: [Option<State>; 2]) {
        let calls = shops.map(|stats| [stats.inventory.total(), stats.recommendations.total()]);
        self.looks.push(Look { at, calls, states });
    }

    /// Calls per second of a storefront to a dependency, second by second, each in its middle.
    pub(crate) fn load(&self, shop: usize, dependency: usize) -> Vec<(f64, f64)> {
        let firsts = self.looks.chunk_by(|a, b| a.at.as_secs() == b.at.as_secs());
        let firsts: Vec<_> = firsts.map(|looks| &looks[0]).collect();
        let ends = firsts.iter().skip(1).copied().chain(self.looks.last());
        let seconds = firsts.iter().zip(ends).filter(|(a, b)| a.at < b.at);
        seconds
            .map(|(a, b)| {
                let calls = b.calls[shop][dependency] - a.calls[shop][dependency];
                let calls = f64::from(u32::try_from(calls).unwrap_or(u32::MAX));
                let middle = (a.at + b.at) / 2;
                (
                    middle.as_secs_f64(),
                    calls / b.at.saturating_sub(a.at).as_secs_f64(),
                )
            })
            .collect()
    }

    /// When a dependency's breaker was seen in another state than before, and at the end.
    pub(crate) fn states(&self, dependency: usize) -> Vec<(f64, State)> {
        let seen = self.looks.iter();
        let mut seen: Vec<_> = seen
            .filter_map(|look| Some((look.at.as_secs_f64(), look.states[dependency]?)))
            .collect();
        let last = seen.last().copied();
        seen.dedup_by_key(|(_, state)| *state);
        seen.extend(last);
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(looks: &[(u64, u64, Option<State>)]) -> History {
        let look = |&(at, calls, state)| Look {
            at: Duration::from_millis(at),
            calls: [[calls, 0]; 2],
            states: [state, None],
        };
        History {
            looks: looks.iter().map(look).collect(),
        }
    }

    #[test]
    fn load_is_per_second() {
        let history = history(&[
            (0, 0, None),
            (500, 7, None),
            (1000, 20, None),
            (1500, 25, None),
        ]);
        assert_eq!(history.load(0, 0), [(0.5, 20.0), (1.25, 10.0)]);
        assert_eq!(History::default().load(0, 0), []);
    }

    #[test]
    fn states_are_seen_when_they_change() {
        let (closed, open) = (Some(State::Closed), Some(State::Open));
        let history = history(&[
            (0, 0, None),
            (100, 0, closed),
            (200, 0, closed),
            (300, 0, open),
            (400, 0, open),
        ]);
        let expected = [(0.1, State::Closed), (0.3, State::Open), (0.4, State::Open)];
        assert_eq!(history.states(0), expected);
        assert_eq!(history.states(1), []);
    }
}
