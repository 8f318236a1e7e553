//! What `run` and `sweep` have in common.

use super::{save, writable};
use clap::Args;
use resilience_core::BoxError;
use resilience_lab::{
    rehearsal::{Error, Rehearsal},
    report::{Report, Terminal},
};
use std::{
    io::{self, Write as _},
    path::PathBuf,
};

/// What goes in, and where the figures go.
#[derive(Debug, Args)]
pub(crate) struct Files {
    /// The scenario
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,

    /// A file of stacks, or `none` (no layers) or `naive` (retries at once); again for more, to compare
    #[arg(long, value_name = "FILE")]
    stack: Vec<PathBuf>,

    /// Where all chances come from, instead of what the scenario says: the same seed, the same figures
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Where the figures go
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Where the page with charts goes
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Files {
    pub(crate) fn rehearsal(&self) -> Result<Rehearsal, Error> {
        let mut rehearsal = Rehearsal::load(&self.scenario)?;
        for stack in &self.stack {
            rehearsal = rehearsal.stacks(stack)?;
        }
        Ok(match self.seed {
            Some(seed) => rehearsal.seed(seed),
            None => rehearsal,
        })
    }

    /// Whether the report can go where it is to: a mistyped path shall not cost a run.
    pub(crate) fn check_outputs(&self) -> Result<(), String> {
        let outputs = [self.json.as_deref(), self.html.as_deref()];
        outputs.into_iter().flatten().try_for_each(writable)
    }

    /// Shows a report, and writes it.
    pub(crate) fn write(&self, report: &Report) -> Result<(), BoxError> {
        let table = report.to_terminal(Terminal::of_stdout());
        io::stdout().write_all(table.as_bytes())?;
        if let Some(path) = &self.json {
            save(path, report.to_json()?.as_bytes())?;
        }
        if let Some(path) = &self.html {
            let mut html = Vec::new();
            report.write_html(&mut html)?;
            save(path, &html)?;
            println!("\nWith charts: {}", path.display());
        }
        Ok(())
    }
}
