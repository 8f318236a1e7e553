//! The innermost service: hyper-util's client, and one more try on a fresh connection where the first was stale.

use super::{Body, connect::Transport};
use crate::ReplayBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use resilience_core::{
    BoxError, Budget, clock, find_cause,
    sync::{Arc, Mutex, lock},
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tower_service::Service;

/// Sends requests. A server may close an idle connection in the moment that a request is given to it; then the connection
/// has not begun with the request, and it is sent again at once: once for each attempt, and only within the budget.
///
/// hyper-util can do this itself, and then does it any number of times and tells nobody; here that is switched off.
#[derive(Clone)]
pub(super) struct Resend {
    transport: Transport,
    budget: Option<Budget>,
}

impl Resend {
    pub(super) fn new(transport: Transport, budget: Option<Budget>) -> Self {
        Self { transport, budget }
    }
}

impl Service<Request<ReplayBody<Body>>> for Resend {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<ReplayBody<Body>>) -> Self::Future {
        let Self { transport, budget } = self.clone();
        let (head, body) = req.into_parts();
        let home = Home::default();
        let first = Request::from_parts(head.clone(), Unread::new(body, Some(home.clone())));
        Box::pin(async move {
            let error = match transport.request(first).await {
                Ok(res) => return Ok(res),
                Err(error) => error,
            };
            let stale = find_cause(&error).is_some_and(hyper::Error::is_canceled);
            // Only what nobody has begun to read is back.
            let Some(body) = lock(&home.0).take().filter(|_| stale) else {
                return Err(error.into());
            };
            if let Some(budget) = &budget {
                let Some(withdrawal) = budget.withdraw(clock::now()) else {
                    return Err(error.into());
                };
                withdrawal.spend();
            }
            let again = Request::from_parts(head, Unread::new(body, None));
            Ok(transport.request(again).await?)
        })
    }
}

/// Where a body goes that was dropped unread.
#[derive(Clone, Default)]
struct Home(Arc<Mutex<Option<ReplayBody<Body>>>>);

/// A body that goes home when it is dropped before anybody has read of it.
pub(super) struct Unread {
    /// Empty only while being dropped.
    body: Option<ReplayBody<Body>>,
    home: Option<Home>,
}

impl Unread {
    fn new(body: ReplayBody<Body>, home: Option<Home>) -> Self {
        let body = Some(body);
        Self { body, home }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            *lock(&home.0) = self.body.take();
        }
    }
}

impl HttpBody for Unread {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.home = None;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use tokio_test::{assert_ready, task};

    #[test]
    fn only_a_body_that_nobody_has_begun_to_read_goes_home() {
        let body = || ReplayBody::plain(Body::from("body"));
        let home = Home::default();
        drop(Unread::new(body(), Some(home.clone())));
        assert!(lock(&home.0).take().is_some());

        let mut begun = Unread::new(body(), Some(home.clone()));
        let frame = assert_ready!(task::spawn(begun.frame()).poll());
        assert!(frame.is_some());
        drop(begun);
        assert!(lock(&home.0).is_none());
    }
}
