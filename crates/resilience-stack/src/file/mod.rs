//! Files of named stacks.
//!
//! One file says how each client and each server of a service is built; production reads it, and so can a rehearsal.
//!
//! ```toml
#![doc = include_str!("../../examples/stacks.toml")]
//! ```
//!
//! A name makes a stack, with every default of the [client](crate::client) and [server](crate::server) presets; the tables
//! under it change what they name, and leave the rest. An empty table is the default, and `false` in the place of a table
//! leaves the layer out. All fields are those of the builders:
//!
//! | table | fields |
//! |---|---|
//! | `[client.NAME]` | [`ClientConfig`] |
//! | `[client.NAME.retry]`, with `backoff` and `budget` | [`RetryConfig`](crate::retry::RetryConfig), [`BackoffConfig`](crate::core::BackoffConfig), [`BudgetConfig`](crate::core::BudgetConfig) |
//! | `[client.NAME.rate_limit]`, `[server.NAME.rate_limit]` | [`RateLimitConfig`](crate::ratelimit::RateLimitConfig) |
//! | `[client.NAME.bulkhead]`, `[server.NAME.bulkhead]` | [`BulkheadConfig`](crate::bulkhead::BulkheadConfig) |
//! | `[client.NAME.breaker]` | [`BreakerConfig`](crate::breaker::BreakerConfig) |
//! | `[server.NAME]` | [`ServerConfig`] |
//!
//! Fallbacks, exemptions, keys and hooks are code: [`StackFile::client`] and [`StackFile::server`] return the builder, which
//! takes them.
//!
//! # Errors
//!
//! The whole file is checked when it is read: names, kinds, ranges and contradictions, of all stacks. The error tells file,
//! line and column, the path of the field, its value, and what would be right:
//!
//! ```text
//! stacks.toml:9:12: `client.inventory.breaker.open_for` is 0ns; it must be more than zero and at most 365 days
//! stacks.toml:9:1: `client.inventory.breaker.open_fro` is not known; did you mean `open_for`? known: …
//! ```
//!
//! # Other formats
//!
//! [`StackFile`] is serde's `Serialize` and `Deserialize`, with the same checks; where an error stands is then for the
//! format to say. [`from_toml`] reads other types as files of stacks are read.

mod error;
mod read;

pub use error::StackFileError;
pub use read::from_toml;

#[cfg(feature = "tonic")]
use crate::client::Grpc;
use crate::{
    client::{ClientBuilder, ClientStack, Http},
    config::{CLIENT_LIMIT, ClientConfig, Protocol, SERVER_LIMIT, ServerConfig, limited},
    server::{ServerBuilder, ServerStack},
};
use error::{Why, hint};
use resilience_core::ConfigError;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fs, path::Path, path::PathBuf, str::FromStr};

/// Named clients and servers: see the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stacks", into = "Stacks")]
pub struct StackFile {
    stacks: Stacks,
    file: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Stacks {
    client: BTreeMap<String, ClientConfig>,
    server: BTreeMap<String, ServerConfig>,
}

impl StackFile {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<Self, StackFileError> {
        let stacks = from_toml(text, Stacks::check)?.filled();
        Ok(Self { stacks, file: None })
    }

    /// Reads a file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, StackFileError> {
        let path = path.as_ref();
        let in_file = |error: StackFileError| error.in_file(path);
        let text = fs::read_to_string(path)
            .map_err(|error| in_file(StackFileError::new(None, Why::Io(error))))?;
        let stacks = Self::parse(&text).map_err(in_file)?.stacks;
        let file = Some(path.to_owned());
        Ok(Self { stacks, file })
    }

    /// The names of all clients, in their order.
    pub fn clients(&self) -> impl Iterator<Item = &str> {
        self.stacks.client.keys().map(String::as_str)
    }

    /// The names of all servers, in their order.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        self.stacks.server.keys().map(String::as_str)
    }

    /// What the file says of a client, with all defaults. An unknown name is an error, which tells those that there are.
    pub fn client_config(&self, name: &str) -> Result<&ClientConfig, StackFileError> {
        self.named("client", &self.stacks.client, name)
    }

    /// What the file says of a server, with all defaults. An unknown name is an error, which tells those that there are.
    pub fn server_config(&self, name: &str) -> Result<&ServerConfig, StackFileError> {
        self.named("server", &self.stacks.server, name)
    }

    /// Begins a client's stack for HTTP. An unknown name is an error, and so is a client for gRPC.
    pub fn client(&self, name: &str) -> Result<ClientBuilder<Http>, StackFileError> {
        let config = self.client_of(name, Protocol::Http)?;
        Ok(ClientStack::http(name.to_owned()).config(config))
    }

    /// Begins a client's stack for gRPC. An unknown name is an error, and so is a client for HTTP.
    #[cfg(feature = "tonic")]
    pub fn grpc_client(&self, name: &str) -> Result<ClientBuilder<Grpc>, StackFileError> {
        let config = self.client_of(name, Protocol::Grpc)?;
        Ok(ClientStack::grpc(name.to_owned()).config(config))
    }

    /// Begins a server's stack, for the protocol that the file says. An unknown name is an error.
    pub fn server(&self, name: &str) -> Result<ServerBuilder, StackFileError> {
        let config = self.server_config(name)?.clone();
        Ok(ServerStack::http(name.to_owned()).config(config))
    }

    fn client_of(&self, name: &str, protocol: Protocol) -> Result<ClientConfig, StackFileError> {
        let config = self.client_config(name)?;
        if config.protocol != protocol {
            let expected = match protocol {
                Protocol::Http => "\"http\"; `grpc_client` asks for the others",
                Protocol::Grpc => "\"grpc\"; `client` asks for the others",
            };
            let field = format!("client.{name}.protocol");
            let error = ConfigError::new(field, config.protocol.name(), expected);
            return Err(self.error(Why::Value(Box::new(error))));
        }
        Ok(config.clone())
    }

    fn named<'a, C>(
        &self,
        kind: &str,
        stacks: &'a BTreeMap<String, C>,
        name: &str,
    ) -> Result<&'a C, StackFileError> {
        stacks.get(name).ok_or_else(|| {
            let hint = hint(name, stacks.keys().map(String::as_str));
            self.error(Why::Stack(format!("there is no {kind} `{name}`; {hint}")))
        })
    }

    fn error(&self, why: Why) -> StackFileError {
        let error = StackFileError::new(None, why);
        match &self.file {
            Some(file) => error.in_file(file),
            None => error,
        }
    }
}

impl Stacks {
    /// Builds everything once, and so knows whether it can be built.
    fn check(&self) -> Result<(), ConfigError> {
        for (name, config) in &self.client {
            // Whatever it speaks, it is made of the same parts.
            let config = ClientConfig {
                protocol: Protocol::Http,
                ..config.clone()
            };
            let built = ClientStack::http(name.clone()).config(config).build();
            built.map_err(|error| error.under(name).under("client"))?;
        }
        for (name, config) in &self.server {
            let built = ServerStack::http(name.clone())
                .config(config.clone())
                .build();
            built.map_err(|error| error.under(name).under("server"))?;
        }
        Ok(())
    }

    /// With the limit of each bulkhead that is not told one: who reads a configuration need not know it.
    fn filled(mut self) -> Self {
        for config in self.client.values_mut() {
            let bulkhead = config.bulkhead.take();
            config.bulkhead = bulkhead.map(|bulkhead| limited(bulkhead, CLIENT_LIMIT));
        }
        for config in self.server.values_mut() {
            let bulkhead = config.bulkhead.take();
            config.bulkhead = bulkhead.map(|bulkhead| limited(bulkhead, SERVER_LIMIT));
        }
        self
    }
}

impl FromStr for StackFile {
    type Err = StackFileError;

    fn from_str(text: &str) -> Result<Self, StackFileError> {
        Self::parse(text)
    }
}

impl TryFrom<Stacks> for StackFile {
    type Error = ConfigError;

    fn try_from(stacks: Stacks) -> Result<Self, ConfigError> {
        stacks.check()?;
        let stacks = stacks.filled();
        Ok(Self { stacks, file: None })
    }
}

impl From<StackFile> for Stacks {
    fn from(file: StackFile) -> Self {
        file.stacks
    }
}
