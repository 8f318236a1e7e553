//! `resilience-lab theory`.

use super::SEED;
use clap::Args;
use resilience_core::BoxError;
use resilience_lab::{
    report::{Report, Terminal},
    suite,
};
use std::io::{self, Write as _};

/// Holds the simulator against queueing theory
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where all chances come from
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
}

impl Options {
    pub(crate) fn run(self) -> Result<bool, BoxError> {
        let finding = suite::theory(self.seed);
        let report = Report::new("The simulator and the theory")
            .fact("seed", self.seed.to_string())
            .section(finding.section);
        let table = report.to_terminal(Terminal::of_stdout());
        io::stdout().write_all(table.as_bytes())?;
        Ok(report.missed().is_empty())
    }
}
