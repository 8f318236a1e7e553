//! What a server is like.

use crate::sim::{Distribution, Fault};
use resilience_core::{ConfigError, config};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A simulated server: workers, a queue in front of them, and what goes wrong with them.
///
/// ```
/// use resilience_lab::sim::{Discipline, ServerConfig};
///
/// let text = r#"
/// name = "inventory"
/// workers = 10
/// service_time.exponential.mean = "10ms"
/// queue = 500
/// discipline = "lifo"
///
/// [[faults]]
/// from = "10s"
/// until = "13s"
/// what.slow.factor = 3.0"#;
/// let server: ServerConfig = toml::from_str(text).unwrap();
/// assert_eq!(server.discipline, Discipline::Lifo);
/// assert_eq!(server.capacity().unwrap(), 1_000.0);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// In figures, and the source of its chances.
    pub name: String,
    /// How many calls it works on at once: 1 to 10⁶.
    pub workers: u64,
    /// How long the work of a call takes.
    pub service_time: Distribution,
    /// Who is next. First come, first served by default.
    #[serde(default)]
    pub discipline: Discipline,
    /// How many calls may wait for a worker; others are answered with 503. No bound by default.
    #[serde(default)]
    pub queue: Option<u64>,
    /// What it costs to refuse a call: a share of the mean service time, 0 to 1. Workers do it, before they take the next call.
    /// Default 0.
    ///
    /// Refused is what the server's layers answer without having let the call get to the workers, and what the bound of the
    /// queue refuses.
    #[serde(default)]
    pub refusal_cost: f64,
    /// What becomes of calls whose client has gone. By default the server does not notice: dead work costs.
    #[serde(default)]
    pub hang_up: HangUp,
    /// Whether a worker is held while its call waits for other servers. Released by default, as asynchronous servers do.
    #[serde(default)]
    pub while_waiting: WhileWaiting,
    /// The network between clients and server. Nothing by default.
    #[serde(default)]
    pub link: Link,
    /// What goes wrong. Where several faults hit a call, the first decides; slowness multiplies.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// Which of the calls that wait is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Discipline {
    /// First come, first served.
    #[default]
    Fifo,
    /// Last come, first served.
    Lifo,
}

/// What becomes of a call whose client has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HangUp {
    /// It keeps its place and its turn, unless a layer of the server gives it up.
    #[default]
    Ignored,
    /// It is dropped. If a worker has begun with it, the worker goes on to the end of the service time.
    Noticed,
}

/// Whether a worker is held while its call waits for other servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhileWaiting {
    /// It takes the next call.
    #[default]
    Released,
    /// It waits too, as a thread per request does.
    Held,
}

/// The network between the clients and one server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// How long a message takes, in each direction. None by default.
    #[serde(default)]
    pub latency: Option<Distribution>,
    /// The share of messages that get lost, in each direction: 0 to 1. Their callers wait for ever. Default 0.
    #[serde(default)]
    pub loss: f64,
}

impl Link {
    fn validate(&self) -> Result<(), ConfigError> {
        config::within("loss", self.loss, 0.0, 1.0)?;
        if let Some(latency) = &self.latency {
            let sampler = latency.sampler();
            sampler.map_err(|error| error.under("latency"))?;
        }
        Ok(())
    }
}

impl ServerConfig {
    /// A server with defaults for all but these.
    pub fn new(name: impl Into<String>, workers: u64, service_time: Distribution) -> Self {
        Self {
            name: name.into(),
            workers,
            service_time,
            discipline: Discipline::default(),
            queue: None,
            refusal_cost: 0.0,
            hang_up: HangUp::default(),
            while_waiting: WhileWaiting::default(),
            link: Link::default(),
            faults: Vec::new(),
        }
    }

    /// Adds a fault.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Bounds the queue.
    pub fn queue(mut self, bound: u64) -> Self {
        self.queue = Some(bound);
        self
    }

    /// What it costs to refuse a call, as a share of the mean service time.
    pub fn refusal_cost(mut self, share: f64) -> Self {
        self.refusal_cost = share;
        self
    }

    /// What becomes of calls whose client has gone.
    pub fn hang_up(mut self, hang_up: HangUp) -> Self {
        self.hang_up = hang_up;
        self
    }

    /// How long a message takes, in each direction.
    pub fn latency(mut self, latency: Distribution) -> Self {
        self.link.latency = Some(latency);
        self
    }

    /// The calls per second that its workers can do when nothing is wrong; infinite if the work takes no time.
    pub fn capacity(&self) -> Result<f64, ConfigError> {
        let mean = self.service_time.sampler()?.mean();
        Ok(crate::sim::float(self.workers) / mean.as_secs_f64())
    }

    /// Which field cannot be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        config::count("workers", self.workers, 1, 1_000_000)?;
        let sampler = self.service_time.sampler();
        sampler.map_err(|error| error.under("service_time"))?;
        config::within("refusal_cost", self.refusal_cost, 0.0, 1.0)?;
        let link = self.link.validate();
        link.map_err(|error| error.under("link"))?;
        for (index, fault) in self.faults.iter().enumerate() {
            let fault = fault.validate();
            fault.map_err(|error| error.under(&index.to_string()).under("faults"))?;
        }
        Ok(())
    }

    /// The mean time that a refusal costs.
    pub(crate) fn refusal_time(&self) -> Result<Duration, ConfigError> {
        let mean = self.service_time.sampler()?.mean();
        Ok(mean.mul_f64(self.refusal_cost))
    }
}
