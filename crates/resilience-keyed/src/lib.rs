//! One policy per key, for Tower services: per host, tenant, endpoint or client address, in bounded memory.
//!
//! A limit for all clients lets one of them use it up; a circuit breaker for all hosts opens for those that are well.
//! Keyed policies tell requests apart by a key that you find in them, and keep a policy for each.
//!
#![cfg_attr(feature = "tower", doc = "```")]
#![cfg_attr(not(feature = "tower"), doc = "```ignore")]
//! use resilience_breaker::Breaker;
//! use resilience_core::{Reason, Rejected};
//! use resilience_keyed::{Keyed, Quota};
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! struct Request {
//!     client: u64,
//!     host: &'static str,
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! // A rate limit for each client, which costs a few words of memory ...
//! let clients = Keyed::builder("clients")
//!     .key(|req: &Request| Some(req.client))
//!     .quota(Quota::per_second(10).burst(1))
//!     .build()?;
//! // ... and a circuit breaker for each host.
//! let hosts = Keyed::builder("hosts")
//!     .key(|req: &Request| Some(req.host))
//!     .each(|_| Breaker::new("hosts"))
//!     .max_keys(1_000)
//!     .build()?;
//!
//! let service = ServiceBuilder::new()
//!     .layer(clients.layer())
//!     .layer(hosts.layer())
//!     .service(service_fn(|req: Request| async move { Ok::<_, BoxError>(req.client) }));
//! let call = |client, host| service.clone().oneshot(Request { client, host });
//!
//! call(1, "a.example").await?;
//! let error = call(1, "a.example").await.unwrap_err();
//! assert_eq!(Rejected::find(&*error).map(Rejected::reason), Some(Reason::Rate));
//! call(2, "a.example").await?;
//!
//! hosts.get("a.example").expect("it was called").force_open();
//! let error = call(3, "a.example").await.unwrap_err();
//! assert_eq!(Rejected::find(&*error).map(Rejected::reason), Some(Reason::Open));
//! call(4, "b.example").await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Two forms
//!
//! | | [`Keyed`] | [`KeyedRateLimit`] |
//! |---|---|---|
//! | is made by | [`each`](KeyedBuilder::each): any policy that implements [`Forget`] and `Clone`: breakers, bulkheads, rate limits, tuples of them, your own | [`quota`](KeyedBuilder::quota), [`quota_by`](KeyedBuilder::quota_by) |
//! | keeps for each key | the policy: its state, its counters, its name; hundreds of bytes | one word |
//! | for a key of 8 bytes, that is | with a [`RateLimit`] about 330 bytes | 20 to 50 bytes in all, by how full the tables are |
//! | a handle reads | the policy of a key, with all that it can do | what is available to a key |
//! | a key goes | when its policy has been idle, or is as good as new and room is needed | as soon as its time has passed |
//!
//! The figures are printed by `cargo run --release -p resilience-keyed --example memory`.
//!
//! [`Forget`]: resilience_core::Forget
//! [`RateLimit`]: resilience_ratelimit::RateLimit
//!
//! # What happens when
//!
//! | | |
//! |---|---|
//! | `poll_ready` | the inner service's: there is always somebody who is not refused |
//! | `call` | finds the key, then asks its policy, which admits or refuses as ever |
//! | dropping the future | as with that policy: permits come back |
//! | `clone`, `layer` | of the handle, of its layer, of its services: the same keys and policies |
//!
//! A call of a known key takes one lock, of one of many shards, for one look-up, and allocates nothing beside what the
//! policy and your own code for the key do. The policy is asked, and your functions are called, when no lock is held.
//!
//! A request without a key (`None`) is refused with [`Reason::NoKey`], over HTTP 400, since leaving a header out must not be a
//! way around a limit; or it is [let pass](NoKey::Pass).
//!
//! [`Reason::NoKey`]: resilience_core::Reason::NoKey
//!
//! # What is forgotten
//!
//! Clients choose keys, so there may be any number of them; the memory for them is bounded by a hard cap
//! ([`max_keys`](KeyedBuilder::max_keys), by default 100,000). A limit that is in force is never forgotten, or a client could
//! clean its slate by being forgotten:
//!
//! | | goes when it was idle for [`idle`](KeyedBuilder::idle) (by default 10 minutes) | goes at once when room is needed |
//! |---|---|---|
//! | quota of a [`KeyedRateLimit`] | | when the time of its calls has passed (then, it goes in any case) |
//! | rate limit | if the whole burst is available | the same |
//! | bulkhead | if nothing is in flight, and it is not closed | the same |
//! | circuit breaker | if it is closed: a run of failures that did not open it is forgotten | if it is closed, and has nothing in its window and no run of failures |
//!
//! And none of them while a permit is out, or while anybody holds a handle or a layer of it. For others, [`Forget`] is where
//! they say so. A policy is idle from when a sweep first finds it out of use: the time since its last call is at least
//! that, and more where calls are rare.
//!
//! But for what breakers have seen before they were idle, a key that was dropped and comes back is decided as if it had
//! never been dropped. That holds too for threads that read their clocks in one order and come in another: in a
//! shard, no time is before the latest eviction. A rate limit's call that is reverted after its key was dropped gives nothing back: the key was dropped because the time
//! that it cost had passed.
//!
//! Nothing runs in the background. Every new key, and every 64th call of a known one, looks at a few keys that are
//! next; no call looks at all of them. A process without calls may [`sweep`](Keyed::sweep) by hand.
//!
//! # When the cap is reached
//!
//! A new key then looks at 40 places for one that may go. If there is none, its call *overflows*: it is decided by one
//! policy that all such keys share, with what a single key may; or it is [refused](Overflow::Refuse) with
//! [`Reason::Shed`]. Those who have a place keep it.
//!
//! This is a question of denial of service, and no answer is right for everybody. Who can make up keys, by addresses of
//! a large network, say, or by invented names of tenants, can fill the map with keys in force, and then new clients
//! share what one may until the attack ends. Without the cap they would fill the memory; with keys that are dropped
//! while in force, the limits would be none; with a share for each new key, the attacker would get more by having more.
//! So:
//!
//! - Find keys that cost something to have: an authenticated identity and not a header's claim, a /64 of IPv6 and not
//!   an address. Refuse what does not exist before it becomes a key.
//! - Set the cap well above the keys that are in force at a time: for a limit of *n* per minute, above the clients of
//!   two minutes or so. An open breaker stays until a call closes it: for breakers, above the number of hosts.
//! - Have one limit for all besides, as a tuple: `GuardLayer::new((clients, everybody))`. What a client may, times the
//!   cap, is more than any service can do.
//! - Watch `resilience_keyed_overflow_total`.
//!
//! A key that overflows at first and has a place later may use both: its own quota, and a part of the shared one.
//!
//! [`Reason::Shed`]: resilience_core::Reason::Shed
//!
//! # Telemetry
//!
//! With the feature `metrics`, all with the label `policy`, which is the name given to [`Keyed::builder`]:
//!
//! | metric | |
//! |---|---|
//! | `resilience_keyed_keys` | gauge: keys in memory |
//! | `resilience_keyed_evicted_total` | keys that were dropped, those [removed](Keyed::remove) by hand aside |
//! | `resilience_keyed_overflow_total` | calls of new keys without room |
//! | `resilience_keyed_without_key_total` | calls without a key |
//! | `resilience_ratelimit_admitted_total`, `resilience_ratelimit_rejected_total` | of a [`KeyedRateLimit`]: its calls, as those of any rate limit |
//!
//! Policies made by [`each`](KeyedBuilder::each) report under the names that you give them. Give them all *one* name, unless
//! there are few keys: a name is a label, and every label costs the recorder memory, for good. Their counters then add
//! up; a gauge of states, as breakers have, then shows the latest change of any of them.
//!
//! # Sources
//!
//! The tables are [hashbrown](https://docs.rs/hashbrown)'s; the hash is the standard library's, keyed with a random
//! number for each map, so that nobody can choose keys that collide. The sweep is the clock algorithm of page
//! replacement (F. J. Corbató, *A Paging Experiment with the Multics System*, 1968), with two looks for what was used.
//! With the feature `serde`, [`KeyedConfig`] can be read and written. Without the feature `tower`, this crate is the [`machine`] alone.

mod config;
pub mod machine;

#[cfg(all(feature = "tower", not(resilience_loom)))]
mod builder;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod common;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod keyed;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod permit;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod rate_limit;
#[cfg(all(feature = "tower", not(resilience_loom)))]
mod telemetry;

pub use config::{KeyedConfig, NoKey, Overflow};
pub use resilience_ratelimit::{Quota, machine::Pace};

#[cfg(all(feature = "tower", not(resilience_loom)))]
pub use self::{
    builder::{Each, KeyedBuilder, Quotas},
    keyed::{Keyed, KeyedLayer},
    permit::KeyedRateLimitPermit,
    rate_limit::{KeyedRateLimit, KeyedRateLimitLayer},
};
