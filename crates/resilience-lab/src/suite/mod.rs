//! The suite: troubles that bring systems down, and what becomes of them with and without layers.
//!
//! Each [`Scenario`] is run with the [stacks](Stack) that are compared. It measures a few [figures](Figure), some of which have
//! an aim. `cargo run --release -p resilience-lab -- suite` runs all; `docs/results.md` explains and keeps what came of it.
//!
//! Layers of others that read the clock of the system cannot be run in virtual time. With the feature `peers`, and `suite --peers`,
//! they are played in [real time](crate::sim::Simulation::real_time), as rows of their own: tower-resilience. That takes some
//! minutes, and a machine with nothing else to do.

pub mod base;
mod context;
mod expected;
mod finding;
mod live;
#[cfg(feature = "peers")]
mod peer;
#[cfg(not(feature = "peers"))]
#[path = "no_peer.rs"]
mod peer;
mod stacks;

// The whole system.
mod metastable;
mod outage;
mod overload;
mod tenants;

// One layer.
mod breaker;
mod comeback;
mod degraded;
mod flapping;
mod limiter;
mod slow;
mod tap;

pub use context::{Context, Progress};
pub use expected::{EXPECTED, expect, unexpected};
pub use finding::{Figure, Finding};
pub use live::{LATE, LATEST, Live, Row};
pub use stacks::{Incoming, Outgoing, PRESETS, Stack, calling, client, server, serving};

use crate::{
    report::{Number, Report, Section, Table},
    sim::theory,
};
use context::Cores;
use resilience_core::BoxError;
use serde::{Deserialize, Serialize};

/// A trouble, and how it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its place in the suite.
    pub number: u8,
    /// One word, for `--only`.
    pub name: &'static str,
    /// Runs it, with all stacks.
    pub run: fn(&Context<'_>) -> Result<Finding, BoxError>,
    /// What is played in real time besides, if [`peers`](Terms::peers) are.
    pub live: Live,
}

/// All scenarios, in their order.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        number: 1,
        name: "overload",
        run: overload::run,
        live: overload::LIVE,
    },
    Scenario {
        number: 2,
        name: "outage",
        run: outage::run,
        live: outage::LIVE,
    },
    Scenario {
        number: 3,
        name: "metastable",
        run: metastable::run,
        live: metastable::LIVE,
    },
    Scenario {
        number: 4,
        name: "tenants",
        run: tenants::run,
        live: tenants::LIVE,
    },
    // One layer.
    Scenario {
        number: 5,
        name: "breaker",
        run: breaker::run,
        live: breaker::LIVE,
    },
    Scenario {
        number: 6,
        name: "limiter",
        run: limiter::run,
        live: limiter::LIVE,
    },
    Scenario {
        number: 7,
        name: "comeback",
        run: comeback::run,
        live: comeback::LIVE,
    },
    Scenario {
        number: 8,
        name: "slow",
        run: slow::run,
        live: slow::LIVE,
    },
    Scenario {
        number: 9,
        name: "flapping",
        run: flapping::run,
        live: flapping::LIVE,
    },
    Scenario {
        number: 10,
        name: "degraded",
        run: degraded::run,
        live: degraded::LIVE,
    },
];

/// The scenario with this name or number.
pub fn find(name: &str) -> Result<&'static Scenario, String> {
    let mut scenarios = SCENARIOS.iter();
    let found = scenarios.find(|s| s.name == name || s.number.to_string() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = SCENARIOS.iter().map(|s| s.name).collect();
        format!("there are {}", names.join(", "))
    })
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Where all chances come from.
    pub seed: u64,
    /// Only these; all, and the checks of the simulator, if it is empty.
    pub only: Vec<&'static Scenario>,
    /// Whether the layers of others are played in real time, too.
    pub peers: bool,
}

impl Terms {
    /// What is run.
    pub fn scenarios(&self) -> Vec<&'static Scenario> {
        if self.only.is_empty() {
            return SCENARIOS.iter().collect();
        }
        self.only.clone()
    }

    /// Whether all of this is built: [`peers`](Self::peers) are with the feature `peers` alone.
    pub fn check(&self) -> Result<(), BoxError> {
        match peer::NOT_BUILT {
            Some(why) if self.peers => Err(why.into()),
            _ => Ok(()),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// For people.
    pub report: Report,
    /// For programs: the figures of the tables.
    pub figures: Vec<Figure>,
}

/// Runs scenarios, on all cores. The same terms give the same figures, but for those of real time.
pub fn run(terms: &Terms, progress: &dyn Progress) -> Result<Outcome, BoxError> {
    terms.check()?;
    let scenarios = terms.scenarios();
    let mut findings = each(terms, &Cores::new(1), progress, |scenario| scenario.run)?;
    // Only then: what runs in virtual time takes whole cores.
    let live = if terms.peers {
        let places = Cores::new(live::AT_A_TIME);
        each(terms, &places, progress, |scenario| scenario.live.play)?
    } else {
        Vec::new()
    };
    for ((scenario, rows), finding) in scenarios.iter().zip(&live).zip(&mut findings) {
        let all = finding.clone().played(&scenario.live, rows);
        *finding = all.map_err(|error| format!("{}: {error}", scenario.name))?;
    }
    let mut lead = base::LEAD.to_owned();
    if terms.peers {
        lead += " Rows that say so are played in real time.";
    }
    let mut report = Report::new("What the layers are worth")
        .lead(lead)
        .fact("seed", terms.seed.to_string());
    if terms.peers {
        report = report.fact("tower-resilience", peer::version()?);
    }
    report = report.section(compared(terms.peers));
    let mut figures = Vec::new();
    for (scenario, finding) in scenarios.iter().zip(findings) {
        figures.extend(finding.figures.into_iter().map(|figure| Figure {
            scenario: scenario.name.to_owned(),
            ..figure
        }));
        let mut section = finding.section;
        section.title = format!("{}. {}", scenario.number, section.title);
        report = report.section(section);
    }
    if terms.peers {
        let rows = scenarios.iter().zip(&live);
        let rows = rows.flat_map(|(scenario, rows)| rows.iter().map(|row| (scenario.name, row)));
        report = report.section(live::section(rows));
    }
    if terms.only.is_empty() {
        report = report.section(theory(terms.seed).section);
    }
    Ok(Outcome { report, figures })
}

type Part<T> = fn(&Context<'_>) -> Result<T, BoxError>;

/// A part of each scenario, all at once; an error says of which.
fn each<T: Send>(
    terms: &Terms,
    cores: &Cores,
    progress: &dyn Progress,
    part: impl Fn(&Scenario) -> Part<T>,
) -> Result<Vec<T>, BoxError> {
    std::thread::scope(|scope| {
        let begin = |scenario: &'static Scenario| {
            let context = Context::new(scenario.name, terms.seed, cores, progress);
            let part = part(scenario);
            (scenario, scope.spawn(move || part(&context)))
        };
        let threads: Vec<_> = terms.scenarios().into_iter().map(begin).collect();
        let all: Vec<_> = threads
            .into_iter()
            .map(|(scenario, thread)| {
                let done = thread
                    .join()
                    .unwrap_or_else(|_| Err("a scenario panicked".into()));
                done.map_err(|error| format!("{}: {error}", scenario.name).into())
            })
            .collect();
        all.into_iter().collect()
    })
}

/// What the stacks are made of.
fn compared(peers: bool) -> Section {
    let table = Table::new(["stack", "around each client", "around the server"])
        .row(["nothing".into(), "timeout of 100 ms".into(), "nothing".into()])
        .row(["naive retries".into(), "up to 3 retries, at once; timeout of 100 ms".into(), "nothing".into()])
        .row([
            "Tower's layers".into(),
            "timeout of 1 s; up to 3 retries within the default TpsBudget, with ExponentialBackoff from 50 ms; load_shed and a \
             concurrency limit of 100; timeout of 100 ms"
                .into(),
            "load_shed and a concurrency limit of 30; timeout of 100 ms".into(),
        ])
        .row([
            "presets".into(),
            "ClientStack: deadline 1 s, up to 3 retries, attempt timeout 100 ms; else its defaults".into(),
            "ServerStack: deadline 100 ms, bulkhead of 30; else its defaults".into(),
        ]);
    let table = if peers {
        table.row([
            "tower-resilience".into(),
            "time limiter of 1 s; up to 3 retries, but not where the circuit is open, within the default token bucket, with \
             ExponentialRandomBackoff of up to 100 ms, 200 ms and 400 ms; circuit breaker that opens at 20 % of 50 calls \
             or more in 5 s, for 250 ms (the presets' first opening; it does not grow), 3 half-open; bulkhead of 100, refusing at \
             once; time limiter of 100 ms. A full bulkhead is not retried, and a success to the breaker, whose classifier knows \
             nothing else that is no failure. Breakers of so many failures in a row are another kind there, not one beside this"
                .into(),
            "bulkhead of 30, refusing at once; time limiter of 100 ms".into(),
        ])
    } else {
        table
    };
    Section::new("What is compared").table(table)
}

/// The simulator held against queueing theory.
pub fn theory(seed: u64) -> Finding {
    let finding = Finding::new("The simulator").text(
        "Where theory has an answer, the simulator has to give it. Where chance is involved, four standard errors are allowed.",
    );
    theory::checks(seed)
        .into_iter()
        .fold(finding, |finding, check| {
            let off = (check.measured - check.expected).abs();
            let figure = |value| Number::new(value, 4);
            finding
                .figure(&check.name, "theory", figure(check.expected), 0.0)
                .figure(&check.name, "measured", figure(check.measured), 0.0)
                .figure(
                    &check.name,
                    "difference",
                    figure(off).at_most(check.allowed),
                    0.0,
                )
        })
}
