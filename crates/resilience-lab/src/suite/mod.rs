//! The suite: troubles that bring systems down, and what becomes of them with and without layers.
//!
//! Each [`Scenario`] is run with the [stacks](Stack) that are compared. It measures a few [figures](Figure), some of which have
//! an aim. `cargo run --release -p resilience-lab -- suite` runs all; `docs/results.md` explains and keeps what came of it.

pub mod base;
mod context;
mod expected;
mod finding;
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
}

/// All scenarios, in their order.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        number: 1,
        name: "overload",
        run: overload::run,
    },
    Scenario {
        number: 2,
        name: "outage",
        run: outage::run,
    },
    Scenario {
        number: 3,
        name: "metastable",
        run: metastable::run,
    },
    Scenario {
        number: 4,
        name: "tenants",
        run: tenants::run,
    },
    // One layer.
    Scenario {
        number: 5,
        name: "breaker",
        run: breaker::run,
    },
    Scenario {
        number: 6,
        name: "limiter",
        run: limiter::run,
    },
    Scenario {
        number: 7,
        name: "comeback",
        run: comeback::run,
    },
    Scenario {
        number: 8,
        name: "slow",
        run: slow::run,
    },
    Scenario {
        number: 9,
        name: "flapping",
        run: flapping::run,
    },
    Scenario {
        number: 10,
        name: "degraded",
        run: degraded::run,
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
}

impl Terms {
    /// What is run.
    pub fn scenarios(&self) -> Vec<&'static Scenario> {
        if self.only.is_empty() {
            return SCENARIOS.iter().collect();
        }
        self.only.clone()
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

/// Runs scenarios, on all cores. The same terms give the same figures.
pub fn run(terms: &Terms, progress: &dyn Progress) -> Result<Outcome, BoxError> {
    let scenarios = terms.scenarios();
    let cores = Cores::new();
    let findings: Vec<Result<Finding, BoxError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = scenarios
            .iter()
            .map(|scenario| {
                let context = Context::new(scenario.name, terms.seed, &cores, progress);
                scope.spawn(move || (scenario.run)(&context))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a scenario panicked".into()))
            })
            .collect()
    });
    let mut report = Report::new("What the layers are worth")
        .lead(base::LEAD)
        .fact("seed", terms.seed.to_string());
    report = report.section(compared());
    let mut figures = Vec::new();
    for (scenario, finding) in scenarios.iter().zip(findings) {
        let finding = finding.map_err(|error| format!("{}: {error}", scenario.name))?;
        figures.extend(finding.figures.into_iter().map(|figure| Figure {
            scenario: scenario.name.to_owned(),
            ..figure
        }));
        let mut section = finding.section;
        section.title = format!("{}. {}", scenario.number, section.title);
        report = report.section(section);
    }
    if terms.only.is_empty() {
        report = report.section(theory(terms.seed).section);
    }
    Ok(Outcome { report, figures })
}

/// What the stacks are made of.
fn compared() -> Section {
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
