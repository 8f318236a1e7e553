//! Refusals as errors that tonic's clients understand.

use crate::grpc_code;
use resilience_core::{BoxError, MapErr, Reject, Rejected, find_cause};
#[cfg(feature = "timeout")]
use resilience_timeout::TimedOut;
use std::{error::Error, fmt, sync::Arc};
use tonic::{Code, Status};

/// Refuses with an error whose source is a [`tonic::Status`], so that a generated client reports
/// `UNAVAILABLE` or `RESOURCE_EXHAUSTED` instead of `UNKNOWN`.
///
/// Refusals and timeouts of inner layers, in boxed errors, get a status too. [`Rejected::find`] sees the refusal
/// through the status.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsStatus;

impl<E: Into<BoxError>> MapErr<E> for AsStatus {
    type Error = BoxError;

    fn map_err(&self, error: E) -> BoxError {
        let error = error.into();
        if find_cause::<Status>(&*error).is_some() {
            return error;
        }
        if let Some(why) = Rejected::find(&*error) {
            return StatusError::new(why.clone()).into();
        }
        #[cfg(feature = "timeout")]
        if let Some(why) = TimedOut::find(&*error) {
            return StatusError::timed_out(why.clone()).into();
        }
        error
    }
}

impl<Req, Res, E: Into<BoxError>> Reject<Req, Res, E> for AsStatus {
    fn reject(&self, _: &Req, why: Rejected) -> Result<Res, BoxError> {
        Err(StatusError::new(why).into())
    }
}

/// A refusal, or a timeout, as an error; its source is the [`Status`], whose source is the [`Rejected`] or the
/// `TimedOut`.
#[derive(Debug)]
pub struct StatusError(Status);

impl StatusError {
    /// The refusal as an error with a status.
    pub fn new(why: Rejected) -> Self {
        let code = Code::from_i32(grpc_code(why.reason()).number().into());
        Self::with_source(code, why)
    }

    /// The timeout as an error with a status: `DEADLINE_EXCEEDED`.
    #[cfg(feature = "timeout")]
    pub fn timed_out(why: TimedOut) -> Self {
        Self::with_source(Code::DeadlineExceeded, why)
    }

    fn with_source(code: Code, why: impl Error + Send + Sync + 'static) -> Self {
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
