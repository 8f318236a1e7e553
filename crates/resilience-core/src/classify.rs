//! Which outcomes are failures: one classification for all layers.

use crate::{Deadline, Outcome, Rejected};
use std::{error::Error, fmt};

/// Says how calls ended.
///
/// The same classifier serves breaker, retry and fallback. It sees the request first, so that it can judge a
/// `GET` by other rules than a `POST`, or a gRPC call by its trailers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot classify responses of type `{Res}` and errors of type `{E}`",
    label = "nobody judges these calls",
    note = "for HTTP responses call `.http()` on the layer (`use resilience_http::HttpLayer`); for your own types pass a closure: `.classify(by_result(|result: Result<&Res, &E>| ...))`"
)]
pub trait Classify<Req: ?Sized, Res, E> {
    /// What judges this one call.
    type Call: Verdict<Res, E>;

    /// Begins to judge the call that `req` starts.
    fn start(&self, req: &Req) -> Self::Call;

    /// When the call that `req` starts has to be over, if `req` says so. Default: it says nothing.
    ///
    /// Past it, the adapters over policies refuse the call with [`Reason::Deadline`](crate::Reason::Deadline), asking
    /// nobody; queues do not let it wait longer, and retries do not begin.
    #[inline]
    fn deadline(&self, req: &Req) -> Option<Deadline> {
        let _ = req;
        None
    }
}

/// Judges one call.
pub trait Verdict<Res, E> {
    /// Judges the response, or its head where more follows; `None`: the end of the body will tell.
    fn response(&mut self, res: &Res) -> Option<Outcome>;

    /// Judges the error.
    fn error(&mut self, error: &E) -> Outcome;

    /// The retries of this call have not helped, and `result`, a failure, is what the caller gets. Called by layers that
    /// retry; says so in `result`, where it can, for those outside that would otherwise retry what has been retried
    /// already. Default: does nothing.
    fn exhausted(&mut self, result: &mut Result<Res, E>) {
        let _ = result;
    }
}

/// The default: every response is a success, every error a transient failure, and the family's own refusals
/// are [`Refused`](Outcome::Refused).
///
/// Sees refusals in boxed errors, through [`Rejected::find_in`]. Where the error type is your own and wraps
/// [`Rejected`] as a source, use [`TypedErrors`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors;

impl<Req: ?Sized, Res, E: 'static> Classify<Req, Res, E> for Errors {
    type Call = Self;

    #[inline]
    fn start(&self, _: &Req) -> Self {
        Self
    }
}

impl<Res, E: 'static> Verdict<Res, E> for Errors {
    #[inline]
    fn response(&mut self, _: &Res) -> Option<Outcome> {
        Some(Outcome::Success)
    }

    fn error(&mut self, error: &E) -> Outcome {
        Rejected::judge_in(error).unwrap_or(Outcome::TRANSIENT)
    }
}

/// [`Errors`] for a service whose error type implements [`Error`]: looks for refusals along its sources.
#[derive(Clone, Copy, Debug, Default)]
pub struct TypedErrors;

impl<Req: ?Sized, Res, E: Error + 'static> Classify<Req, Res, E> for TypedErrors {
    type Call = Self;

    #[inline]
    fn start(&self, _: &Req) -> Self {
        Self
    }
}

impl<Res, E: Error + 'static> Verdict<Res, E> for TypedErrors {
    #[inline]
    fn response(&mut self, _: &Res) -> Option<Outcome> {
        Some(Outcome::Success)
    }

    fn error(&mut self, error: &E) -> Outcome {
        Rejected::judge(error).unwrap_or(Outcome::TRANSIENT)
    }
}

/// Classifies by a function of the result. The family's own refusals are recognised before it is asked, as far as
/// [`Rejected::find_in`] sees them. In an error type of your own, say so: for a variant that holds a [`Rejected`], return
/// its [`outcome`](Rejected::outcome); as a failure it would be counted against the dependency, and retried while
/// the breaker is open.
///
/// ```
/// use resilience_core::{Outcome, by_result};
///
/// let classify = by_result(|result: Result<&u32, &std::io::Error>| match result {
///     Ok(0) => Outcome::Permanent,
///     Ok(_) => Outcome::Success,
///     Err(_) => Outcome::TRANSIENT,
/// });
/// # let _ = classify;
/// ```
pub fn by_result<Res, E, F>(judge: F) -> ByResult<F>
where
    F: Fn(Result<&Res, &E>) -> Outcome + Clone,
{
    ByResult(judge)
}

/// A classifier made by [`by_result`].
#[derive(Clone, Copy)]
pub struct ByResult<F>(F);

impl<F> fmt::Debug for ByResult<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByResult")
    }
}

impl<Req, Res, E, F> Classify<Req, Res, E> for ByResult<F>
where
    Req: ?Sized,
    E: 'static,
    F: Fn(Result<&Res, &E>) -> Outcome + Clone,
{
    type Call = Self;

    #[inline]
    fn start(&self, _: &Req) -> Self {
        self.clone()
    }
}

impl<Res, E, F> Verdict<Res, E> for ByResult<F>
where
    E: 'static,
    F: Fn(Result<&Res, &E>) -> Outcome,
{
    fn response(&mut self, res: &Res) -> Option<Outcome> {
        Some((self.0)(Ok(res)))
    }

    fn error(&mut self, error: &E) -> Outcome {
        Rejected::judge_in(error).unwrap_or_else(|| (self.0)(Err(error)))
    }
}
