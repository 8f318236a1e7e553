//! Through which layers calls go.

use super::scenario::{NONE, Plain};
use crate::sim::{BoxService, Connection, NaiveRetry, Sim, Workers, boxed};
use resilience_core::ConfigError;
use resilience_stack::{
    breaker::Breaker, client::ClientStack, config::Protocol, file::StackFile, server::ServerStack,
};
use std::{path::PathBuf, time::Duration};
use tower::{Layer, ServiceBuilder};

/// How often the stack `naive` tries again.
const NAIVE_RETRIES: u32 = 3;

pub(super) const NAIVE: &str = "naive";

/// Where the stacks of a run come from.
#[derive(Clone, Debug)]
pub(super) enum Stacks {
    /// No layers anywhere, whatever the scenario says.
    None,
    /// Clients retry at once, without budget; each attempt may take a fair share of their patience. There is nothing else.
    Naive,
    /// No file was given: the scenario does without.
    Unnamed,
    /// As production has it.
    File { path: PathBuf, file: Box<StackFile> },
}

impl Stacks {
    pub(super) fn label(&self) -> String {
        match self {
            Self::None => NONE.to_owned(),
            Self::Naive => NAIVE.to_owned(),
            Self::Unnamed => "as it is".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// Whether expectations are held against it: not if it is only there to compare.
    pub(super) fn is_checked(&self) -> bool {
        matches!(self, Self::Unnamed | Self::File { .. })
    }

    /// The layers for a client, around a connection.
    pub(super) fn client(
        &self,
        sim: &Sim,
        name: &str,
        service: Connection,
        patience: Option<Duration>,
    ) -> Result<(BoxService, Option<Breaker>), ConfigError> {
        let naive = |service| {
            // Otherwise those who are gone when they would retry do not.
            let attempt = patience.map(|patience| patience / (NAIVE_RETRIES + 1));
            let naive = ServiceBuilder::new().layer(NaiveRetry::layer(NAIVE_RETRIES));
            match attempt {
                Some(attempt) => boxed(naive.timeout(attempt).service(service)),
                None => boxed(naive.service(service)),
            }
        };
        Ok(match (self, name) {
            (Self::None, _) | (Self::Unnamed | Self::File { .. }, NONE) => (boxed(service), None),
            (Self::Naive, _) | (Self::Unnamed | Self::File { .. }, NAIVE) => (naive(service), None),
            (Self::Unnamed, _) => return Err(self.unknown("client", name)),
            (Self::File { file, .. }, _) => {
                let config = file.client_config(name);
                let mut config = config.map_err(|_| self.unknown("client", name))?.clone();
                // Whatever it speaks, it is made of the same layers.
                config.protocol = Protocol::Http;
                let build = || ClientStack::http(name.to_owned()).config(config).build();
                let stack = sim.seeded(&format!("client/{name}"), build)?;
                (boxed(stack.layer(service)), stack.breaker().cloned())
            }
        })
    }

    /// The layers of a server, around its workers.
    pub(super) fn server(
        &self,
        sim: &Sim,
        name: &str,
    ) -> Result<impl FnOnce(Workers) -> BoxService + use<>, ConfigError> {
        let stack = match (self, name) {
            (Self::None | Self::Naive, _) | (_, NONE) => None,
            (Self::Unnamed, _) => return Err(self.unknown("server", name)),
            (Self::File { file, .. }, _) => {
                let config = file.server_config(name);
                let mut config = config.map_err(|_| self.unknown("server", name))?.clone();
                config.protocol = Protocol::Http;
                let build = || ServerStack::http(name.to_owned()).config(config).build();
                Some(sim.seeded(&format!("server/{name}"), build)?)
            }
        };
        Ok(move |workers| match stack {
            Some(stack) => boxed(stack.layer(workers)),
            None => boxed(workers),
        })
    }

    /// Of the field `stack`.
    fn unknown(&self, kind: &str, name: &str) -> ConfigError {
        let expected = match self {
            Self::File { path, file } => {
                let known: Vec<_> = match kind {
                    "client" => file.clients().collect(),
                    _ => file.servers().collect(),
                };
                let hint = super::hint(name, known.into_iter());
                format!("a {kind} of {}; {hint}", path.display())
            }
            _ => format!("in a file of stacks, and none is given; without one, `{NONE}`"),
        };
        ConfigError::new("stack", Plain(format_args!("`{name}`")), expected)
    }
}
