//! A rate limit for Tower services: so much in any time, and no more. Who comes too early is refused at once, or
//! waits for its turn.
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use resilience_core::{Reason, Rejected};
//! use resilience_ratelimit::{Quota, RateLimit};
//! use std::time::Duration;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let limit = RateLimit::builder("search")
//!     .quota(Quota::per_second(10).burst(1)) // one every 100 ms
//!     .build()?;
//! let echo = service_fn(|query: &'static str| async move { Ok::<_, BoxError>(query) });
//!
//! // Refusing:
//! let service = ServiceBuilder::new().layer(limit.layer()).service(echo);
//! service.clone().oneshot("tower").await?;
//! let error = service.oneshot("axum").await.unwrap_err();
//! let refusal = Rejected::find(&*error).expect("the quota is spent");
//! assert_eq!(refusal.reason(), Reason::Rate);
//! assert_eq!(refusal.delay(), Some(Duration::from_millis(100)));
//!
//! // Waiting:
//! let queue = limit.wait_up_to(Duration::from_secs(2))?;
//! let service = ServiceBuilder::new().layer(queue.layer()).service(echo);
//! assert_eq!(service.oneshot("tonic").await?, "tonic"); // after 100 ms
//! # Ok(())
//! # }
//! ```
//!
//! # Which form when
//!
//! There are two, with one builder and one set of metrics: [`RateLimit`], which is GCRA, and [`SlidingRateLimit`], which is a
//! sliding window. `n` is the quota's number, and *any time* begins whenever it likes.
//!
//! | | `RateLimit` | `SlidingRateLimit` |
//! |---|---|---|
//! | admitted in any time of the quota's length, at most | `n + burst − 1`; `n` with `burst(1)` | **`n`** |
//! | admitted at once, at most | `burst`, by default `n` | `n` |
//! | admitted of a demand that never ends | all of the quota | all but a share of 1 in 129 |
//! | a client that sends too much sees | one admitted in every interval | `n` admitted, then nothing until these get old |
//! | callers may wait for their turn | yes | no |
//! | a call changes | one word, by compare-exchange | a few words, under a short lock |
//! | what it remembers takes | three words | 16 bytes a bucket: 2 KiB |
//! | take it | by default, and for shaping | where somebody counts: a provider that bans who sends more than 600 in any minute, a contract, a test |
//!
//! ```
//! # #[cfg(feature = "tower")] {
//! use resilience_ratelimit::{Quota, SlidingRateLimit};
//!
//! # fn main() -> Result<(), resilience_core::ConfigError> {
//! let provider = SlidingRateLimit::builder("provider")
//!     .quota(Quota::per_minute(600)) // never more than 600 in any 60 s
//!     .build()?;
//! let layer = provider.layer();
//! # let _ = layer;
//! # Ok(())
//! # }
//! # main().unwrap();
//! # }
//! ```
//!
//! # How much a rate limit admits
//!
//! The algorithm is GCRA, a leaky bucket that needs no bucket: one word says when the next call would come if calls
//! came evenly. In every time of the quota's length, whenever it begins, the cost admitted is at most
//! **`n + burst − 1`**; in any time of length *t*, at most `burst` + *t* ÷ interval. The burst is `n` unless you set it: then
//! a client that was quiet may send a whole quota at once. `burst(1)` spaces calls evenly, and keeps every such
//! time to `n`.
//!
//! The interval is the quota's period by `n`, in nanoseconds, rounded *up*: the rate is never more than the quota, and
//! less by a share of at most `n` ÷ period in nanoseconds (a millionth for 1,000 per second, a thousandth for a
//! million per second). Above one per nanosecond there is no interval, and the quota is an error.
//!
//! What counts is when a call is admitted. A refusal adds no debt. Its `retry_after` is exact: at that time the call is
//! admitted if nobody else came, and not a nanosecond earlier.
//!
//! A call that is admitted and never made, because another policy of the same tuple refused it or the inner service
//! was not ready, gives back what it took: all of it while nobody was admitted later, and less by the time up to
//! the latest admission, so that the calls really made keep to the bound in every case. A call that was made has its cost spent, however it ends.
//!
//! # How much a sliding window admits
//!
//! In every time of the quota's length, whenever it begins, the cost admitted is at most **`n`**. To say so, a limiter that
//! keeps the time of every call would need memory for `n` calls. This one cuts the period into
//! [128 buckets](SlidingRateLimitBuilder::buckets), and counts a call in the bucket of its time. A bucket leaves the
//! window, as a whole, when the latest call in it is one period old. So what a call has taken comes back after the
//! period and, at the most, one bucket's time; never before. A call is refused only if `n` would be exceeded in a time that
//! is longer than the period by less than a bucket.
//!
//! At a demand that never ends, at least 128 of 129 parts of the quota are admitted. Callers that come evenly, no more
//! than one to a bucket, lose nothing: of a quota of 60 per minute, one call every second is never refused.
//!
//! `retry_after` is exact here too: the time when enough buckets have left for this call, if nobody else came. A
//! refusal writes nothing. What is admitted and never made is taken out of its bucket, whole; only if others were
//! admitted meanwhile, their bucket may stay as if the call had been made. Threads may come with their times in another
//! order: a call that is earlier than the latest one counts as if it came with it.
//!
//! # What requests cost
//!
//! One, or what [`RateLimit::cost`] and [`SlidingRateLimit::cost`] say. A cost above the burst, or above `n` of a sliding
//! window, is refused for good, without a `retry_after`; a cost of zero is admitted, not counted, and does not wait.
//!
//! # Refusing: what happens when
//!
//! | | |
//! |---|---|
//! | `poll_ready` | the inner service's; while nothing is available, ready at once, since the call will be refused (with a cost function, requests may be free, and it is the inner service's always) |
//! | `call` | admits, then calls; or refuses with [`Reason::Rate`], without having called |
//! | dropping the future | the call was made: its cost stays spent |
//! | `clone`, `layer` | of the [`RateLimit`] or [`SlidingRateLimit`], of its layer, of its services: the same limit |
//!
//! # Waiting: what happens when
//!
//! | | |
//! |---|---|
//! | `poll_ready` | always ready |
//! | `call` | its future joins the line when it is first polled; at its turn it takes what it costs, waits until the inner service is ready, and calls it |
//! | dropping the future | leaves the line, and those behind move up; nothing was spent |
//! | `clone`, `layer` | of the [`RateLimitQueue`] and of the [`RateLimit`]: the same limit, and one line |
//!
//! First come, first served: an expensive request at the head waits, and so does everybody behind it. A caller whose turn
//! cannot come within the maximum wait, counting all who are ahead, is refused at once, with the exact time after
//! which it may join (where that depends only on the quota). Nothing is reserved for a caller that waits, neither
//! in the quota nor in the inner service. The maximum wait includes the inner service's readiness; a call that is not
//! ready by then is refused with [`Reason::NotReady`]. The line has a
//! [maximum length](RateLimitQueue::max_waiting) besides: who finds it full is refused with [`Reason::Concurrency`].
//!
//! Calls through [`RateLimit::layer`] do not stand in line, and so go past those that do: give a limit one form or the other,
//! or reserve the refusing one for what may go first. Waiting is done with tokio's timers, which count in
//! milliseconds: allow a burst of at least what comes in one millisecond, or the rate is not reached.
//!
//! [`Reason::Concurrency`]: resilience_core::Reason::Concurrency
//! [`Reason::Rate`]: resilience_core::Reason::Rate
//! [`Reason::NotReady`]: resilience_core::Reason::NotReady
//!
//! # Telemetry
//!
//! With the feature `metrics`, all with the label `policy`:
//!
//! | metric | |
//! |---|---|
//! | `resilience_ratelimit_admitted_total` | calls admitted and made, counted when they end |
//! | `resilience_ratelimit_rejected_total` | refused calls, those that waited in vain included |
//! | `resilience_ratelimit_abandoned_total` | callers that left the line before their turn |
//! | `resilience_ratelimit_waiting` | gauge: callers that wait in line |
//!
//! With the feature `tracing`: an event when the limit is reset.
//!
//! # Sources
//!
//! The virtual scheduling algorithm of ATM Forum, *Traffic Management Specification 4.0*, 4.4.3, and ITU-T I.371. The idea of
//! holding it in one atomic word is from [governor](https://docs.rs/governor). The sliding
//! window is one of buckets, as many limiters have it; that a bucket leaves by its latest call, and not by its end, keeps
//! it exact for callers that come evenly. With the feature `serde`, configurations can be read and written. Without the feature `tower`, this
//! crate is the [`machine`] alone.

mod config;
pub mod machine;
#[cfg(feature = "serde")]
mod quota_text;

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod cost;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod forget;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod limit;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod permit;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod queue;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod sliding;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

pub use config::{RateLimitConfig, RateLimitQueueConfig, SlidingRateLimitConfig};
pub use machine::Quota;

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use self::{
    cost::{Cost, CostBy, One},
    limit::{RateLimit, RateLimitBuilder, RateLimitLayer},
    permit::RateLimitPermit,
    queue::{RateLimitQueue, RateLimitQueueLayer, Ticket},
    sliding::{
        SlidingRateLimit, SlidingRateLimitBuilder, SlidingRateLimitLayer, SlidingRateLimitPermit,
    },
};
