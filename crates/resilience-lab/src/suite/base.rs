//! The system that most scenarios put in trouble: ten processes that call, and a server of ten workers.

use super::{Incoming, Outgoing, Stack};
use crate::sim::{Arrivals, Client, ClientConfig, Distribution, Server, ServerConfig, Sim, answer};
use resilience_core::BoxError;
use std::time::Duration;
use tower::Layer;

/// Calls on which the server works at once.
pub const WORKERS: u64 = 10;

/// The mean of the service time, which is exponential.
pub const SERVICE: Duration = Duration::from_millis(10);

/// What the server can do, in calls per second.
pub const CAPACITY: f64 = 1_000.0;

/// When a client gives up an attempt. What the server does for it from then on is for nothing.
pub const ATTEMPT: Duration = Duration::from_millis(100);

/// How many times a client tries again at most.
pub const RETRIES: u32 = 3;

/// How long who has called waits, for all attempts.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// What a refusal by the server costs, as a share of a call: 50 µs.
pub const REFUSAL_COST: f64 = 0.005;

/// How many processes call.
pub const PROCESSES: u32 = 10;

pub(super) const LEAD: &str = "Every scenario is run in virtual time, with the real layers, for each of the stacks that are \
    compared. Unless it says otherwise: ten processes call one server, at Poisson's times. The server has ten workers and needs \
    10 ms for a call on average, exponentially distributed, so that it can do 1,000 calls per second. It does not notice when a \
    caller gives up: dead work costs. A refusal costs it 50 µs. An attempt is given up after 100 ms, and a call, with all its \
    retries, after 1 s.";

/// The server: workers, service time and cost of a refusal are those here, all else is default.
pub fn server(name: &str) -> ServerConfig {
    ServerConfig::new(name, WORKERS, Distribution::exponential(SERVICE)).refusal_cost(REFUSAL_COST)
}

/// A server and those who call it, with the layers of one stack around each.
#[derive(Debug)]
pub struct System {
    /// What is called.
    pub server: Server,
    /// Who calls: one client for each process.
    pub clients: Vec<Client>,
    /// The layers of the processes.
    pub layers: Vec<Outgoing>,
}

impl System {
    /// Starts it, with `rate` calls per second over all processes.
    pub fn start(
        sim: &Sim,
        stack: Stack,
        server: &ServerConfig,
        rate: f64,
    ) -> Result<Self, BoxError> {
        Self::between(sim, stack, server, rate, None)
    }

    /// As [`start`](Self::start), with calls from the one time to the other.
    pub fn between(
        sim: &Sim,
        stack: Stack,
        server: &ServerConfig,
        rate: f64,
        times: Option<(Duration, Duration)>,
    ) -> Result<Self, BoxError> {
        let layers: Incoming = stack.server(sim, "server")?;
        let server = server.start_with(sim, answer(), |workers| layers.layer(workers))?;
        let mut system = Self {
            server,
            clients: Vec::new(),
            layers: Vec::new(),
        };
        for _ in 0..PROCESSES {
            let layers = stack.client(sim, "client")?;
            let arrivals = Arrivals::poisson(rate / f64::from(PROCESSES));
            let mut client = ClientConfig::new("client", arrivals).patience(PATIENCE);
            if let Some((from, until)) = times {
                client = client.between(from, until);
            }
            let service = layers.layer.layer(system.server.connect());
            system.clients.push(client.start(sim, service)?);
            system.layers.push(layers);
        }
        Ok(system)
    }

    /// Calls that were answered well and in time so far.
    pub fn answered(&self) -> u64 {
        self.clients.iter().map(Client::answered).sum()
    }

    /// Calls made so far.
    pub fn offered(&self) -> u64 {
        self.clients.iter().map(Client::offered).sum()
    }

    /// Figures count from here.
    pub fn forget(&self) {
        self.clients.iter().for_each(Client::forget);
        self.server.forget();
    }

    /// Samples how many calls per second are answered, and how many arrive at the server.
    pub fn track(&self, sim: &Sim, every: Duration) {
        let (clients, server) = (self.clients.clone(), self.server.clone());
        sim.track_rate(GOODPUT, every, move || {
            clients.iter().map(Client::answered).sum()
        });
        sim.track_rate(LOAD, every, move || server.arrived());
    }
}

/// The series of what is answered, in calls per second.
pub const GOODPUT: &str = "goodput";

/// The series of what arrives at the server, in calls per second.
pub const LOAD: &str = "load";
