//! What a scenario file says.

mod check;

pub(super) use check::Plain;

use super::expect::{Metric, Wanted};
use crate::sim::{
    Arrivals, ClientConfig, Discipline, Distribution, Fault, HangUp, Link, ServerConfig,
    WhileWaiting,
};
use resilience_core::config::humane;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// A system, what goes wrong with it, and what is expected of it: see the [module](super).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The heading of the report. The name of the file by default.
    #[serde(default)]
    pub title: String,
    /// What it is about: paragraphs with empty lines between them.
    #[serde(default)]
    pub about: String,
    /// Where all chances come from. Default 0; the command line can say another one. Numbers of TOML end at 2⁶³ - 1.
    #[serde(default)]
    pub seed: u64,
    /// For how long clients call: more than zero.
    #[serde(with = "humane")]
    pub duration: Duration,
    /// What is measured, and how.
    #[serde(default)]
    pub measure: Measure,
    /// What figures should be. See [`Metric`].
    #[serde(default)]
    pub expect: BTreeMap<Metric, Wanted>,
    /// Those who call.
    pub client: BTreeMap<String, Client>,
    /// Those who are called.
    pub server: BTreeMap<String, Server>,
}

/// A client, or many: when they call, whom, and through which layers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The server that is called.
    pub server: String,
    /// The client of that name in the stack file; or `none` or `naive`. Default `none`: no layers.
    #[serde(default = "none")]
    pub stack: String,
    /// When calls come.
    pub arrivals: Arrivals,
    /// How long a caller waits for an answer; then it hangs up. For ever by default.
    #[serde(default, with = "humane")]
    pub patience: Option<Duration>,
    /// From when on it calls. From the start by default.
    #[serde(default, with = "humane")]
    pub from: Duration,
    /// Until when it calls. To the end by default.
    #[serde(default, with = "humane")]
    pub until: Option<Duration>,
}

/// A server: see [`ServerConfig`] for what is the same there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// How many calls it works on at once: 1 to 10⁶.
    pub workers: u64,
    /// How long the work of a call takes.
    pub service_time: Distribution,
    /// The server of that name in the stack file, which stands in front of the workers; or `none`, the default: no layers.
    #[serde(default = "none")]
    pub stack: String,
    /// Which other servers the handler calls, when a worker has done its work.
    #[serde(default)]
    pub calls: Vec<Call>,
    /// Whether it calls them one after another, which ends with the first failure, or all at once. Default: one after another.
    #[serde(default)]
    pub order: Order,
    /// Who is next.
    #[serde(default)]
    pub discipline: Discipline,
    /// How many calls may wait for a worker.
    #[serde(default)]
    pub queue: Option<u64>,
    /// What it costs to refuse a call.
    #[serde(default)]
    pub refusal_cost: f64,
    /// What becomes of calls whose client has gone.
    #[serde(default)]
    pub hang_up: HangUp,
    /// Whether a worker is held while its call waits for other servers.
    #[serde(default)]
    pub while_waiting: WhileWaiting,
    /// The network in front of it.
    #[serde(default)]
    pub link: Link,
    /// What goes wrong, and when.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// A call of a handler to another server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The server that is called.
    pub server: String,
    /// The client of that name in the stack file; or `none` or `naive`. Default `none`: no layers.
    #[serde(default = "none")]
    pub stack: String,
}

/// How a handler calls several servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The next one when the one before has answered well.
    #[default]
    OneAfterAnother,
    /// At the same time.
    AllAtOnce,
}

/// What is measured, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Measure {
    /// Figures count from here; charts show all. Default 0 s.
    #[serde(with = "humane")]
    pub from: Duration,
    /// From one point of the charts to the next: at least 1 ms. A 300th of the duration by default, and at least 100 ms.
    #[serde(with = "humane")]
    pub every: Option<Duration>,
    /// A client has recovered when this share of its calls that end within a second is answered well: more than 0 and at most 1.
    /// Default 0.95.
    pub recovered: f64,
    /// And stays so for so long. Default 3 s.
    #[serde(with = "humane")]
    pub hold: Duration,
}

impl Default for Measure {
    fn default() -> Self {
        Self {
            from: Duration::ZERO,
            every: None,
            recovered: 0.95,
            hold: Duration::from_secs(3),
        }
    }
}

/// The stack that is none.
pub(super) const NONE: &str = "none";

fn none() -> String {
    NONE.to_owned()
}

impl Scenario {
    /// Relative paths begin in `folder`.
    pub(super) fn within(mut self, folder: Option<&Path>) -> Self {
        for client in self.client.values_mut() {
            if let (Arrivals::Trace { path }, Some(folder)) = (&mut client.arrivals, folder) {
                *path = folder.join(&path);
            }
        }
        self
    }

    /// Whose each fault is, and its beginning and end in seconds of the run.
    pub(super) fn faults(&self) -> Vec<(&str, f64, f64)> {
        let mut faults = Vec::new();
        for (name, server) in &self.server {
            for fault in server
                .faults
                .iter()
                .filter(|fault| fault.from < self.duration)
            {
                let until = fault.until.min(self.duration);
                faults.push((&**name, fault.from.as_secs_f64(), until.as_secs_f64()));
            }
        }
        faults
    }

    /// From one point of the charts to the next.
    pub(super) fn every(&self) -> Duration {
        self.measure.every.unwrap_or_else(|| {
            let millis = (self.duration / 300).as_millis();
            Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX).max(100))
                .min(self.duration)
        })
    }
}

impl Client {
    /// As the simulator has it. Calls end with the run.
    pub(super) fn config(&self, name: &str, duration: Duration) -> ClientConfig {
        let until = self.until.map_or(duration, |until| until.min(duration));
        ClientConfig {
            name: name.to_owned(),
            arrivals: self.arrivals.clone(),
            patience: self.patience,
            from: self.from,
            until: Some(until),
        }
    }
}

impl Server {
    /// As the simulator has it.
    pub(super) fn config(&self, name: &str) -> ServerConfig {
        ServerConfig {
            name: name.to_owned(),
            workers: self.workers,
            service_time: self.service_time.clone(),
            discipline: self.discipline,
            queue: self.queue,
            refusal_cost: self.refusal_cost,
            hang_up: self.hang_up,
            while_waiting: self.while_waiting,
            link: self.link.clone(),
            faults: self.faults.clone(),
        }
    }
}
