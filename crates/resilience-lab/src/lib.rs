//! Outages in virtual time, with the real layers: rehearse one, and see what the layers are worth.
//!
//! The hardest question about resilience layers is not whether a breaker opens, but whether the *system* stays up. Retry storms,
//! queues that never drain and failures that outlive their cause are made by many parts together, over minutes. Here the
//! parts are in one process: clients, servers and networks are simulated, time is virtual, and the layers are those that run in
//! production. Two minutes at 1,000 calls per second take about a second, and are the same every time for a seed.
//!
//! ```
//! use resilience_lab::sim::{Arrivals, ClientConfig, Distribution, Fault, ServerConfig, Simulation, Trouble};
//! use resilience_stack::client::ClientStack;
//! use std::time::Duration;
//! use tower::Layer;
//!
//! # fn main() -> Result<(), resilience_stack::core::ConfigError> {
//! // Ten workers of 10 ms, all calls of which fail from 5 s to 10 s.
//! let down = Fault::new(
//!     Duration::from_secs(5),
//!     Duration::from_secs(10),
//!     Trouble::Fail { status: 503, share: 1.0 },
//! );
//! let server = ServerConfig::new("inventory", 10, Distribution::exponential(Duration::from_millis(10))).fault(down);
//! let client = ClientConfig::new("shop", Arrivals::poisson(500.0)).patience(Duration::from_secs(1));
//!
//! let (client, server) = Simulation::new(42).run(async |sim| {
//!     let inventory = server.start(&sim)?;
//!     let stack = sim.seeded("stack", || ClientStack::http("inventory").build())?;
//!     let shop = client.start(&sim, stack.layer(inventory.connect()))?;
//!     sim.sleep(Duration::from_secs(20)).await;
//!     Ok::<_, resilience_stack::core::ConfigError>((shop.figures(), inventory.figures()))
//! })?;
//! assert!(client.success > 0.6, "it was down for a quarter of the time: {client:?}");
//! assert!(server.amplification(&client) < 1.0, "retries added nothing to that: {server:?}");
//! # Ok(())
//! # }
//! ```
//!
//! | module | what you find there |
//! |---|---|
//! | [`sim`] | the simulated system: arrivals, servers, faults, what is measured, and [checks](sim::theory) of all that against theory |
//! | [`rehearsal`] | outages of your own, from files: a scenario and the stacks that are compared |
//! | [`report`] | what a run showed: as a table, as JSON, as one page with charts |
//! | [`suite`] | scenarios that bring systems down, run with and without layers |
//!
//! # The command
//!
//! `resilience-lab suite` runs the scenarios of the [`suite`] and writes a page with charts; with `--check` it fails where a figure
//! is not as it was; with `--peers` (and the feature `peers`, which is off by default) it plays the layers of tower-resilience, too: in
//! [real time](sim::Simulation::real_time), since they read the clock of the system. `resilience-lab run` and `sweep` are for
//! [rehearsals](rehearsal). `resilience-lab theory` holds the simulator against queueing theory. The command is the feature `command`,
//! which is on by default: a library does without it.

pub mod rehearsal;
pub mod report;
pub mod sim;
pub mod suite;
