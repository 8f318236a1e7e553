//! How much a dependency can do.

use resilience_stack::core::{Timestamp, clock};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// More work than this is not queued.
const QUEUE: Duration = Duration::from_millis(1050);

/// A dependency does one call after the other, each in the same time. Work that was queued is done, even if
/// the caller has given up in the meantime: so do most databases.
#[derive(Debug)]
pub(crate) struct Capacity {
    /// What one call takes.
    each: Duration,
    /// When all that is queued will be done.
    free: Mutex<Timestamp>,
}

/// There is too much to do already.
#[derive(Debug)]
pub(crate) struct QueueFull;

impl Capacity {
    pub(crate) fn per_second(calls: u32) -> Self {
        Self {
            each: Duration::from_secs(1) / calls,
            free: Mutex::default(),
        }
    }

    /// Waits until a call's turn comes.
    pub(crate) async fn turn(&self) -> Result<(), QueueFull> {
        let now = clock::now();
        let start = self.book(now)?;
        if start > now {
            tokio::time::sleep_until(clock::instant(start)).await;
        }
        Ok(())
    }

    fn book(&self, now: Timestamp) -> Result<Timestamp, QueueFull> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let start = now.max(*free);
        if start - now > QUEUE {
            return Err(QueueFull);
        }
        *free = start + self.each;
        Ok(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn does_one_after_the_other_and_queues_so_much() {
        let capacity = Capacity::per_second(10);
        let now = Timestamp::from_nanos(5_000_000_000);
        for call in 0..=10 {
            let start = capacity.book(now).expect("there is room");
            assert_eq!(start - now, Duration::from_millis(100) * call);
        }
        assert!(capacity.book(now).is_err(), "1.1 s of work is queued");
        let later = now + Duration::from_secs(3);
        assert_eq!(capacity.book(later).ok(), Some(later));
    }
}
