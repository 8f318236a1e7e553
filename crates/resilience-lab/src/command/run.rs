//! `resilience-lab run`.

use super::Files;
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
        self.files.check_outputs()?;
        let outcome = rehearsal.run()?;
        self.files.write(&outcome.report())?;
        let unmet = outcome.unmet();
        if !unmet.is_empty() {
            print!("\n{}", outcome.verdict());
        }
        Ok(!self.check || unmet.is_empty())
    }
}
