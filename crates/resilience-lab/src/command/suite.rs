//! `resilience-lab suite`.

use super::{SEED, create};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use resilience_core::BoxError;
use resilience_lab::{
    report::Terminal,
    suite::{self, Progress, Terms},
};
use std::path::PathBuf;

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
}

impl Options {
    pub(crate) fn run(self) -> Result<bool, BoxError> {
        // Opened first: a mistyped path shall not cost a run.
        let (json, mut html) = (create(&self.json)?, create(&self.html)?);
        let bar = Bar::new();
        let outcome = suite::run(
            &Terms {
                seed: self.seed,
                only: self.only,
            },
            &bar,
        )?;
        bar.0.finish_and_clear();
        serde_json::to_writer_pretty(json, &outcome)?;
        outcome.report.write_html(&mut html)?;
        print!("{}", outcome.report.to_terminal(Terminal::of_stdout()));
        println!("\nWith charts: {}", self.html.display());
        let missed = outcome.report.missed();
        for sentence in &missed {
            println!("{sentence}");
        }
        Ok(missed.is_empty())
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
