//! What a service does with a refusal.

use crate::{BoxError, Rejected};
use std::{error::Error, fmt};

/// Turns the inner service's error into the layer's.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot turn a refusal into an error or a response of this service, whose error is `{E}`",
    label = "no answer to a refused call",
    note = "on an axum `Router` or a tonic server, answer with responses: `.http().respond()` (`use resilience_http::{{HttpLayer, RespondLayer}}`)",
    note = "`Boxed`, the default, needs an error that converts into `BoxError`; `.keep_error()` one that implements `Error` and `From<Rejected>`"
)]
pub trait MapErr<E> {
    /// The error of the layer.
    type Error;

    /// Converts an error of the inner service.
    fn map_err(&self, error: E) -> Self::Error;
}

/// Says what the caller of a refused call gets: an error, or a response.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot turn a refusal into an error or a response of this service, whose error is `{E}`",
    label = "no answer to a refused call",
    note = "on an axum `Router` or a tonic server, answer with responses: `.http().respond()` (`use resilience_http::{{HttpLayer, RespondLayer}}`)",
    note = "`Boxed`, the default, needs an error that converts into `BoxError`; `.keep_error()` one that implements `Error` and `From<Rejected>`"
)]
pub trait Reject<Req: ?Sized, Res, E>: MapErr<E> {
    /// Answers the refused `req`.
    fn reject(&self, req: &Req, why: Rejected) -> Result<Res, Self::Error>;
}

/// Refusals are boxed errors, as with Tower's own layers. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Boxed;

// So that the compiler speaks of the refusal, and not of `From` and `Error`.
#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> MapErr<E> for Boxed {
    type Error = BoxError;

    fn map_err(&self, error: E) -> BoxError {
        error.into()
    }
}

#[diagnostic::do_not_recommend]
impl<Req: ?Sized, Res, E: Into<BoxError>> Reject<Req, Res, E> for Boxed {
    fn reject(&self, _: &Req, why: Rejected) -> Result<Res, BoxError> {
        Err(Box::new(why))
    }
}

/// Refusals become the service's own error type, which is `From<Rejected>`.
///
/// An outer layer that classifies such errors must recognise the refusal in them:
/// [`TypedErrors`](crate::TypedErrors) does, where `source()` leads to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep;

impl<E> MapErr<E> for Keep {
    type Error = E;

    fn map_err(&self, error: E) -> E {
        error
    }
}

#[diagnostic::do_not_recommend]
impl<Req: ?Sized, Res, E: From<Rejected> + Error> Reject<Req, Res, E> for Keep {
    fn reject(&self, _: &Req, why: Rejected) -> Result<Res, E> {
        Err(why.into())
    }
}

/// Refusals are answered with a response, made by a function; the error type stays the service's own.
#[derive(Clone, Copy)]
pub struct Answer<F>(F);

impl<F> Answer<F> {
    /// Answers refusals with what `answer` makes of the request and the refusal.
    pub fn new(answer: F) -> Self {
        Self(answer)
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

impl<Req, Res, E, F> Reject<Req, Res, E> for Answer<F>
where
    Req: ?Sized,
    F: Fn(&Req, Rejected) -> Res,
{
    fn reject(&self, req: &Req, why: Rejected) -> Result<Res, E> {
        Ok((self.0)(req, why))
    }
}
