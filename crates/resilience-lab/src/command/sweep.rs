//! `resilience-lab sweep`.

use super::Files;
use clap::Args;
use resilience_core::BoxError;
use resilience_lab::rehearsal::Vary;

/// Runs a scenario for each value of one or two fields
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    files: Files,

    /// What varies: PATH=VALUE,VALUE,… or PATH=FIRST..LAST/STEP. The path is one of the file of stacks, or of the scenario
    #[arg(long, value_name = "PATH=VALUES", required = true)]
    vary: Vec<Vary>,
}

impl Options {
    pub(crate) fn run(self) -> Result<bool, BoxError> {
        let rehearsal = self.files.rehearsal()?;
        self.files.check_outputs()?;
        let sweep = rehearsal.sweep(&self.vary)?;
        self.files.write(&sweep.report())?;
        Ok(true)
    }
}
