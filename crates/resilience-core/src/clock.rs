//! The one place that reads a clock: tokio's, so that `tokio::time::pause` and `advance` govern every layer.

use crate::Timestamp;
use std::{sync::OnceLock, time::Duration};
use tokio::time::Instant;

/// The timestamp of the anchor. A runtime whose clock was paused before the anchor was taken lives in the
/// anchor's past; nine years of room keep its timestamps apart from one another.
const ORIGIN: Timestamp = Timestamp::from_nanos(1 << 58);

static ANCHOR: OnceLock<Instant> = OnceLock::new();

fn anchor() -> Instant {
    #[cfg(feature = "test-util")]
    if let Some(anchor) = HERE.get() {
        return anchor;
    }
    *ANCHOR.get_or_init(read)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the family's only clock read; everything else takes the time as an argument"
)]
fn read() -> Instant {
    Instant::now()
}

/// The present, by tokio's clock. Works outside of a runtime too.
pub fn now() -> Timestamp {
    let (anchor, now) = (anchor(), read());
    match now.checked_duration_since(anchor) {
        Some(after) => ORIGIN + after,
        None => ORIGIN - anchor.duration_since(now),
    }
}

/// The tokio instant of `at`, for timers. Times beyond what tokio can represent become thirty years from now.
pub fn instant(at: Timestamp) -> Instant {
    let far = || read() + Duration::from_secs(86_400 * 365 * 30);
    if at >= ORIGIN {
        anchor().checked_add(at - ORIGIN).unwrap_or_else(far)
    } else {
        anchor().checked_sub(ORIGIN - at).unwrap_or_else(read)
    }
}

#[cfg(feature = "test-util")]
std::thread_local! {
    /// The anchor of this thread, in place of the process's.
    static HERE: std::cell::Cell<Option<Instant>> = const { std::cell::Cell::new(None) };
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
