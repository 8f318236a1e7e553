//! One call, or one refusal, at the workers.

use super::Pool;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// The queue is full.
#[derive(Debug)]
pub(in crate::sim::server) struct Overflow;

/// Waits for a worker, and for the end of its work: see [`Pool::work`]. Holds the worker until dropped, where workers are held.
pub(in crate::sim::server) struct Work {
    pool: Arc<Pool>,
    refusal: bool,
    key: Option<usize>,
}

impl Work {
    pub(super) fn new(pool: Arc<Pool>, refusal: bool) -> Self {
        Self {
            pool,
            refusal,
            key: None,
        }
    }
}

impl Future for Work {
    type Output = Result<(), Overflow>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.key {
            Some(key) => this.pool.poll(key, cx),
            None => match this.pool.enter(this.refusal, cx) {
                Some(key) => {
                    this.key = Some(key);
                    Poll::Pending
                }
                None => Poll::Ready(Err(Overflow)),
            },
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.pool.leave(key);
        }
    }
}
