//! What answers in place of a failure.

use crate::{Failure, Primary};
use pin_project_lite::pin_project;
use resilience_core::{BothFailed, BoxError, MapErr};
use std::{
    fmt,
    future::{Future, Ready, ready},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Answers in place of a failure.
///
/// Implemented by what [`FallbackLayer`](crate::FallbackLayer)'s constructors make: [`Value`], [`Function`],
/// [`AsyncFunction`]. [`MapErr`] converts the errors that are no failures, and pass.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in for responses of type `{Res}` and errors of type `{E}`",
    note = "the value of `FallbackLayer::value` must be `Clone`; the functions of `function` and `async_function` take a `Failure<{Res}, {E}>`; for `async_function`, both errors must convert into `BoxError`"
)]
pub trait StandIn<Res, E>: MapErr<E> {
    /// The answer: the service's response type, or what the layer's [`Mark`](crate::Mark) turns into it.
    type Response;

    /// Answers, or fails too.
    type Future: Future<Output = Result<Self::Response, Self::Error>>;

    /// Begins to answer. The inner call is over, and has been dropped.
    fn stand_in(&self, failure: Failure<Res, E>) -> Self::Future;
}

/// Stands in with clones of a value.
#[derive(Clone, Copy, Debug)]
pub struct Value<V>(pub(crate) V);

impl<V, E> MapErr<E> for Value<V> {
    type Error = E;

    fn map_err(&self, error: E) -> E {
        error
    }
}

impl<V: Clone, Res, E> StandIn<Res, E> for Value<V> {
    type Response = V;
    type Future = Ready<Result<V, E>>;

    fn stand_in(&self, failure: Failure<Res, E>) -> Self::Future {
        drop(failure);
        ready(Ok(self.0.clone()))
    }
}

/// Stands in with what a function makes of the failure.
#[derive(Clone, Copy)]
pub struct Function<F>(pub(crate) F);

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

impl<F, E> MapErr<E> for Function<F> {
    type Error = E;

    fn map_err(&self, error: E) -> E {
        error
    }
}

impl<F, Res, E, Alt> StandIn<Res, E> for Function<F>
where
    F: Fn(Failure<Res, E>) -> Alt,
{
    type Response = Alt;
    type Future = Ready<Result<Alt, E>>;

    fn stand_in(&self, failure: Failure<Res, E>) -> Self::Future {
        ready(Ok((self.0)(failure)))
    }
}

/// Stands in with what an async function makes of the failure, unless it fails too.
#[derive(Clone, Copy)]
pub struct AsyncFunction<F>(pub(crate) F);

impl<F> fmt::Debug for AsyncFunction<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AsyncFunction")
    }
}

impl<F, E: Into<BoxError>> MapErr<E> for AsyncFunction<F> {
    type Error = BoxError;

    fn map_err(&self, error: E) -> BoxError {
        error.into()
    }
}

impl<F, G, Res, E, Alt, E2> StandIn<Res, E> for AsyncFunction<F>
where
    F: Fn(Failure<Res, E>) -> G,
    G: Future<Output = Result<Alt, E2>>,
    E: Into<BoxError> + 'static,
    E2: Into<BoxError>,
{
    type Response = Alt;
    type Future = Trying<G, E>;

    fn stand_in(&self, mut failure: Failure<Res, E>) -> Self::Future {
        let primary = Primary::of(&mut failure);
        Trying {
            function: Some((self.0)(failure)),
            primary: Some(primary),
        }
    }
}

pin_project! {
    /// The future of an [`AsyncFunction`].
    pub struct Trying<G, E> {
        // Dropped with its last poll, so that the failure, if still in there, comes home.
        #[pin]
        function: Option<G>,
        // Taken when it has failed.
        primary: Option<Primary<E>>,
    }
}

impl<G, E, Alt, E2> Future for Trying<G, E>
where
    G: Future<Output = Result<Alt, E2>>,
    E: Into<BoxError> + 'static,
    E2: Into<BoxError>,
{
    type Output = Result<Alt, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let function = this.function.as_mut().as_pin_mut();
        let result = ready!(function.expect("polled after completion").poll(cx));
        this.function.set(None);
        Poll::Ready(result.map_err(|secondary| {
            let primary = this.primary.take().expect("taken only here");
            BothFailed::new(primary.into_error(), secondary).into()
        }))
    }
}

impl<G, E> fmt::Debug for Trying<G, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trying").finish_non_exhaustive()
    }
}
