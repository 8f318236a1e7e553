//! Refusals as errors that tonic's clients understand.

use crate::grpc_code;
use resilience_core::{BoxError, MapErr, Reject, Rejected, find_cause};
#[cfg(feature = "timeout")]
use resilience_timeout::{DeadlineError, DeadlineExceeded, MalformedDeadline, TimedOut};
use std::{error::Error, fmt, sync::Arc};
use tonic::{Code, Status, TimeoutExpired};

/// Refuses with an error whose source is a [`tonic::Status`], so that a generated client reports
/// `UNAVAILABLE` or `RESOURCE_EXHAUSTED` instead of `UNKNOWN`.
///
/// Refusals, timeouts and exceeded deadlines of inner layers, in boxed errors, get a status too. [`Rejected::find`] sees the refusal
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
        #[cfg(feature = "timeout")]
        if let Some(why) = DeadlineExceeded::find(&*error) {
            return StatusError::too_late(DeadlineError::Exceeded(why.clone())).into();
        }
        #[cfg(feature = "timeout")]
        if let Some(why) = find_cause::<MalformedDeadline>(&*error) {
            return StatusError::too_late(DeadlineError::Malformed(why.clone())).into();
        }
        // The `Channel` keeps to the `grpc-timeout` of its requests too; tonic would call it `CANCELLED`.
        if find_cause::<TimeoutExpired>(&*error).is_some() {
            return StatusError::with_source(Code::DeadlineExceeded, TimeoutExpired(())).into();
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
        Self::with_source(code(&why), why)
    }

    /// The timeout as an error with a status: `DEADLINE_EXCEEDED`, or that of the refusal that it is.
    #[cfg(feature = "timeout")]
    pub fn timed_out(why: TimedOut) -> Self {
        let code = match Rejected::find(&why) {
            Some(refused) => code(refused),
            None => Code::DeadlineExceeded,
        };
        Self::with_source(code, why)
    }

    /// Why a call was not made, or not over in time, as an error with a status: `DEADLINE_EXCEEDED`, or
    /// `INVALID_ARGUMENT`.
    #[cfg(feature = "timeout")]
    pub fn too_late(why: DeadlineError) -> Self {
        match why {
            DeadlineError::Refused(why) => Self::new(why),
            DeadlineError::Exceeded(why) => Self::with_source(Code::DeadlineExceeded, why),
            DeadlineError::Malformed(why) => Self::with_source(Code::InvalidArgument, why),
        }
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

fn code(why: &Rejected) -> Code {
    Code::from_i32(grpc_code(why.reason()).number().into())
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
