//! `resilience-lab suite`.

use super::{SEED, in_file, save, writable};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use resilience_core::BoxError;
use resilience_lab::{
    report::Terminal,
    suite::{self, Progress, Terms},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Runs the scenarios of the suite, and says what the layers are worth in each
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where all chances come from: the same seed, the same figures
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,

    /// Runs these scenarios alone: their names, or numbers
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = suite::find)]
    only: Vec<&'static suite::Scenario>,

    /// Where the figures go
    #[arg(long, value_name = "FILE", default_value = "target/lab/suite.json")]
    json: PathBuf,

    /// Where the page with charts goes
    #[arg(long, value_name = "FILE", default_value = "target/lab/suite.html")]
    html: PathBuf,

    /// Fails where a figure is not as the committed file says, or an aim is missed without a reason
    #[arg(long)]
    check: bool,

    /// Writes the figures to FILE, as the ones that `--check` expects: those of all scenarios
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    expect: Option<PathBuf>,

    /// Plays the layers of tower-resilience too: in real time, for some minutes, on a machine that has nothing else to do. Built with
    /// the feature `peers`
    #[arg(long)]
    peers: bool,

    /// Writes the tables into FILE, in Markdown, between its markers; with `--only`, those of these scenarios
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

const BEGIN: &str = "<!-- written by `resilience-lab suite --into`: from here -->\n";
const END: &str = "<!-- to here -->";

impl Options {
    pub(crate) fn run(self) -> Result<bool, BoxError> {
        let terms = Terms {
            seed: self.seed,
            only: self.only,
            peers: self.peers,
        };
        terms.check()?;
        // First: a mistyped path shall not cost a run, nor a run that fails what is there.
        let pages = [Some(&self.json), Some(&self.html), self.expect.as_ref()];
        for path in pages.into_iter().flatten() {
            writable(path)?;
        }
        if let Some(path) = &self.into {
            Page::read(path)?;
        }
        let bar = Bar::new();
        let mut outcome = suite::run(&terms, &bar)?;
        bar.0.finish_and_clear();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let (feature, peers) = if self.peers {
            (" --features peers", " --peers")
        } else {
            ("", "")
        };
        let names: Vec<_> = terms.only.iter().map(|scenario| scenario.name).collect();
        let only = if names.is_empty() {
            String::new()
        } else {
            format!(" --only {}", names.join(","))
        };
        let command = format!(
            "cargo run --release -p resilience-lab{feature} -- suite{peers}{only} --seed {}",
            self.seed
        );
        outcome.report = outcome
            .report
            .fact("command", command)
            .fact("version", env!("CARGO_PKG_VERSION"))
            .fact("machine", format!("{os} on {arch}, {cores} cores"));
        let mut html = Vec::new();
        outcome.report.write_html(&mut html)?;
        save(&self.json, &serde_json::to_vec_pretty(&outcome)?)?;
        save(&self.html, &html)?;
        print!("{}", outcome.report.to_terminal(Terminal::of_stdout()));
        println!("\nWith charts: {}", self.html.display());
        if let Some(path) = &self.expect {
            save(path, suite::expect(&outcome.figures).as_bytes())?;
        }
        if let Some(path) = &self.into {
            // Read again: somebody may have written other parts of it meanwhile.
            Page::read(path)?.write(path, &outcome.report.to_markdown())?;
        }
        let mut wrong = outcome.report.missed();
        if self.check {
            wrong.extend(suite::unexpected(
                &outcome.figures,
                suite::EXPECTED,
                &terms.scenarios(),
            )?);
        }
        for sentence in &wrong {
            println!("{sentence}");
        }
        Ok(wrong.is_empty())
    }
}

/// A file with a part that is written anew.
struct Page {
    before: String,
    after: String,
}

impl Page {
    fn read(path: &Path) -> Result<Self, String> {
        let page = fs::read_to_string(path).map_err(|error| in_file(path, &error))?;
        let parts = page
            .split_once(BEGIN)
            .and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
        let Some((before, (_, after))) = parts else {
            return Err(in_file(path, &"no markers between which to write"));
        };
        Ok(Self {
            before: before.to_owned(),
            after: after.to_owned(),
        })
    }

    /// Replaces what is between the markers.
    fn write(self, path: &Path, text: &str) -> Result<(), String> {
        let Self { before, after } = self;
        let page = format!("{before}{BEGIN}\n{text}\n{END}{after}");
        save(path, page.as_bytes())
    }
}

/// How many simulations are done.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let style =
            ProgressStyle::with_template("{elapsed:>4} {bar:40} {pos}/{len} simulations {msg}");
        Self(ProgressBar::new(0).with_style(style.expect("a template without mistakes")))
    }
}

impl Progress for Bar {
    fn planned(&self, simulations: u64) {
        self.0.inc_length(simulations);
    }

    fn done(&self, scenario: &str) {
        self.0.inc(1);
        self.0.set_message(scenario.to_owned());
    }
}
