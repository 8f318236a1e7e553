//! Time as a value: [`Timestamp`], and [`Now`], which reads the clock at most once.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A point in time, in nanoseconds since an arbitrary origin that is the same for the whole process.
///
/// Fits an atomic word. Arithmetic saturates: the far future stays the far future.
///
/// ```
/// use std::time::Duration;
/// use resilience_core::Timestamp;
///
/// let start = Timestamp::from_nanos(5_000_000_000);
/// let later = start + Duration::from_secs(2);
/// assert_eq!(later - start, Duration::from_secs(2));
/// assert_eq!(start - later, Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The end of time, about 584 years after the origin.
    pub const MAX: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the origin.
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    #[inline]
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

impl Sub for Timestamp {
    type Output = Duration;

    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A duration in whole nanoseconds, saturating at [`u64::MAX`] (584 years).
#[inline]
pub fn nanos(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000_000_000);
    whole.saturating_add(u64::from(duration.subsec_nanos()))
}

/// The present, read from the clock when somebody first asks, and then the same for all who share it.
///
/// A tuple of policies passes one `Now` along: one clock read for all of them, and none where no policy needs
/// the time.
#[derive(Clone)]
pub struct Now {
    at: Option<Timestamp>,
    read: fn() -> Timestamp,
}

impl Now {
    /// A present that is fixed, for tests, simulations and handles that already know the time.
    pub const fn at(at: Timestamp) -> Self {
        fn unused() -> Timestamp {
            Timestamp::MAX
        }
        Self {
            at: Some(at),
            read: unused,
        }
    }

    /// A present read from tokio's clock on first use, so that `tokio::time::pause` governs it.
    #[cfg(all(feature = "tower", not(resilience_loom)))]
    #[inline]
    pub const fn lazy() -> Self {
        Self {
            at: None,
            read: crate::clock::now,
        }
    }

    /// The present as the layer outside has read it, if it is first asked for [during](crate::clock::during) that layer's call; else
    /// as [`lazy`](Self::lazy) has it.
    #[cfg(all(feature = "tower", not(resilience_loom)))]
    #[inline]
    pub const fn of_call() -> Self {
        Self {
            at: None,
            read: crate::clock::of_call,
        }
    }

    /// The present.
    #[inline]
    pub fn get(&mut self) -> Timestamp {
        *self.at.get_or_insert_with(self.read)
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Now").field(&self.at).finish()
    }
}
