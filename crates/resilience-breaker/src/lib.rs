//! A circuit breaker for Tower services: fails fast while a dependency is down.
//!
//! While calls to a dependency fail, more calls do no good: callers wait for nothing, and what is left of the
//! dependency has no peace to come back. A breaker watches how calls end. When too many fail it *opens*, and
//! refuses calls at once; after a while it is *half-open*, lets a probe through, and *closes* when probes
//! succeed.
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use resilience_breaker::{Breaker, State};
//! use resilience_core::{Reason, Rejected};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let breaker = Breaker::new("inventory");
//! let client = ServiceBuilder::new()
//!     .layer(breaker.layer())
//!     .service(service_fn(|item: u64| async move { Ok::<_, BoxError>(item) }));
//! assert_eq!(client.clone().oneshot(7).await?, 7);
//! assert_eq!(breaker.state(), State::Closed);
//!
//! // The breaker is also the handle on it.
//! breaker.force_open();
//! let error = client.oneshot(7).await.unwrap_err();
//! let refusal = Rejected::find(&*error).expect("the breaker refused");
//! assert_eq!(refusal.reason(), Reason::Open);
//! # Ok(())
//! # }
//! ```
//!
//! # Readiness, call, drop, clone
//!
//! | | closed | open | half-open |
//! |---|---|---|---|
//! | `poll_ready` | the inner service's | ready at once if the inner service is not, and callers that wait on it are released | as open |
//! | `call` | calls, and watches how it ends | refuses, without a timer: [`Reason::Open`](resilience_core::Reason::Open), and the exact time to retry after | calls if a probe's place is free and the inner service is ready; else refuses, without a time |
//! | dropping the future before the response | the call is abandoned: see [`Abandoned`] | | the probe is abandoned, and reopens |
//! | `clone` of layer or service | shares the breaker, is not ready | | |
//!
//! A clone of a [`Breaker`] is the same breaker, and one [`BreakerLayer`] is one breaker, whatever it is applied
//! to.
//!
//! # The default
//!
//! [`Breaker::new`] opens
//!
//! - after 10 failures in a row, if at least 30 ms lie between the first and the last; or
//! - when in the last 5 s (10 buckets) at least 20 % of the calls failed: of at least 50 calls, the oldest of
//!   which ended at least 1 s ago.
//!
//! It stays open for 250 ms the first four times in a row, then twice as long each time, at most 3 s; ± 20 %, so
//! that many clients do not come back together. Half-open, it admits one probe at a time; three successes in a
//! row close it, the first failure reopens it.
//!
//! What that means, by simulation (`tests/default_figures.rs`, calls arrive independently):
//!
//! | | |
//! |---|---|
//! | independent errors of 1 % | no opening in 10⁷ calls |
//! | everything fails | opens after 10 calls at 100 per second, after 32 at 1,000 per second |
//! | 30 % fail, at 100 per second | opens in 3 to 4 s |
//! | bursts: half of the calls fail for 0.2 s every 10 s | at most 0.1 % of all calls are refused |
//!
//! [`BreakerBuilder`] lists all settings, with units, defaults and ranges.
//!
//! # What counts
//!
//! - **Success and failure** are what the layer's classification says: by default every error is a failure. HTTP
//!   status and gRPC status are classified by `resilience-http`. Outcomes that say nothing about the dependency
//!   are not counted: ignored ones, and refusals of the family's own layers. The rates are judged at every failure and
//!   every slow call, and at no other: a good call never opens the breaker, although it may make the window large enough.
//! - **Slow calls**, where configured, are those whose head comes late; what a body takes does not count.
//! - **Abandoned calls** were dropped before the head of their response, for example by an outer timeout. They
//!   extend the run of failures, and are left out of the window, so that a dependency which hangs is noticed
//!   wherever the timeout is. With [`consecutive_failures`](BreakerBuilder::consecutive_failures) switched off
//!   they have no effect on a closed breaker; choose another [`Abandoned`] then.
//! - **Rates** are compared with ≥: 5 of 10 reach 0.5.
//! - **Late results** never move anything: every permit carries the epoch it was admitted in, which goes up with
//!   each transition.
//! - **A probe that hangs** is a failure after the [`probe_limit`](BreakerBuilder::probe_limit), when a call
//!   next asks or its own result arrives, and its place is free. If the head has arrived and the verdict has
//!   not (a gRPC stream), it is a success by then.
//! - **What others refuse** in the same tuple, or an inner service that is not ready, leaves no trace: the
//!   permit is reverted.
//!
//! # Where it stands
//!
//! Outside the attempt timeout, so that hangs count as failures; inside retries, rate limits and bulkheads, so
//! that queueing is not charged to the dependency and what has queued is still refused. Retries do not repeat
//! what an open breaker refuses.
//!
//! # Telemetry
//!
//! | name | labels |
//! |---|---|
//! | `resilience_breaker_calls_total` | `policy`, `outcome`: `success`, `slow`, `failure`, `ignored`, `abandoned`, `refused` |
//! | `resilience_breaker_transitions_total` | `policy`, `to`: the states below |
//! | `resilience_breaker_state` | `policy`, `state`: `closed`, `open`, `half_open`, `forced_open`, `forced_closed`; 1 for the current state, 0 for the others |
//!
//! With the feature `metrics`, through the `metrics` facade: the recorder that is installed at the first call,
//! or one that is passed in with `Breaker::bind_recorder`. With the feature `tracing`, each transition is an
//! event: a warning for an opening, information otherwise. [`BreakerBuilder::on_transition`] is for everything
//! else.
//!
//! # Cost
//!
//! No allocation. A closed breaker admits with one atomic load, and an open one refuses with two and a look at the
//! clock. A success is counted where its thread alone writes, without a lock and without the clock
//! ([`success_batch`](BreakerBuilder::success_batch) says how it is dated); what else a call brings is recorded under a
//! short lock, and so is every success in a count window, or where slow calls are watched. At failures, the clock is read
//! for a time window, and where the run of failures needs a spread; at admissions only if the duration of calls matters.
//!
//! # Sources
//!
//! The pattern is Michael Nygard's, *Release It!* (2007). Rates over sliding windows, slow calls and a minimum of
//! calls are known from [Resilience4j](https://resilience4j.readme.io/docs/circuitbreaker). Growing, jittered
//! open times after Marc Brooker, [Exponential Backoff and
//! Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/) (2015).
//!
//! # Features
//!
//! `tower` (default): the layer. `metrics`, `tracing`: see above. `serde`: [`BreakerConfig`] can be read and written. Without any, the [`machine`] alone.

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod breaker;
mod builder;
mod config;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod forget;
pub mod machine;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod permit;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use breaker::{Breaker, BreakerLayer};
pub use builder::BreakerBuilder;
pub use config::{BreakerConfig, OpenGrowing, TimeWindow};
pub use machine::{Abandoned, Cause, Snapshot, State, Transition};
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use permit::BreakerPermit;
