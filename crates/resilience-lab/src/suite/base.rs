//! The system that most scenarios put in trouble: ten processes that call, and a server of ten workers.

use super::{Outgoing, Stack};
use crate::sim::{
    Arrivals, Client, ClientConfig, ClientFigures, Distribution, Series, Server, ServerConfig, Sim,
    answer, float,
};
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

pub(super) const LEAD: &str = "Every scenario is run with the real layers, for each of the stacks that are compared; in virtual time, \
    unless a row says real time. Unless it says otherwise: ten processes call one server, at Poisson's times. The server has ten workers and needs \
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
    /// Starts both, with `rate` calls per second over all processes.
    pub fn start(
        sim: &Sim,
        stack: Stack,
        server: &ServerConfig,
        rate: f64,
    ) -> Result<Self, BoxError> {
        let layers = stack.server(sim, "server")?;
        let server = server.start_with(sim, answer(), |workers| layers.layer(workers))?;
        Self::around(sim, stack, server, rate)
    }

    /// Starts those who call, with `rate` calls per second over all processes.
    pub fn around(sim: &Sim, stack: Stack, server: Server, rate: f64) -> Result<Self, BoxError> {
        let mut system = Self {
            server,
            clients: Vec::new(),
            layers: Vec::new(),
        };
        for _ in 0..PROCESSES {
            let layers = stack.client(sim, "client")?;
            let arrivals = Arrivals::poisson(rate / f64::from(PROCESSES));
            let client = ClientConfig::new("client", arrivals).patience(PATIENCE);
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

    /// What became of the calls of all processes.
    pub fn share(&self, of: impl Fn(&ClientFigures) -> u64) -> f64 {
        let figures: Vec<_> = self.clients.iter().map(Client::figures).collect();
        let over = |f: &ClientFigures| f.answered + f.degraded + f.refused + f.failed + f.late;
        float(figures.iter().map(of).sum()) / float(figures.iter().map(over).sum())
    }

    /// Samples how many calls per second are made and answered, and how many arrive at the server.
    pub fn track(&self, sim: &Sim, every: Duration) {
        let (made, answered) = (self.clients.clone(), self.clients.clone());
        let server = self.server.clone();
        sim.track_rate(OFFERED, every, move || {
            made.iter().map(Client::offered).sum()
        });
        sim.track_rate(GOODPUT, every, move || {
            answered.iter().map(Client::answered).sum()
        });
        sim.track_rate(LOAD, every, move || server.arrived());
    }
}

/// The series of calls made, per second.
pub const OFFERED: &str = "offered";

/// The series of what is answered, in calls per second.
pub const GOODPUT: &str = "goodput";

/// The series of what arrives at the server, in calls per second.
pub const LOAD: &str = "load";

/// The points of the series `name`.
pub fn points(series: &[Series], name: &str) -> Vec<(f64, f64)> {
    let mut series = series.iter();
    let found = series.find(|series| series.name == name);
    found
        .map(|series| series.points.clone())
        .unwrap_or_default()
}

/// Calls answered, of those that were made, in percent: in the `window` of steps that ends at each point. Calls that are answered
/// later than in their step can make it more than 100.
pub fn share(made: &[(f64, f64)], answered: &[(f64, f64)], window: usize) -> Series {
    let sum = |points: &[(f64, f64)]| points.iter().map(|(_, value)| value).sum::<f64>();
    let windows = made.windows(window).zip(answered.windows(window));
    let points = windows.map(|(made, answered)| {
        let at = made.last().map_or(f64::NAN, |(at, _)| *at);
        (at, 100.0 * sum(answered) / sum(made))
    });
    Series {
        name: ANSWERED.to_owned(),
        every: f64::NAN,
        points: points.collect(),
    }
}

/// The series of [`share`].
pub const ANSWERED: &str = "answered";

/// Seconds after `over` until 95 % of the calls are answered, and are so for a second; infinite if that is never so.
pub fn back_after(share: &Series, over: Duration) -> f64 {
    let back = share.time_to_reach(95.0, over, Duration::from_secs(1));
    back.map_or(f64::INFINITY, |back| back.as_secs_f64())
}
