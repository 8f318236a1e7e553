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
/// [`AsyncFunction`], [`OtherService`](crate::OtherService). [`MapErr`] converts the errors that pass.
///
/// `Kept` is what [`KeepRequest`] has kept of the request.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in for responses of type `{Res}` and errors of type `{E}`",
    note = "the value of `FallbackLayer::value` must be `Clone`; the functions of `function` and `async_function` take a `Failure<{Res}, {E}>`; the service of `service` must be `Clone`, and take the requests that the inner one takes; for `async_function` and `service`, both errors must convert into `BoxError`"
)]
pub trait StandIn<Res, E, Kept = ()>: MapErr<E> {
    /// The answer: the service's response type, or what the layer's [`Mark`](crate::Mark) turns into it.
    type Response;

    /// Answers, or fails too.
    type Future: Future<Output = Result<Self::Response, Self::Error>>;

    /// Begins to answer. The inner call is over, and has been dropped.
    ///
    /// Gives the failure back where it cannot answer: then the caller gets what the inner service gave.
    fn stand_in(
        &self,
        failure: Failure<Res, E>,
        kept: Kept,
    ) -> Result<Self::Future, Failure<Res, E>>;
}

/// Keeps what a [`StandIn`] needs of the request: `R` is the layer's
/// [`replay`](crate::FallbackLayer::replay).
#[diagnostic::on_unimplemented(
    message = "the fallback cannot keep requests of type `{Req}` by `{R}`, to send them to another service",
    note = "`ByClone`, the default, needs `{Req}: Clone`; for HTTP requests call `.http()` on the layer (`use resilience_http::HttpLayer`)"
)]
pub trait KeepRequest<Req, R> {
    /// The request that the inner service gets.
    type Inner;

    /// What is kept while the inner service is at work.
    type Kept;

    /// The request is about to be sent.
    fn keep(&self, req: Req, replay: &R) -> (Self::Inner, Self::Kept);
}

/// What answers without the request keeps nothing of it.
macro_rules! keeps_nothing {
    ($($stand_in:ident),+) => {$(
        impl<Req, R, T> KeepRequest<Req, R> for $stand_in<T> {
            type Inner = Req;
            type Kept = ();

            fn keep(&self, req: Req, _: &R) -> (Req, ()) {
                (req, ())
            }
        }
    )+};
}

keeps_nothing!(Value, Function, AsyncFunction);

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

    fn stand_in(&self, failure: Failure<Res, E>, (): ()) -> Result<Self::Future, Failure<Res, E>> {
        drop(failure);
        Ok(ready(Ok(self.0.clone())))
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

    fn stand_in(&self, failure: Failure<Res, E>, (): ()) -> Result<Self::Future, Failure<Res, E>> {
        Ok(ready(Ok((self.0)(failure))))
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

    fn stand_in(
        &self,
        mut failure: Failure<Res, E>,
        (): (),
    ) -> Result<Self::Future, Failure<Res, E>> {
        let primary = Primary::of(&mut failure);
        Ok(Trying {
            function: Some((self.0)(failure)),
            primary: Some(primary),
        })
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
