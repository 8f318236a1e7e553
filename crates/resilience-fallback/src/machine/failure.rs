use super::FirstFailure;
use resilience_core::{
    BoxError, Outcome, Rejected,
    sync::{Arc, Mutex, lock},
};
use std::fmt;

/// What went wrong: the failing response, or the error, and how the call was judged.
///
/// Given to a fallback's function, which may take the response or the error out by
/// [`into_result`](Self::into_result), for example to pass it on after all.
///
/// When an async function fails too, and has not taken the error out, the error becomes the
/// [`primary`](resilience_core::BothFailed::primary) one of the two.
pub struct Failure<Res, E> {
    /// Empty only while being dropped.
    result: Option<Result<Res, E>>,
    outcome: Outcome,
    described: Option<BoxError>,
    home: Option<Home<E>>,
}

/// Where what is left of a failure goes when it is dropped.
pub(crate) type Home<E> = Arc<Mutex<Option<Left<E>>>>;

/// What a function that got a failure by value left in it.
pub(crate) enum Left<E> {
    Error(E),
    Description(BoxError),
}

impl<Res, E> Failure<Res, E> {
    /// The failure of a call that ended with `result`, and was judged to be an `outcome`.
    pub fn new(result: Result<Res, E>, outcome: Outcome) -> Self {
        Self {
            result: Some(result),
            outcome,
            described: None,
            home: None,
        }
    }

    /// Describes a failing response by an error: a [`Rejected`], if one of the family's layers answered.
    pub fn described(mut self, error: impl Into<Option<BoxError>>) -> Self {
        self.described = error.into();
        self
    }

    /// How the call was judged.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The failing response; `None` if there was an error.
    pub fn response(&self) -> Option<&Res> {
        self.result.as_ref()?.as_ref().ok()
    }

    /// The error; `None` if there was a failing response.
    pub fn error(&self) -> Option<&E> {
        self.result.as_ref()?.as_ref().err()
    }

    /// The refusal, if one of the family's own layers refused the call, and the dependency was not asked.
    ///
    /// Looks into errors by [`Rejected::find_in`].
    pub fn rejected(&self) -> Option<&Rejected>
    where
        E: 'static,
    {
        match self.error() {
            Some(error) => Rejected::find_in(error),
            None => Rejected::find(&**self.described.as_ref()?),
        }
    }

    /// The response or the error itself.
    #[expect(
        clippy::missing_panics_doc,
        reason = "there is one of the two until `self` is gone"
    )]
    pub fn into_result(mut self) -> Result<Res, E> {
        self.result.take().expect("taken only once, by value")
    }

    /// The failure as an error: the error itself, or the description of the failing response, which is dropped.
    pub fn into_error(mut self) -> BoxError
    where
        E: Into<BoxError>,
    {
        let otherwise = FirstFailure::of(&self);
        match (self.result.take(), self.described.take()) {
            (Some(Err(error)), _) => error.into(),
            (_, Some(description)) => description,
            _ => Box::new(otherwise),
        }
    }

    /// Has what is left when it is dropped put at `home`.
    pub(crate) fn send_home(&mut self, home: Home<E>) {
        self.home = Some(home);
    }
}

impl<Res, E> Drop for Failure<Res, E> {
    fn drop(&mut self) {
        let Some(home) = &self.home else { return };
        let left = match (self.result.take(), self.described.take()) {
            (Some(Err(error)), _) => Left::Error(error),
            (_, Some(description)) => Left::Description(description),
            _ => return,
        };
        *lock(home) = Some(left);
    }
}

impl<Res: fmt::Debug, E: fmt::Debug> fmt::Debug for Failure<Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Failure");
        match &self.result {
            Some(Ok(response)) => debug.field("response", response),
            Some(Err(error)) => debug.field("error", error),
            None => &mut debug,
        };
        debug
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
