//! The simulated system: time, arrivals, servers, faults, and what is measured.

mod arrivals;
mod client;
mod distribution;
mod engine;
mod fault;
mod figures;
mod handler;
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
