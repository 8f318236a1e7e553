//! Refusals as errors that tonic's clients understand.

use crate::{chain, grpc_code};
use resilience_core::{BoxError, MapErr, Reject, Rejected};
use std::{error::Error, fmt, sync::Arc};
use tonic::{Code, Status};

/// Refuses with an error whose source is a [`tonic::Status`], so that a generated client reports
/// `UNAVAILABLE` or `RESOURCE_EXHAUSTED` instead of `UNKNOWN`.
///
/// Refusals of inner layers, in boxed errors, get a status too. [`Rejected::find`] sees the refusal through the
/// status.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsStatus;

impl<E: Into<BoxError>> MapErr<E> for AsStatus {
    type Error = BoxError;

    fn map_err(&self, error: E) -> BoxError {
        let error = error.into();
        match Rejected::find(&*error) {
            Some(why) if chain::find::<Status>(&*error).is_none() => {
                StatusError::new(why.clone()).into()
            }
            _ => error,
        }
    }
}

impl<Req, Res, E: Into<BoxError>> Reject<Req, Res, E> for AsStatus {
    fn reject(&self, _: &Req, why: Rejected) -> Result<Res, BoxError> {
        Err(StatusError::new(why).into())
    }
}

/// A refusal as an error; its source is the [`Status`], whose source is the [`Rejected`].
#[derive(Debug)]
pub struct StatusError(Status);

impl StatusError {
    /// The refusal as an error with a status.
    pub fn new(why: Rejected) -> Self {
        let code = Code::from_i32(grpc_code(why.reason()).number().into());
        let mut status = Status::new(code, why.to_string());
        status.set_source(Arc::new(why));
        Self(status)
    }

    /// The status.
    pub fn status(&self) -> &Status {
        &self.0
    }
}

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())
    }
}

impl Error for StatusError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
