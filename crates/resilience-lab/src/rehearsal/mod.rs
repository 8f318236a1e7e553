//! Rehearsals: what would have happened, from files alone.
//!
//! A scenario file says who calls whom, how often, and what goes wrong; a [file of stacks](resilience_stack::file), the one that
//! production reads, says through which layers. A rehearsal puts both into the simulator, and shows what would have happened:
//!
//! ```no_run
//! use resilience_lab::rehearsal::Rehearsal;
//!
//! // In a test of your own: panics with the table, the expectation, the figure, and the line of the file.
//! Rehearsal::load("noon.toml")?.stacks("stacks.toml")?.run()?.assert();
//! # Ok::<(), resilience_lab::rehearsal::Error>(())
//! ```
//!
//! The command `resilience-lab run noon.toml --stack stacks.toml` does the same, and shows tables and charts.
//!
//! # The scenario
//!
//! ```
//! # use resilience_lab::rehearsal::{Metric, Rehearsal};
//! let text = r#"
//! duration = "20s"
//!
//! [client.shop]
//! server = "inventory"
//! stack = "inventory"
//! patience = "500ms"
//! arrivals.poisson.rate = "500/s"
//!
//! [server.inventory]
//! workers = 10
//! service_time.exponential.mean = "10ms"
//!
//! [[server.inventory.faults]]
//! from = "5s"
//! until = "10s"
//! what.slow.factor = 3
//!
//! [expect]
//! goodput = ">= 90%"
//! amplification.inventory = "<= 1.2"
//! time_to_recover = "<= 2s"
//! "#;
//! let outcome = Rehearsal::parse(text)?.stacks("none")?.run()?;
//! let goodput = outcome.played()[0].figure(Metric::Goodput, "shop");
//! assert!(goodput.is_some_and(|share| share < 0.9), "that is what happens without layers");
//! # Ok::<(), resilience_lab::rehearsal::Error>(())
//! ```
//!
//! | table | what it says | fields |
//! |---|---|---|
//! | the top | `duration`, and if you like `seed`, `title`, `about` | [`Scenario`] |
//! | `[client.NAME]` | when calls come, how long callers wait, whom they call, and through which `stack` | [`Client`], [`Arrivals`](crate::sim::Arrivals) |
//! | `[server.NAME]` | workers, service time, queue, faults, the `stack` in front, and which servers its handler `calls` | [`Server`], [`Fault`](crate::sim::Fault) |
//! | `[measure]` | from when on figures count, and what recovered means | [`Measure`] |
//! | `[expect]` | bounds: `METRIC = "<= …"` for each client or server, `METRIC.NAME` for one | [`Metric`] |
//!
//! Durations are `"250ms"` or `"1m 30s"`, rates `"700/s"` or `"42000/min"`. What has a kind is a table of that name:
//! `service_time.exponential.mean = "10ms"`. All is checked when the file is read; errors tell file, line and column, the field,
//! its value, and what would be right.
//!
//! # Stacks
//!
//! `stack` names a client or a server of the file of stacks; each client, each server and each call of a handler has a stack of
//! its own. `none` is no layers. Over gRPC or HTTP, a stack is rehearsed over HTTP: its layers and limits are the same. Fallbacks
//! and other things that are code are in no file, and so not in a rehearsal. Handlers hand on the deadline of the call that they
//! work on.
//!
//! # Chance
//!
//! Same files, same seed: same figures, to the byte. To compare stacks, give several: all have the same arrivals.

mod expect;
mod page;
mod scenario;
mod stacks;
mod sweep;
mod world;

pub use expect::{Bound, Metric, Wanted};
pub use scenario::{Call, Client, Measure, Order, Scenario, Server};
pub use sweep::{Point, Sweep, Vary};
pub use world::{ClientPlayed, Played, ServerPlayed};

use crate::report::Report;
use resilience_core::ConfigError;
use resilience_stack::file::{StackFile, StackFileError, from_toml};
use stacks::Stacks;
use std::{
    error, fmt, fs, io,
    path::{Path, PathBuf},
};

/// A scenario, and the stacks to run it with: see the [module](self).
#[derive(Clone, Debug)]
pub struct Rehearsal {
    scenario: Scenario,
    /// For the places of errors.
    text: String,
    file: Option<PathBuf>,
    stacks: Vec<Stacks>,
}

impl Rehearsal {
    /// Reads a scenario from a file. Paths in it are relative to the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|why| Error::Io(path.to_owned(), why))?;
        Self::read(text, Some(path.to_owned()))
    }

    /// Reads a scenario from the text of a file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::read(text.to_owned(), None)
    }

    fn read(text: String, file: Option<PathBuf>) -> Result<Self, Error> {
        let within = file.as_deref().and_then(Path::parent).map(Path::to_owned);
        let check = |scenario: &Scenario| scenario.clone().within(within.as_deref()).validate();
        let scenario = from_toml(&text, check);
        let scenario = scenario.map_err(|error| Error::File(in_file(error, file.as_deref())))?;
        Ok(Self {
            scenario: scenario.within(within.as_deref()),
            text,
            file,
            stacks: Vec::new(),
        })
    }

    /// What the file says.
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Runs it with the stacks of this file. With several, it runs once with each, to compare.
    ///
    /// `none` and `naive` are no files, but built in: no layers at all, and clients that retry three times, at once.
    /// They are there to compare: expectations are not held against them.
    pub fn stacks(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        self.stacks.push(match path.to_str() {
            Some(scenario::NONE) => Stacks::None,
            Some(stacks::NAIVE) => Stacks::Naive,
            _ => Stacks::File {
                file: Box::new(StackFile::load(path).map_err(Error::File)?),
                path: path.to_owned(),
            },
        });
        Ok(self)
    }

    /// Takes another seed than that of the file.
    pub fn seed(mut self, seed: u64) -> Self {
        self.scenario.seed = seed;
        self
    }

    /// Runs it, in virtual time. The same files and the same seed have the same outcome.
    pub fn run(&self) -> Result<Outcome, Error> {
        let unnamed = [Stacks::Unnamed];
        let stacks = match &*self.stacks {
            [] => &unnamed[..],
            stacks => stacks,
        };
        let played = sweep::each(stacks, |stacks| {
            world::play(&self.scenario, stacks, self.scenario.seed)
        });
        let played = played.into_iter().collect::<Result<_, _>>();
        let played = played.map_err(|error| Error::File(self.placed(error)))?;
        Ok(self.outcome(self.scenario.clone(), played))
    }

    fn outcome(&self, scenario: Scenario, played: Vec<Played>) -> Outcome {
        let checked = played.iter().filter(|played| played.checked);
        let unmet = checked.flat_map(|played| expect::unmet(&scenario, played));
        Outcome {
            unmet: unmet.map(|error| self.placed(error)).collect(),
            file: self.file.clone(),
            scenario,
            played,
        }
    }

    /// The error, with its place in the scenario.
    fn placed(&self, error: ConfigError) -> StackFileError {
        let placed = from_toml(&self.text, |_: &Scenario| Err(error));
        in_file(placed.expect_err("it was given one"), self.file.as_deref())
    }
}

fn in_file(error: StackFileError, file: Option<&Path>) -> StackFileError {
    match file {
        Some(file) => error.in_file(file),
        None => error,
    }
}

/// What would have happened.
#[derive(Debug)]
pub struct Outcome {
    scenario: Scenario,
    file: Option<PathBuf>,
    played: Vec<Played>,
    unmet: Vec<StackFileError>,
}

impl Outcome {
    /// One for each file of stacks.
    pub fn played(&self) -> &[Played] {
        &self.played
    }

    /// The expectations that do not hold, each with its place in the file and the figure.
    pub fn unmet(&self) -> &[StackFileError] {
        &self.unmet
    }

    /// Fails unless all expectations hold.
    ///
    /// # Panics
    ///
    /// With the table of the run, and with each expectation that does not hold.
    #[track_caller]
    pub fn assert(&self) {
        if !self.unmet.is_empty() {
            let table = self
                .report()
                .to_terminal(crate::report::Terminal::default());
            panic!("{table}\n{}", self.verdict());
        }
    }

    /// The expectations that do not hold, a line for each.
    pub fn verdict(&self) -> String {
        let lines = self.unmet.iter().map(|unmet| format!("{unmet}\n"));
        lines.collect()
    }

    /// Tables and charts of what happened, one beside the other.
    pub fn report(&self) -> Report {
        page::report(self)
    }
}

/// A rehearsal that cannot be.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    Io(PathBuf, io::Error),
    /// Something is wrong in a file.
    File(StackFileError),
    /// What should vary cannot.
    Vary(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(path, why) => {
                write!(f, "{}: the file cannot be read: {why}", path.display())
            }
            Self::File(error) => error.fmt(f),
            Self::Vary(said) => f.write_str(said),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::File(error) => error.source(),
            Self::Vary(_) => None,
        }
    }
}

/// What may be meant by `name`, and what there is.
fn hint<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let meant = nearest(name, known.clone());
    let meant = meant.map_or(String::new(), |best| format!("did you mean `{best}`? "));
    let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    match &*known {
        [] => format!("{meant}none are known"),
        known => format!("{meant}known: {}", known.join(", ")),
    }
}

/// The most alike, if one is.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |other: &str| strsim::jaro_winkler(name, other);
    known
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|best| likeness(best) > 0.8)
}
