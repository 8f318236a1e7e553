//! What queueing theory says, and whether the simulator agrees.
//!
//! Each check runs a simulation whose outcome is known, and compares. Where chance is involved, the error allowed is four
//! standard errors of the mean, estimated from the means of 20 batches, each many times longer than what the system remembers;
//! with 19 degrees of freedom, less than one correct simulator of a thousand fails.

use super::{
    AllOf, Arrivals, BoxService, ClientConfig, Distribution, Fault, NaiveRetry, ServerConfig, Sim,
    Simulation, Trouble, float,
};
use resilience_core::ConfigError;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tower::{Layer, ServiceExt, util::BoxCloneService};

/// A figure that is known, and what the simulator says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What is checked.
    pub name: String,
    /// What theory says.
    pub expected: f64,
    /// What the simulator says.
    pub measured: f64,
    /// How far they may be apart.
    pub allowed: f64,
}

impl Check {
    /// Whether the simulator agrees.
    pub fn holds(&self) -> bool {
        (self.measured - self.expected).abs() <= self.allowed
    }
}

/// All checks.
pub fn checks(seed: u64) -> Vec<Check> {
    let mut checks = Vec::new();
    for workers in [1, 10] {
        for load in [0.5, 0.7, 0.9] {
            checks.push(mean_wait(seed, workers, load));
        }
    }
    checks.push(littles_law(seed));
    checks.extend([1, 3].map(|retries| amplification(seed, retries, 1)));
    checks.extend([2, 3].map(|tiers| amplification(seed, 3, tiers)));
    checks.push(exact_time(seed));
    checks
}

/// The probability that a call has to wait in an M/M/k queue, with `offered` = arrival rate × mean service time < k (Erlang 1917).
pub fn erlang_c(workers: u32, offered: f64) -> f64 {
    // Erlang's B by its recursion, which does not overflow.
    let blocked = (1..=workers).fold(1.0, |b, k| offered * b / (f64::from(k) + offered * b));
    let k = f64::from(workers);
    k * blocked / (k - offered * (1.0 - blocked))
}

/// The mean time that calls wait in an M/M/k queue, in mean service times.
pub fn mmk_mean_wait(workers: u32, offered: f64) -> f64 {
    erlang_c(workers, offered) / (f64::from(workers) - offered)
}

const SERVICE: Duration = Duration::from_millis(10);
const BATCHES: u32 = 20;

/// The mean wait of an M/M/k queue at `load`, more than 0 and less than 1, in mean service times, against [`mmk_mean_wait`].
pub fn mean_wait(seed: u64, workers: u32, load: f64) -> Check {
    let offered = load * f64::from(workers);
    let rate = offered / SERVICE.as_secs_f64();
    // An M/M/k queue forgets in about 1/(kμ(1-√ρ)²): less than 400 arrivals at a load of 0.9.
    let batch = Duration::from_secs_f64(5_000.0 / rate);
    let means = Simulation::new(seed).run(async |sim| {
        let service_time = Distribution::exponential(SERVICE);
        let server = ServerConfig::new("server", u64::from(workers), service_time);
        let server = sound(server.start(&sim));
        let client = ClientConfig::new("client", Arrivals::poisson(rate));
        sound(client.start(&sim, server.connect()));
        sim.sleep(batch).await;
        let mut means = Vec::new();
        for _ in 0..BATCHES {
            server.forget();
            sim.sleep(batch).await;
            means.push(server.figures().mean_wait / SERVICE.as_secs_f64());
        }
        means
    });
    let n = f64::from(BATCHES);
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Check {
        name: format!("mean wait of M/M/{workers} at {load}, in service times"),
        expected: mmk_mean_wait(workers, offered),
        measured: mean,
        allowed: 4.0 * (variance / n).sqrt(),
    }
}

/// L = λW (Little 1961): calls in the system on average, as the server counts them, against the rate of the calls × how long
/// they take, as the client times them. Exact for a system that is empty in the end; the client's histogram is to three digits.
pub fn littles_law(seed: u64) -> Check {
    let (server, client) = Simulation::new(seed).run(async |sim| {
        let service_time = Distribution::log_normal(SERVICE, 8 * SERVICE);
        let server = ServerConfig::new("server", 10, service_time);
        let server = sound(server.start(&sim));
        let end = Duration::from_secs(60);
        let client = ClientConfig::new("client", Arrivals::poisson(600.0));
        let client = client.between(Duration::ZERO, end);
        let client = sound(client.start(&sim, server.connect()));
        sim.sleep(end).await;
        while client.in_flight() > 0 {
            sim.sleep(SERVICE).await;
        }
        (server.figures(), client.figures())
    });
    let in_system = server.mean_queue + server.mean_busy;
    Check {
        name: "Little's law: calls in the system".to_owned(),
        expected: client.goodput * client.latency.mean,
        measured: in_system,
        allowed: in_system / 1e3,
    }
}

/// Calls that arrive at the last of `tiers` for each call of the client, when it fails every call and each caller on the way retries
/// up to `retries` times: (1 + retries)^tiers, exactly.
pub fn amplification(seed: u64, retries: u32, tiers: u32) -> Check {
    let measured = Simulation::new(seed).run(async |sim| {
        let end = Duration::from_secs(10);
        let down = Fault::new(
            Duration::ZERO,
            2 * end,
            Trouble::Fail {
                status: 500,
                share: 1.0,
            },
        );
        let last = sound(config(tiers).fault(down).start(&sim));
        let mut next = naive(retries, last.connect());
        for tier in (1..tiers).rev() {
            let server = config(tier).start_with(&sim, AllOf::new().call(next), |workers| workers);
            next = naive(retries, sound(server).connect());
        }
        let client =
            ClientConfig::new("client", Arrivals::constant(20.0)).between(Duration::ZERO, end);
        let client = sound(client.start(&sim, next));
        sim.sleep(2 * end).await;
        last.figures().amplification(&client.figures())
    });
    Check {
        name: format!("amplification of {retries} naive retries over {tiers} tiers"),
        expected: f64::from((1 + retries).pow(tiers)),
        measured,
        allowed: 0.0,
    }
}

/// The configurations here are.
fn sound<T>(built: Result<T, ConfigError>) -> T {
    built.expect("a configuration without mistakes")
}

fn config(tier: u32) -> ServerConfig {
    let service_time = Distribution::constant(Duration::from_millis(1));
    ServerConfig::new(format!("tier {tier}"), 100, service_time)
}

fn naive(retries: u32, connection: super::Connection) -> BoxService {
    BoxCloneService::new(NaiveRetry::layer(retries).layer(connection))
}

/// When a service of 1.3 ms is over, in seconds, begun at 0.4 ms: neither time is rounded.
pub fn exact_time(seed: u64) -> Check {
    let micros = Duration::from_micros;
    let ended = Simulation::new(seed).run(async |sim: Sim| {
        let server = ServerConfig::new("server", 1, Distribution::constant(micros(1_300)));
        let server = sound(server.start(&sim));
        sim.sleep(micros(400)).await;
        let answer = server.connect().oneshot(super::Request::default()).await;
        drop(answer);
        sim.now()
    });
    Check {
        name: "end of 1.3 ms of work begun at 0.4 ms, in nanoseconds".to_owned(),
        expected: float(1_700_000),
        measured: float(resilience_core::nanos(ended)),
        allowed: 0.0,
    }
}
