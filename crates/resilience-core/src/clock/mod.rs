//! The one place that reads a clock: tokio's, so that `tokio::time::pause` and `advance` govern every layer.

#[cfg(all(feature = "fast-clock", not(feature = "test-util")))]
#[path = "counter.rs"]
mod source;
#[cfg(not(all(feature = "fast-clock", not(feature = "test-util"))))]
#[path = "runtime.rs"]
mod source;

#[cfg(doc)]
use crate::Now;
use crate::Timestamp;
use std::{cell::Cell, time::Duration};
use tokio::time::Instant;

/// The timestamp of the first read. A runtime whose clock was paused before that lives in the past of it; nine years of
/// room keep its timestamps apart from one another.
const ORIGIN: Timestamp = Timestamp::from_nanos(1 << 58);

/// The present, by tokio's clock. Works outside of a runtime too.
///
/// With the feature `fast-clock`: by the processor's time-stamp counter, where there is one that can be trusted (as
/// [`quanta`](https://docs.rs/quanta) judges it), in less than half of the time. `tokio::time::pause` does not govern that
/// one: switch the feature `test-util` on for tests, with which tokio's clock is read after all.
#[inline]
pub fn now() -> Timestamp {
    source::now()
}

std::thread_local! {
    static CALL: Cell<Option<Timestamp>> = const { Cell::new(None) };
}

/// Runs `call`, the call of an inner service, during which [`Now::of_call`] is `now`.
///
/// The layers of a stack call one another within a microsecond, mostly, and each would look at the clock, for 28 ns: the
/// outermost that does lends the others its time. It ends with `call`, so that what is polled later reads the clock again.
///
/// What works long within `call`, before it calls a layer of this family, should read [`now`], and lend that. The same holds for
/// a service that brings futures to their end within its `call`, by `block_on` or the like: their guards have the time that was lent.
#[inline]
pub fn during<R>(now: Timestamp, call: impl FnOnce() -> R) -> R {
    let _end = End(CALL.replace(Some(now)));
    call()
}

/// Puts back what there was before, even if the call panics.
struct End(Option<Timestamp>);

impl Drop for End {
    #[inline]
    fn drop(&mut self) {
        CALL.set(self.0);
    }
}

/// What [`during`] has lent, or the present.
#[inline]
pub(crate) fn of_call() -> Timestamp {
    CALL.get().unwrap_or_else(now)
}

/// The tokio instant of `at`, for timers. Times beyond what tokio can represent become thirty years from now.
pub fn instant(at: Timestamp) -> Instant {
    source::instant(at)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the family's only clock read; everything else takes the time as an argument"
)]
fn read() -> Instant {
    Instant::now()
}

/// As far as tokio looks into the future.
fn far() -> Instant {
    read() + Duration::from_secs(86_400 * 365 * 30)
}

#[cfg(feature = "test-util")]
std::thread_local! {
    /// The anchor of this thread, in place of the process's.
    static HERE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Until the guard is dropped, this thread's timestamps count from the present: the first one is the same in every
/// process and every runtime.
///
/// Windows have buckets that begin at round timestamps. Where the present falls among them is chance otherwise, since tokio's
/// paused clock starts when its runtime is built; a simulation that must repeat to the byte begins with this, before anything
/// in it reads the clock. Policies do not survive it: what they remember has timestamps of another count.
#[cfg(feature = "test-util")]
pub fn begin_anew() -> Anew {
    Anew {
        before: HERE.replace(Some(read())),
        thread: std::marker::PhantomData,
    }
}

/// Made by [`begin_anew`]: when dropped, the thread's timestamps are as they were before.
#[cfg(feature = "test-util")]
#[derive(Debug)]
#[must_use = "timestamps count as before as soon as this is dropped"]
pub struct Anew {
    before: Option<Instant>,
    thread: std::marker::PhantomData<*const ()>,
}

#[cfg(feature = "test-util")]
impl Drop for Anew {
    fn drop(&mut self) {
        HERE.set(self.before);
    }
}
