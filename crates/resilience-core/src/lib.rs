//! The vocabulary of the `resilience` crates, and the Tower adapters over it.
//!
//! Circuit breakers, bulkheads and rate limits are one shape: decide *before* the call, hold a permit *during*
//! it, learn from *how it ended*.
//!
//! ```text
//! request ──► admit ──► permit ──► inner call ──► outcome ──► (state, telemetry)
//!               │                                    ▲
//!               └─► Rejected{why, retry_after}       └─ dropped before the head = abandoned
//! ```
//!
//! # Your own policy
//!
//! Implement [`Policy`], and it is a Tower layer. This one refuses everybody while a switch is off:
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use resilience_core::{GuardLayer, Now, Policy, Reason, Rejected};
//!
//! struct Switch(AtomicBool);
//!
//! impl<Req> Policy<Req> for Switch {
//!     type Permit = ();
//!
//!     fn admit(&self, _: &Req, _: &mut Now) -> Result<(), Rejected> {
//!         match self.0.load(Ordering::Relaxed) {
//!             true => Ok(()),
//!             false => Err(Rejected::new(Reason::Other, "switch")),
//!         }
//!     }
//! }
//!
//! # use tower::{ServiceBuilder, ServiceExt, BoxError, service_fn};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let layer = GuardLayer::new(Switch(AtomicBool::new(true)));
//! let echo = ServiceBuilder::new()
//!     .layer(layer.clone())
//!     .service(service_fn(|req: u64| async move { Ok::<_, BoxError>(req) }));
//! assert_eq!(echo.clone().oneshot(7).await?, 7);
//!
//! layer.policy().0.store(false, Ordering::Relaxed);
//! let error = echo.oneshot(7).await.unwrap_err();
//! assert_eq!(Rejected::find(&*error).map(Rejected::reason), Some(Reason::Other));
//! # Ok(())
//! # }
//! ```
//!
//! # What is here
//!
//! | | |
//! |---|---|
//! | [`Policy`], [`Permit`], tuples of them | admission; several policies as one layer, with one clock read |
//! | [`GuardLayer`], [`QueueLayer`] | the Tower adapters: decide at once, or wait for a turn ([`Queue`]) |
//! | [`Outcome`], [`Classify`], [`Verdict`] | how calls ended: one classification for all layers |
//! | [`Completion`] | when a call is over: with its response, or with the end of its body |
//! | [`Deadline`], [`Priority`] | when a call has to be over, and how important it is |
//! | [`Rejected`], [`Reject`] | the one refusal, and what a service does with it |
//! | [`Replay`] | sending a request again |
//! | [`Forget`] | which policies may be dropped, of those kept one per key |
//! | [`Backoff`], [`Budget`], [`Entropy`] | when, and how often |
//! | [`Now`], [`Timestamp`] | time as an argument |
//! | [`sync`], [`telemetry`], [`config`] | what the pattern crates share |
//!
//! # Features
//!
//! `tower` (default): the adapters, on tokio's clock. `metrics`: instruments through the `metrics` facade.
//! `tracing`: used by the pattern crates for events on transitions. `serde`: configurations can be written down, see
//! [`config`]. Without any: plain data structures and
//! algorithms, which take the time as an argument.

// The macro `config!` names this crate as the others do.
extern crate self as resilience_core;

mod backoff;
mod budget;
mod cause;
mod classify;
mod completion;
pub mod config;
mod deadline;
mod forget;
mod gate;
mod line;
mod name;
mod outcome;
mod policy;
mod priority;
mod random;
mod reject;
mod rejected;
mod replay;
pub mod sync;
pub mod telemetry;
mod time;
mod tuple;
mod turn;

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub mod clock;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod guard;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod layer;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod queue;

pub use backoff::{Backoff, BackoffConfig, Jitter, Waits, grown};
pub use budget::{Budget, BudgetBuilder, BudgetConfig, Withdrawal};
pub use cause::{as_error, find_cause};
pub use classify::{ByResult, Classify, Errors, TypedErrors, Verdict, by_result};
pub use completion::{AtHead, Completion};
pub use config::ConfigError;
pub use deadline::Deadline;
pub use forget::Forget;
pub use gate::{Gate, Registration};
pub use line::{Ahead, Line, Place};
pub use name::Name;
pub use outcome::Outcome;
pub use policy::{Exempt, Permit, Policy};
pub use priority::Priority;
pub use random::Entropy;
pub use reject::{Answer, Boxed, Keep, MapErr, Reject};
pub use rejected::{BothFailed, BoxError, Reason, Rejected};
pub use replay::{ByClone, Replay};
pub use time::{Now, Timestamp, nanos};
pub use turn::{Queue, Turn};

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use guard::{Guard, ResponseFuture};
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use layer::{GuardLayer, Immediate, PolicyLayer, QueueLayer, Waiting};
#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use queue::{QueueFuture, QueueService};
