//! The simulated system: time, arrivals, servers, faults, and what is measured.
//!
//! Only the world is simulated: clients, servers, the network, and time. The layers are the real ones, and run as they do in
//! production, on a tokio runtime whose clock is moved by the simulator.
//!
//! ```
//! use resilience_lab::sim::{
//!     Arrivals, ClientConfig, Distribution, Fault, ServerConfig, Simulation, Trouble,
//! };
//! use resilience_stack::{client::ClientStack, core::ConfigError};
//! use std::time::Duration;
//! use tower::Layer;
//!
//! # fn main() -> Result<(), ConfigError> {
//! let secs = Duration::from_secs;
//! let (shop, inventory) = Simulation::new(42).run(async |sim| {
//!     // Ten workers, 10 ms each: 1,000 calls per second. From 2 s to 4 s, all of them fail.
//!     let outage = Fault::new(secs(2), secs(4), Trouble::Fail { status: 503, share: 1.0 });
//!     let inventory = ServerConfig::new("inventory", 10, Distribution::exponential(Duration::from_millis(10)))
//!         .fault(outage)
//!         .start(&sim)?;
//!
//!     let stack = sim.seeded("stack", || ClientStack::http("inventory").build())?;
//!     let shop = ClientConfig::new("shop", Arrivals::poisson(500.0))
//!         .patience(Duration::from_millis(100))
//!         .start(&sim, stack.layer(inventory.connect()))?;
//!
//!     let answered = shop.clone();
//!     sim.track_rate("goodput", Duration::from_millis(100), move || answered.answered());
//!     sim.sleep(secs(8)).await;
//!     let goodput = &sim.series()[0];
//!     assert!(goodput.time_to_reach(400.0, secs(4), secs(1)).is_some_and(|time| time < secs(3)));
//!     Ok::<_, ConfigError>((shop.figures(), inventory.figures()))
//! })?;
//! assert!(shop.refused > 0, "the breaker was open");
//! assert!(inventory.amplification(&shop) < 1.0, "and kept calls away");
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//!
//! Arrivals, service times, latencies and patience are exact, to the nanosecond. The timers of the layers are tokio's, and fire at
//! the next whole millisecond, as they do in production. Between two events, every task runs until none can go on; computation takes
//! no virtual time. At the same nanosecond, events happen in the order in which they were planned, and timers after them.
//!
//! Layers that read the clock of the system have to run [in real time](Simulation::real_time).
//!
//! # Chance
//!
//! Every component draws from a [`Stream`] of its own, made of the seed and its name. Same seed, same figures; what is added
//! does not change what was there. Layers that make their own jitter take it from the thread's generator: build them within
//! [`Sim::seeded`], or hand them an [`Sim::entropy`].
//!
//! # A call
//!
//! 1. A [client](ClientConfig) calls, at the time that its [`Arrivals`] say, through a clone of its layers. When its patience ends,
//!    it drops the call.
//! 2. The [`Connection`] carries the head of the request: no bodies, and no extensions, since hosts do not share them. What is
//!    dropped from here on is a client that has gone; the server [notices, or does not](HangUp).
//! 3. Faults of the server may fail it, refuse it, or let it hang. Otherwise it goes through the server's layers, which may refuse
//!    it too, at a [cost](ServerConfig::refusal_cost).
//! 4. It waits for one of the [`Workers`], and for its service time. Then the handler goes on: [answers](answer), or
//!    [calls others](AllOf), through whatever layers there are around them. Any service can be one.
//!
//! # What is measured
//!
//! [`Client::figures`], [`Server::figures`], and over time what [`Sim::track`] and [`Sim::track_rate`] sample. What is known
//! from theory is [checked](theory).

mod arrivals;
mod client;
mod distribution;
mod engine;
mod fault;
mod figures;
mod handler;
mod lateness;
mod naive;
mod random;
mod run;
mod series;
mod server;
pub mod theory;

pub use arrivals::{Arrivals, Step};
pub use client::{Client, ClientConfig};
pub use distribution::{Distribution, Sample, Sampler};
pub use engine::Sleep;
pub use fault::{Fault, Pattern, Trouble};
pub use figures::{ClientFigures, Latency, ServerFigures};
pub use handler::{AllOf, answer};
pub(crate) use handler::{boxed, is_good};
pub use lateness::Lateness;
pub use naive::NaiveRetry;
pub use random::Stream;
pub use run::{Sim, Simulation};
pub use series::Series;
pub use server::{
    Connect, Connection, Discipline, HangUp, Link, Server, ServerConfig, WhileWaiting, Workers,
};

use resilience_core::BoxError;

/// What travels in requests and responses: mostly nothing.
pub type Body = http_body_util::Full<bytes::Bytes>;

/// A request as simulated clients send it, and simulated servers get it.
pub type Request = http::Request<Body>;

/// A response as simulated servers send it.
pub type Response = http::Response<Body>;

/// A service that answers requests, whatever layers it is made of.
pub type BoxService = tower::util::BoxCloneService<Request, Response, BoxError>;

/// Exact below 2⁵³, which no count here exceeds.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// What is left of the comma; zero for what is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

/// As [`whole`], for an index.
pub(crate) fn index(number: f64) -> usize {
    usize::try_from(whole(number)).unwrap_or(usize::MAX)
}
