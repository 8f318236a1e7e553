//! The first of two failures.

use crate::{
    Failure,
    machine::failure::{Home, Left},
};
use resilience_core::{
    BoxError, Outcome, Rejected,
    sync::{Arc, Mutex, lock},
};
use std::{error::Error, fmt};

/// Describes the first of two failures where there is no error of it: the service answered with a failing response,
/// or the fallback took the error out of the [`Failure`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstFailure {
    outcome: Outcome,
    what: &'static str,
}

impl FirstFailure {
    pub(super) fn of<Res, E>(failure: &Failure<Res, E>) -> Self {
        Self {
            outcome: failure.outcome(),
            what: match failure.error() {
                Some(_) => "an error",
                None => "a failing response",
            },
        }
    }

    /// How the call was judged.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }
}

impl fmt::Display for FirstFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.outcome.label())
    }
}

impl Error for FirstFailure {}

/// Keeps track of a [`Failure`] that was given away by value, for the case that its new owner fails too.
pub struct Primary<E> {
    /// Where the error comes, or the description of the response, when it is dropped with the failure.
    home: Home<E>,
    refused: Option<Rejected>,
    otherwise: FirstFailure,
}

impl<E: Into<BoxError> + 'static> Primary<E> {
    /// Keeps track of `failure`.
    pub fn of<Res>(failure: &mut Failure<Res, E>) -> Self {
        let home = Arc::new(Mutex::new(None));
        failure.send_home(Arc::clone(&home));
        Self {
            home,
            refused: failure.rejected().cloned(),
            otherwise: FirstFailure::of(failure),
        }
    }

    /// The failure as an error, after its new owner has let go of it: the error itself, unless that was taken out;
    /// then the refusal in it. A failing response, and an error that is lost, are described.
    pub fn into_error(self) -> BoxError {
        let left = lock(&self.home).take();
        match (left, self.refused) {
            (Some(Left::Error(error)), _) => error.into(),
            (Some(Left::Description(error)), _) => error,
            (None, Some(refused)) => Box::new(refused),
            (None, None) => Box::new(self.otherwise),
        }
    }
}

impl<E> fmt::Debug for Primary<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Primary")
            .field("refused", &self.refused)
            .field("otherwise", &self.otherwise)
            .finish_non_exhaustive()
    }
}
