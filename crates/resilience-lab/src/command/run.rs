//! `resilience-lab run`.

use super::{Files, write};
use clap::Args;
use resilience_core::BoxError;

/// Runs a scenario with the stacks of production, and says what would have happened
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    files: Files,

    /// Fails if an expectation of the scenario does not hold
    #[arg(long)]
    check: bool,
}

impl Options {
    pub(crate) fn run(self) -> Result<bool, BoxError> {
        let rehearsal = self.files.rehearsal()?;
        // Not before: what is wrong with the scenario shall not cost the last run's page.
        let outputs = self.files.outputs()?;
        let outcome = rehearsal.run()?;
        write(&outcome.report(), outputs)?;
        let unmet = outcome.unmet();
        if !unmet.is_empty() {
            print!("\n{}", outcome.verdict());
        }
        Ok(!self.check || unmet.is_empty())
    }
}
