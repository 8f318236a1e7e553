//! Inner services that only the others need.

use crate::{
    drive::{Request, Response},
    inner::{Failure, MARK},
    subject::{Bare, By, Instance, Subject, unseen},
};
use axum::body::Body;
use resilience_core::BoxError;
use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};
use tower::Service;

/// Never answers: to fill what is limited.
#[derive(Clone, Debug)]
pub struct Never;

/// The request that [`Never`] does not answer; others it does.
pub const HANGS: u64 = u64::MAX;

#[derive(Debug)]
pub struct NeverFuture(u64);

impl Future for NeverFuture {
    type Output = Result<u64, Failure>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0 {
            HANGS => Poll::Pending,
            number => Poll::Ready(Ok(number ^ MARK)),
        }
    }
}

impl Service<u64> for Never {
    type Response = u64;
    type Error = Failure;
    type Future = NeverFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, number: u64) -> NeverFuture {
        NeverFuture(number)
    }
}

/// Over HTTP types, for what knows no others.
#[derive(Clone, Debug)]
pub struct HttpInner;

/// No layer answers with it by itself.
const ANSWERED: http::StatusCode = http::StatusCode::IM_USED;

impl Request for http::Request<u64> {
    fn of(number: u64) -> Self {
        Self::new(number)
    }
}

impl Response for http::Response<Body> {
    fn answers(&self, _: u64) -> bool {
        self.status() == ANSWERED
    }
}

impl Service<http::Request<u64>> for HttpInner {
    type Response = http::Response<Body>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<u64>) -> Self::Future {
        let mut response = http::Response::new(Body::empty());
        *response.status_mut() = ANSWERED;
        ready(Ok(response))
    }
}

/// What is subtracted from those over HTTP types.
pub fn bare() -> Subject {
    let make = || Instance::service(|| (HttpInner, unseen));
    Subject::new("bare", By::Bare, "HTTP types", make).over(Bare::Http)
}
