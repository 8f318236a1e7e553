//! What `run` and `sweep` have in common.

use super::create;
use clap::Args;
use resilience_core::BoxError;
use resilience_lab::{
    rehearsal::{Error, Rehearsal},
    report::{Report, Terminal},
};
use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
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

/// Where a report goes besides the terminal.
pub(crate) struct Outputs {
    json: Option<BufWriter<File>>,
    html: Option<(BufWriter<File>, PathBuf)>,
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

    /// Opened first: a mistyped path shall not cost a run.
    pub(crate) fn outputs(&self) -> Result<Outputs, String> {
        let json = self.json.as_deref().map(create).transpose()?;
        let html = self
            .html
            .as_ref()
            .map(|path| Ok::<_, String>((create(path)?, path.clone())));
        let html = html.transpose()?;
        Ok(Outputs { json, html })
    }
}

/// Shows a report, and writes it.
pub(crate) fn write(report: &Report, outputs: Outputs) -> Result<(), BoxError> {
    let table = report.to_terminal(Terminal::of_stdout());
    io::stdout().write_all(table.as_bytes())?;
    if let Some(mut json) = outputs.json {
        json.write_all(report.to_json()?.as_bytes())?;
        json.flush()?;
    }
    if let Some((mut html, path)) = outputs.html {
        report.write_html(&mut html)?;
        html.flush()?;
        println!("\nWith charts: {}", path.display());
    }
    Ok(())
}
