//! 6: a limit on the rate, under clients that aim at the boundaries of windows.

use super::{Context, Finding, Live, Row, Stack, peer, server as preset, tap::Tap};
use crate::{
    report::{Axis, Chart, Number},
    sim::{
        Arrivals, ClientConfig, Connection, Distribution, Request, ServerConfig, Sim, Simulation,
        answer, float,
    },
};
use resilience_core::{
    BoxError, Now, Policy, Reason, Rejected, Timestamp,
    sync::{Mutex, lock},
};
use resilience_stack::{
    ratelimit::{Quota, RateLimit, SlidingRateLimit},
    server::ServerStack,
};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tower::{Layer, ServiceBuilder, ServiceExt, util::BoxCloneService};

/// So many calls in any [`WINDOW`].
const LIMIT: u32 = 100;
const WINDOW: Duration = Duration::from_secs(1);
const CLIENTS: u32 = 8;
/// After which the clients begin anew.
const ROUND: Duration = Duration::from_secs(6);
const ROUNDS: u32 = 20;
/// How far from a boundary bursts may be.
const ASIDE: Duration = Duration::from_millis(5);

/// Where the use of the limit is measured.
const FROM: Duration = Duration::from_secs(5);
const UNTIL: Duration = Duration::from_secs(65);

/// What limits the rate, in front of the server's workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limiter {
    Nothing,
    Tower,
    Gcra,
    Spaced,
    Log,
    Sliding,
    TowerResilience,
}

impl Limiter {
    const ALL: [Self; 6] = [
        Self::Nothing,
        Self::Tower,
        Self::Gcra,
        Self::Spaced,
        Self::Log,
        Self::Sliding,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Tower => "Tower's rate_limit",
            Self::Gcra => "preset, RateLimit",
            Self::Spaced => "preset, RateLimit, burst 1",
            Self::Log => "preset, a list of all calls",
            Self::Sliding => "preset, SlidingRateLimit",
            Self::TowerResilience => Stack::TowerResilience.name(),
        }
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Demand {
    /// Eight clients that know how limits work.
    Bursts,
    /// Exactly the limit, evenly.
    Even,
    /// So many times the limit, independently.
    Times(u8),
}

const USES: [(Demand, &str); 3] = [
    (Demand::Even, "used, when the limit is called for evenly"),
    (Demand::Times(10), "used, at 10 × the limit"),
    (Demand::Times(2), "used, at 2 × the limit"),
];

const TEXT: &str = "100 calls in a second, in front of a server whose work takes no time. Eight clients know how limits work: a \
    call alone begins the window of limiters that begin one with a call; bursts of 100 calls for each client come within 5 ms \
    of both sides of where windows change, twice in a row; then single calls for what comes back bit by bit; then a rest. Twenty such \
    rounds. Over limit: the most that passed in any second, wherever it begins, over the 100.\n\n\
    Used: what passed in a minute, over what the limit allows. Tower's limit is shared through its buffer, as its services are no \
    clones, and sheds what would have to wait. A list of all calls is the exact window, in memory for 100 calls: what any \
    limiter could do at most.";

pub(super) fn run(context: &Context<'_>) -> Result<Finding, BoxError> {
    let mut finding = Finding::new("The rate limit, at the boundaries of windows").text(TEXT);
    let runs = Limiter::ALL.map(|limiter| (limiter, Demand::Bursts));
    let bursts = context.each(runs, |(limiter, demand)| {
        admitted(
            Simulation::new(context.seed()),
            limiter,
            demand,
            ROUNDS * ROUND,
        )
    })?;
    for (limiter, times) in Limiter::ALL.into_iter().zip(&bursts) {
        let mut most = Number::new(over_limit(times), 2);
        if limiter == Limiter::Sliding {
            most = most.at_most(1.0);
        }
        finding = finding.figure(limiter.name(), "over limit, at most", most, 0.02);
    }
    for (demand, name) in USES {
        let used = context.each(Limiter::ALL, |limiter| {
            let times = admitted(Simulation::new(context.seed()), limiter, demand, UNTIL)?;
            Ok(use_of_limit(&times))
        })?;
        for (limiter, used) in Limiter::ALL.into_iter().zip(used) {
            let mut used = Number::new(used, 4);
            if limiter == Limiter::Sliding {
                used = used.at_least(0.99).because(
                    "Where calls come at random, there is not one whenever there is room: a list of all calls loses nearly as \
                     much.",
                );
            }
            finding = finding.figure(limiter.name(), name, used, 0.005);
        }
    }
    let shown = [Limiter::Tower, Limiter::Gcra, Limiter::Sliding];
    let runs = Limiter::ALL.into_iter().zip(&bursts);
    let chart = runs.filter(|(limiter, _)| shown.contains(limiter)).fold(
        Chart::new(
            "Passed in the second up to then, in one round",
            Axis::new("time", "s"),
            Axis::new("calls", ""),
        ),
        |chart, (limiter, times)| chart.steps(limiter.name(), one_round(times)),
    );
    Ok(finding.chart(chart.mark_y(f64::from(LIMIT), "limit")))
}

pub(super) const LIVE: Live = Live {
    play: live,
    shows: &[
        "over limit, at most",
        "used, when the limit is called for evenly",
        "used, at 10 × the limit",
        "used, at 2 × the limit",
    ],
    omits: &[],
    note: "tower-resilience's limit is its sliding log, which refuses at once. In real time, calls are counted when they have passed, \
        some microseconds after the limiter read the clock: one call more than the limit can be that. And a call that comes when there is \
        room again, to the nanosecond, comes a little sooner or later.",
};

fn live(context: &Context<'_>) -> Result<Vec<Row>, BoxError> {
    let limiters = [Limiter::TowerResilience, Limiter::Sliding];
    let mut rows = limiters.map(|limiter| (limiter, Row::new(limiter.name())));
    let demands = || {
        let bursts = (Demand::Bursts, ROUNDS * ROUND);
        let uses = USES.map(|(demand, _)| (demand, UNTIL));
        [bursts].into_iter().chain(uses)
    };
    let pairs = rows
        .iter()
        .flat_map(|row| demands().map(move |demand| (row, demand)));
    let runs = context.each(pairs, |((limiter, row), (demand, time))| {
        admitted(row.simulation(context.seed()), *limiter, demand, time)
    })?;
    for ((_, row), runs) in rows.iter_mut().zip(runs.chunks(demands().count())) {
        row.figure("over limit, at most", over_limit(&runs[0]));
        for ((_, name), times) in USES.iter().zip(&runs[1..]) {
            row.figure(*name, use_of_limit(times));
        }
    }
    Ok(rows.map(|(_, row)| row).into())
}

/// When calls got past the limiter.
fn admitted(
    simulation: Simulation,
    limiter: Limiter,
    demand: Demand,
    time: Duration,
) -> Result<Vec<Duration>, BoxError> {
    simulation.run(async |sim| {
        let tap = Tap::new(&sim);
        let server = server(&sim, limiter, &tap)?;
        let limit = f64::from(LIMIT) / WINDOW.as_secs_f64();
        let arrivals = match demand {
            Demand::Bursts => {
                for _ in 0..CLIENTS {
                    sim.spawn(burst(sim.clone(), server.clone()));
                }
                None
            }
            Demand::Even => Some(Arrivals::constant(limit)),
            Demand::Times(times) => Some(Arrivals::poisson(limit * f64::from(times))),
        };
        if let Some(arrivals) = arrivals {
            ClientConfig::new("client", arrivals).start(&sim, server)?;
        }
        sim.sleep(time).await;
        Ok(tap.times())
    })
}

/// A server whose work takes no time, behind its limiter.
fn server(sim: &Sim, limiter: Limiter, tap: &Tap) -> Result<Connection, BoxError> {
    let config = ServerConfig::new("api", 1_000, Distribution::constant(Duration::ZERO));
    let quota = Quota::per(LIMIT, WINDOW);
    let preset = ServerStack::http("api").config(preset()?);
    let server = match limiter {
        Limiter::Nothing => config.start_with(sim, answer(), |workers| tap.layer(workers)),
        Limiter::Tower => config.start_with(sim, answer(), |workers| {
            ServiceBuilder::new()
                .buffer(10_000)
                .load_shed()
                .rate_limit(u64::from(LIMIT), WINDOW)
                .service(tap.layer(workers))
        }),
        Limiter::Gcra | Limiter::Spaced => {
            let quota = match limiter {
                Limiter::Spaced => quota.burst(1),
                _ => quota,
            };
            let limit = RateLimit::builder("api").quota(quota).build()?;
            let stack = preset.rate_limit(limit).build()?;
            config.start_with(sim, answer(), |workers| stack.layer(tap.layer(workers)))
        }
        Limiter::Log => {
            let stack = preset.rate_limit(Log::default()).build()?;
            config.start_with(sim, answer(), |workers| stack.layer(tap.layer(workers)))
        }
        Limiter::Sliding => {
            let limit = SlidingRateLimit::builder("api").quota(quota).build()?;
            let stack = preset.rate_limit(limit).build()?;
            config.start_with(sim, answer(), |workers| stack.layer(tap.layer(workers)))
        }
        Limiter::TowerResilience => {
            let limit = peer::rate_limit(LIMIT, WINDOW)?;
            config.start_with(sim, answer(), |workers| {
                limit.layer(BoxCloneService::new(tap.layer(workers)))
            })
        }
    };
    Ok(server?.connect())
}

/// Remembers every call, and admits whom the exact window admits.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<VecDeque<Timestamp>>>);

impl<Req: ?Sized> Policy<Req> for Log {
    type Permit = ();

    fn admit(&self, _: &Req, now: &mut Now) -> Result<(), Rejected> {
        let now = now.get();
        let mut calls = lock(&self.0);
        while calls.front().is_some_and(|first| now - *first >= WINDOW) {
            calls.pop_front();
        }
        if calls.len() >= LIMIT as usize {
            return Err(Rejected::new(Reason::Rate, "log"));
        }
        calls.push_back(now);
        Ok(())
    }
}

/// One of the clients that know how limits work: see [`TEXT`].
async fn burst(sim: Sim, server: Connection) {
    let mut stream = sim.stream("burst");
    for round in 0..ROUNDS {
        let mut times = vec![ASIDE.mul_f64(stream.unit())];
        for boundary in [WINDOW, 2 * WINDOW] {
            for _ in 0..LIMIT / 2 {
                let aside = ASIDE.mul_f64(stream.unit());
                times.extend([boundary.saturating_sub(aside), boundary + aside]);
            }
        }
        times.extend((0..LIMIT).map(|_| 2 * WINDOW + WINDOW.mul_f64(1.5 * stream.unit())));
        times.sort_unstable();
        for time in times {
            sim.sleep_until(round * ROUND + time).await;
            let call = server.clone().oneshot(Request::default());
            sim.spawn(async { drop(call.await) });
        }
    }
}

/// For each of `times`, which are in order: how many are in the time of the length `window` that ends with it, its beginning
/// not included.
fn in_the_last(times: &[Duration], window: Duration) -> impl Iterator<Item = usize> {
    let mut first = 0;
    times.iter().enumerate().map(move |(last, time)| {
        while times[first] + window <= *time {
            first += 1;
        }
        last - first + 1
    })
}

/// The most of `times`, which are in order, in any time of the length `window`, its beginning included and its end not.
///
/// Where there are most, there are as many in a window that ends with one of them.
fn most_in_any(times: &[Duration], window: Duration) -> usize {
    in_the_last(times, window).max().unwrap_or(0)
}

/// The most in any window, over the limit.
fn over_limit(times: &[Duration]) -> f64 {
    float(most_in_any(times, WINDOW) as u64) / f64::from(LIMIT)
}

/// What of the limit `times` are, from [`FROM`] to [`UNTIL`].
fn use_of_limit(times: &[Duration]) -> f64 {
    let within = times.iter().filter(|time| (FROM..UNTIL).contains(time));
    let windows = UNTIL.saturating_sub(FROM).as_secs_f64() / WINDOW.as_secs_f64();
    float(within.count() as u64) / (f64::from(LIMIT) * windows)
}

/// [`in_the_last`] window, in the second round.
fn one_round(times: &[Duration]) -> Vec<(f64, f64)> {
    times
        .iter()
        .zip(in_the_last(times, WINDOW))
        .filter(|(time, _)| (ROUND..2 * ROUND).contains(time))
        .map(|(time, count)| {
            (
                time.saturating_sub(ROUND).as_secs_f64(),
                float(count as u64),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_fullest_window_is_found(
            mut times in prop::collection::vec(0_u64..60, 0..40),
            window in 1_u64..30,
        ) {
            times.sort_unstable();
            let counts = (0..60).map(|begin| {
                let within = times.iter().filter(|time| (begin..begin + window).contains(time));
                within.count()
            });
            let most = counts.max().unwrap();
            let times: Vec<_> = times.into_iter().map(Duration::from_nanos).collect();
            prop_assert_eq!(most, most_in_any(&times, Duration::from_nanos(window)));
        }
    }

    #[test]
    fn the_clients_find_what_a_limiter_lets_through() {
        let most = |limiter| {
            let times = admitted(Simulation::new(1), limiter, Demand::Bursts, 2 * ROUND).unwrap();
            most_in_any(&times, WINDOW)
        };
        assert!(most(Limiter::Nothing) > 1_000);
        // Both are known to let through nearly twice the limit.
        assert!(most(Limiter::Tower) > 180);
        assert!(most(Limiter::Gcra) > 180);
        assert_eq!(most(Limiter::Log), 100);
    }
}
