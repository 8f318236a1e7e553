//! The inner services: they do nothing, and answer.

use crate::drive::{Request, Response};
use resilience_core::{BoxError, Rejected};
use std::{
    future::{Future, Ready, ready},
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};
use tower::Service;

/// Turns a request into its response.
pub const MARK: u64 = 0x5a5a_5a5a_5a5a_5a5a;

impl Request for u64 {
    fn of(number: u64) -> Self {
        number
    }
}

impl Response for u64 {
    fn answers(&self, number: u64) -> bool {
        *self == number ^ MARK
    }
}

/// An error as users write them, for what keeps the service's own error, or asks for `Clone`.
#[derive(Clone, Debug)]
pub enum Failure {
    /// Of the inner service. It never happens.
    #[allow(dead_code)]
    Inner,
    Refused(#[allow(dead_code)] Rejected),
}

impl From<Rejected> for Failure {
    fn from(why: Rejected) -> Self {
        Self::Refused(why)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for Failure {}

/// Answers at once.
#[derive(Debug)]
pub struct Inner<E = BoxError>(PhantomData<fn() -> E>);

impl<E> Inner<E> {
    pub fn new() -> Self {
        Self(PhantomData)
    }

    /// The response, for those who are not Tower services.
    #[inline]
    pub fn answer(number: u64) -> Ready<Result<u64, E>> {
        ready(Ok(number ^ MARK))
    }
}

/// The one that most subjects have.
pub fn plain() -> Inner {
    Inner::new()
}

impl<E> Clone for Inner<E> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<E> Service<u64> for Inner<E> {
    type Response = u64;
    type Error = E;
    type Future = Ready<Result<u64, E>>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, number: u64) -> Self::Future {
        Self::answer(number)
    }
}

/// Answers when it is polled for the second time.
#[derive(Clone, Debug)]
pub struct Later;

#[derive(Debug)]
pub struct LaterFuture {
    number: u64,
    polled: bool,
}

impl Later {
    #[inline]
    pub fn answer(number: u64) -> LaterFuture {
        LaterFuture {
            number,
            polled: false,
        }
    }
}

impl Future for LaterFuture {
    type Output = Result<u64, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.polled, true) {
            return Poll::Ready(Ok(self.number ^ MARK));
        }
        Poll::Pending
    }
}

impl Service<u64> for Later {
    type Response = u64;
    type Error = BoxError;
    type Future = LaterFuture;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, number: u64) -> LaterFuture {
        Self::answer(number)
    }
}
