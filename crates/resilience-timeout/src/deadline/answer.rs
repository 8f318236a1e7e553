//! What the caller of a call that is too late gets.

use super::layer::Shared;
use crate::{Allotted, Answer, DeadlineError, DeadlineExceeded};
use resilience_core::{BoxError, Boxed, Keep, MapErr, Timestamp};
use std::sync::Arc;

/// Says what the caller gets when its call was not made, or not over in time: an error, or a response.
///
/// The request may have gone to the inner service by then, so that what an answer needs of it has to be
/// [kept](Self::keep) from the start.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot answer a call of this service that is past its deadline",
    label = "no way to turn an exceeded deadline into this service's response or error",
    note = "on an axum `Router` or a tonic server, answer with responses: `.http().respond()` (`use resilience_http::{{HttpLayer, RespondLayer}}`)",
    note = "`Boxed`, the default, needs an inner error that converts into `BoxError`; `.keep_error()` needs one that is `From<DeadlineError>`"
)]
pub trait OnDeadline<Req: ?Sized, Res, E>: MapErr<E> {
    /// The response of the layer.
    type Response;

    /// What is kept of a request while its call is under way.
    type Kept;

    /// Keeps what an answer to `req` would need.
    fn keep(&self, req: &Req) -> Self::Kept;

    /// Passes on a response that came in time. With a `bound`, its body has to be over by the deadline too.
    fn in_time(&self, kept: Self::Kept, res: Res, bound: Option<BodyBound>) -> Self::Response;

    /// Answers a call that was not made, or whose time is up; then the inner call has been dropped.
    fn too_late(&self, kept: Self::Kept, why: DeadlineError)
    -> Result<Self::Response, Self::Error>;
}

/// Errors are boxed, as with Tower's own layers. The default. Responses have no body that could be bounded.
impl<Req: ?Sized, Res, E: Into<BoxError>> OnDeadline<Req, Res, E> for Boxed {
    type Response = Res;
    type Kept = ();

    fn keep(&self, _: &Req) {}

    fn in_time(&self, (): (), res: Res, _: Option<BodyBound>) -> Res {
        res
    }

    fn too_late(&self, (): (), why: DeadlineError) -> Result<Res, BoxError> {
        Err(match why {
            DeadlineError::Malformed(why) => why.into(),
            DeadlineError::Refused(why) => why.into(),
            DeadlineError::Exceeded(why) => why.into(),
        })
    }
}

/// Errors become the service's own error type, which is `From<DeadlineError>`.
impl<Req: ?Sized, Res, E: From<DeadlineError>> OnDeadline<Req, Res, E> for Keep {
    type Response = Res;
    type Kept = ();

    fn keep(&self, _: &Req) {}

    fn in_time(&self, (): (), res: Res, _: Option<BodyBound>) -> Res {
        res
    }

    fn too_late(&self, (): (), why: DeadlineError) -> Result<Res, E> {
        Err(why.into())
    }
}

/// Calls are answered with a response, made by a function; the error type stays the service's own.
impl<Req, Res, E, F, G> OnDeadline<Req, Res, E> for Answer<F>
where
    Req: ?Sized,
    F: Fn(&Req) -> G,
    G: FnOnce(DeadlineError) -> Res,
{
    type Response = Res;
    type Kept = G;

    fn keep(&self, req: &Req) -> G {
        (self.0)(req)
    }

    fn in_time(&self, _: G, res: Res, _: Option<BodyBound>) -> Res {
        res
    }

    fn too_late(&self, answer: G, why: DeadlineError) -> Result<Res, E> {
        Ok(answer(why))
    }
}

/// By when the body of a response has to be over.
#[derive(Debug)]
pub struct BodyBound {
    end: Timestamp,
    allotted: Allotted,
    shared: Arc<Shared>,
}

impl BodyBound {
    /// The bound of a call for which this was allotted, unless the body may go on.
    pub(crate) fn of(allotted: Allotted, shared: &Arc<Shared>) -> Option<Self> {
        let end = allotted.deadline().body()?;
        let shared = shared.clone();
        Some(Self {
            end,
            allotted,
            shared,
        })
    }

    /// When that is.
    pub fn end(&self) -> Timestamp {
        self.end
    }

    /// The body was not over in time: counts it, and says so.
    pub fn exceeded(&self) -> DeadlineExceeded {
        let terms = &self.shared.terms;
        let why = self.allotted.body_exceeded(self.end, terms);
        self.shared.telemetry.body_exceeded(&why);
        why
    }
}
