//! What the caller of a call that took too long gets.

use crate::TimedOut;
use resilience_core::{BoxError, Boxed, Keep, MapErr};
use std::{fmt, time::Duration};

/// Says what the caller gets when the time is up: an error, or a response.
///
/// The request has gone to the inner service by then, so that what an answer needs of it has to be
/// [kept](Self::keep) from the start.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a call of this service that took too long",
    label = "no way to turn a timeout into this service's response or error",
    note = "on an axum `Router` or a tonic server, answer with responses: `.http().respond()` (`use resilience_http::{{HttpLayer, RespondLayer}}`)",
    note = "`Boxed`, the default, needs an inner error that converts into `BoxError`; `.keep_error()` needs one that is `From<TimedOut>`"
)]
pub trait OnTimeout<Req: ?Sized, Res, E>: MapErr<E> {
    /// The response of the layer.
    type Response;

    /// What is kept of a request while its call is under way.
    type Kept;

    /// The limit that `req` asks for itself, in place of the layer's. Default: none.
    ///
    /// At most 365 days count. With zero, the time is up when the call is first pending.
    fn limit(&self, req: &Req) -> Option<Duration> {
        let _ = req;
        None
    }

    /// Keeps what an answer to `req` would need.
    fn keep(&self, req: &Req) -> Self::Kept;

    /// Passes on a response that came in time.
    fn in_time(&self, res: Res) -> Self::Response;

    /// Answers a call whose time is up. The inner call has been dropped; of [`Kind::Ready`](crate::Kind::Ready), there was
    /// none.
    fn too_late(&self, kept: Self::Kept, why: TimedOut) -> Result<Self::Response, Self::Error>;
}

/// Timeouts are boxed errors, as with Tower's own layers. The default.
impl<Req: ?Sized, Res, E: Into<BoxError>> OnTimeout<Req, Res, E> for Boxed {
    type Response = Res;
    type Kept = ();

    fn keep(&self, _: &Req) {}

    fn in_time(&self, res: Res) -> Res {
        res
    }

    fn too_late(&self, (): (), why: TimedOut) -> Result<Res, BoxError> {
        Err(Box::new(why))
    }
}

/// Timeouts become the service's own error type, which is `From<TimedOut>`.
impl<Req: ?Sized, Res, E: From<TimedOut>> OnTimeout<Req, Res, E> for Keep {
    type Response = Res;
    type Kept = ();

    fn keep(&self, _: &Req) {}

    fn in_time(&self, res: Res) -> Res {
        res
    }

    fn too_late(&self, (): (), why: TimedOut) -> Result<Res, E> {
        Err(why.into())
    }
}

/// Timeouts are answered with a response, made by a function; the error type stays the service's own.
///
/// Made by [`TimeoutLayer::answer`](crate::TimeoutLayer::answer).
#[derive(Clone, Copy)]
pub struct Answer<F>(pub(crate) F);

impl<F> Answer<F> {
    /// Asks `keep` with the request, at the start of a call, for the function that would make the answer.
    pub fn new(keep: F) -> Self {
        Self(keep)
    }
}

impl<F> fmt::Debug for Answer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

impl<E, F> MapErr<E> for Answer<F> {
    type Error = E;

    fn map_err(&self, error: E) -> E {
        error
    }
}

impl<Req, Res, E, F, G> OnTimeout<Req, Res, E> for Answer<F>
where
    Req: ?Sized,
    F: Fn(&Req) -> G,
    G: FnOnce(TimedOut) -> Res,
{
    type Response = Res;
    type Kept = G;

    fn keep(&self, req: &Req) -> G {
        (self.0)(req)
    }

    fn in_time(&self, res: Res) -> Res {
        res
    }

    fn too_late(&self, answer: G, why: TimedOut) -> Result<Res, E> {
        Ok(answer(why))
    }
}
