//! A scenario that runs.

mod played;

pub use played::{ClientPlayed, Played, ServerPlayed};

use super::{
    scenario::{Order, Scenario},
    stacks::Stacks,
};
use crate::sim::{AllOf, BoxService, Client, Server, Sim, Simulation, answer, float};
use played::{ratio, time_to_recover};
use resilience_core::ConfigError;
use resilience_stack::{
    breaker::{Breaker, State},
    http::pass_on,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// How long calls without patience may take to come to an end, when no more come.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs the scenario with these stacks.
pub(super) fn play(scenario: &Scenario, stacks: &Stacks, seed: u64) -> Result<Played, ConfigError> {
    Simulation::new(seed).run(async |sim| {
        let mut world = World {
            scenario,
            stacks,
            sim,
            age: Arc::default(),
            servers: BTreeMap::new(),
            clients: BTreeMap::new(),
        };
        world.build()?;
        world.run().await;
        Ok(world.played())
    })
}

struct World<'a> {
    scenario: &'a Scenario,
    stacks: &'a Stacks,
    sim: Sim,
    /// How often counts began anew.
    age: Arc<AtomicU64>,
    servers: BTreeMap<String, Server>,
    clients: BTreeMap<String, Client>,
}

impl World<'_> {
    fn build(&mut self) -> Result<(), ConfigError> {
        let every = self.scenario.every();
        for name in self.scenario.callees_first()? {
            let server = self.start_server(name);
            let server = server.map_err(|error| error.under(name).under("server"))?;
            let (arrivals, queue) = (server.clone(), server.clone());
            self.track_rate(format!("arrived/{name}"), move || arrivals.arrived());
            self.sim.track(format!("queue/{name}"), every, move || {
                float(queue.queue_length())
            });
            self.servers.insert(name.to_owned(), server);
        }
        for name in self.scenario.client.keys() {
            let client = self.start_client(name);
            let client = client.map_err(|error| error.under(name).under("client"))?;
            let (offered, answered) = (client.clone(), client.clone());
            self.track_rate(format!("offered/{name}"), move || offered.offered());
            self.track_rate(format!("answered/{name}"), move || answered.answered());
            let ended = client.clone();
            self.track_rate(format!("ended/{name}"), move || {
                ended.offered() - ended.in_flight()
            });
            self.clients.insert(name.clone(), client);
        }
        Ok(())
    }

    fn start_server(&self, name: &str) -> Result<Server, ConfigError> {
        let config = &self.scenario.server[name];
        let mut calls = AllOf::new().carry(|req, out| {
            pass_on(req.extensions(), out.extensions_mut());
        });
        if config.order == Order::OneAfterAnother {
            calls = calls.in_turn();
        }
        for (index, call) in config.calls.iter().enumerate() {
            let who = caller(name, &call.server);
            let service = self.client_of(&who, &call.server, &call.stack, None);
            let under = |error: ConfigError| error.under(&index.to_string()).under("calls");
            calls = calls.call(service.map_err(under)?);
        }
        let handler = if config.calls.is_empty() {
            answer()
        } else {
            crate::sim::boxed(calls)
        };
        let layers = self.stacks.server(&self.sim, &config.stack)?;
        config.config(name).start_with(&self.sim, handler, layers)
    }

    fn start_client(&self, name: &str) -> Result<Client, ConfigError> {
        let config = &self.scenario.client[name];
        let service = self.client_of(name, &config.server, &config.stack, config.patience)?;
        let client = config.config(name, self.scenario.duration);
        client.start(&self.sim, service)
    }

    /// What `who` calls a server through.
    fn client_of(
        &self,
        who: &str,
        server: &str,
        stack: &str,
        patience: Option<Duration>,
    ) -> Result<BoxService, ConfigError> {
        let connection = self.servers[server].connect();
        let (service, breaker) = self.stacks.client(&self.sim, stack, connection, patience)?;
        if let Some(breaker) = breaker {
            let every = self.scenario.every();
            self.sim
                .track(format!("breaker/{who}"), every, move || state(&breaker));
        }
        Ok(service)
    }

    /// As [`Sim::track_rate`], of what begins anew where the measurement does.
    fn track_rate(&self, name: String, mut total: impl FnMut() -> u64 + Send + 'static) {
        let every = self.scenario.every();
        let (age, mut before) = (self.age.clone(), (0, 0));
        self.sim.track(name, every, move || {
            let (now, age) = (total(), age.load(Relaxed));
            let grown = if age == before.0 { now - before.1 } else { now };
            before = (age, now);
            float(grown) / every.as_secs_f64()
        });
    }

    async fn run(&self) {
        let Scenario {
            duration, measure, ..
        } = self.scenario;
        if !measure.from.is_zero() {
            // After what is sampled at this time.
            let after = measure.from + Duration::from_nanos(1);
            self.sim.sleep_until(after).await;
            self.clients.values().for_each(Client::forget);
            self.servers.values().for_each(Server::forget);
            self.age.fetch_add(1, Relaxed);
        }
        self.sim.sleep_until(*duration).await;
        let patience = self.scenario.client.values();
        let patience = patience.map(|client| client.patience.unwrap_or(DRAIN));
        let end = *duration + patience.max().unwrap_or(DRAIN);
        while self.sim.now() < end && self.clients.values().any(|client| client.in_flight() > 0) {
            self.sim.sleep(Duration::from_millis(10)).await;
        }
    }

    fn played(&self) -> Played {
        let mut series = self.sim.series();
        let end = self.scenario.duration.as_secs_f64();
        for series in &mut series {
            series.points.retain(|(t, _)| *t <= end);
        }
        let clients = self.clients.iter().map(|(name, client)| {
            let played = ClientPlayed {
                figures: client.figures(),
                time_to_recover: time_to_recover(self.scenario, &series, name),
            };
            (name.clone(), played)
        });
        let servers = self.servers.iter().map(|(name, server)| {
            let queue = series.iter().find(|s| s.name == format!("queue/{name}"));
            let queue = queue.into_iter().flat_map(|series| &series.points);
            let played = ServerPlayed {
                figures: server.figures(),
                amplification: ratio(float(server.arrived()), self.sent_once(name)),
                peak_queue: queue.map(|(_, length)| *length).fold(0.0, f64::max),
            };
            (name.clone(), played)
        });
        Played {
            label: self.stacks.label(),
            checked: self.stacks.is_checked(),
            clients: clients.collect(),
            servers: servers.collect(),
            series: series.clone(),
        }
    }

    /// Calls that would arrive at a server if each was sent once.
    fn sent_once(&self, server: &str) -> f64 {
        let clients = self.scenario.client.iter();
        let direct = clients.filter(|(_, client)| client.server == server);
        let direct: f64 = direct
            .map(|(name, _)| float(self.clients[name].offered()))
            .sum();
        let callers = self.scenario.server.iter().flat_map(|(name, caller)| {
            let calls = caller.calls.iter().filter(|call| call.server == server);
            calls.map(|_| self.sent_once(name))
        });
        direct + callers.sum::<f64>()
    }
}

/// The client that a server is of another one.
pub(super) fn caller(name: &str, server: &str) -> String {
    format!("{name} to {server}")
}

fn state(breaker: &Breaker) -> f64 {
    match breaker.state() {
        State::Open | State::ForcedOpen => 2.0,
        State::HalfOpen => 1.0,
        _ => 0.0,
    }
}
