//! What the errors of HTTP and gRPC clients say.

use resilience_core::{BothFailed, Outcome, find_cause};
use std::{error::Error, io};

/// `error` as a trait object, where core sees through its type, or it is one that clients of HTTP and gRPC have.
#[cfg_attr(
    not(any(feature = "hyper", feature = "tonic")),
    expect(unused_macros, reason = "no client is known")
)]
pub(crate) fn as_error<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    macro_rules! known {
        ($($type:ty),+) => {$(
            if let Some(error) = (error as &dyn std::any::Any).downcast_ref::<$type>() {
                return Some(error);
            }
        )+};
    }
    #[cfg(feature = "hyper")]
    known!(hyper::Error);
    #[cfg(feature = "hyper-util")]
    known!(hyper_util::client::legacy::Error);
    #[cfg(feature = "client")]
    known!(crate::client::Error);
    #[cfg(feature = "tonic")]
    known!(tonic::Status, tonic::ConnectError);
    #[cfg(feature = "tonic-client")]
    known!(tonic::transport::Error);
    resilience_core::as_error(error)
}

/// Judges the error of one client.
///
/// Where two were asked, one after the other, nothing is proved about the request.
pub(crate) fn judge(error: &(dyn Error + 'static)) -> Outcome {
    if find_cause::<BothFailed>(error).is_some() {
        return Outcome::TRANSIENT;
    }
    if never_sent(error) {
        return Outcome::Unsent;
    }
    if callers_own(error) || is_wrong(error) {
        return Outcome::Ignored;
    }
    Outcome::TRANSIENT
}

/// Whether one of this family found the request itself to be wrong, and sent nothing.
#[cfg(feature = "timeout")]
pub(crate) fn is_wrong(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "client")]
    if find_cause(error).is_some_and(crate::client::Error::is_request) {
        return true;
    }
    find_cause::<resilience_timeout::MalformedDeadline>(error).is_some()
}

#[cfg(not(feature = "timeout"))]
pub(crate) fn is_wrong(_: &(dyn Error + 'static)) -> bool {
    false
}

/// Whether the request provably never was processed: there was no connection to send it on, it was never written to the one
/// there was, or the server refused the stream (RFC 9113, section 8.7).
fn never_sent(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "hyper-util")]
    if find_cause(error).is_some_and(hyper_util::client::legacy::Error::is_connect) {
        return true;
    }
    #[cfg(feature = "tonic")]
    if find_cause::<tonic::ConnectError>(error).is_some() {
        return true;
    }
    #[cfg(feature = "hyper")]
    {
        // The connection closed, mostly one that was used before, while the request waited for its turn on it: hyper
        // then hands the request back as it was.
        if find_cause(error).is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        if find_cause::<h2::Error>(error).is_some_and(|error| {
            error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
        }) {
            return true;
        }
    }
    // Nothing but connecting is refused.
    find_cause::<io::Error>(error)
        .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Whether the caller broke the call off, for example because the body of its request failed.
#[cfg(feature = "hyper")]
fn callers_own(error: &(dyn Error + 'static)) -> bool {
    // Over HTTP/2, hyper resets the stream itself.
    find_cause(error).is_some_and(hyper::Error::is_user)
        || find_cause::<h2::Error>(error)
            .is_some_and(|error| error.is_reset() && !error.is_remote() && !error.is_library())
}

#[cfg(not(feature = "hyper"))]
fn callers_own(_: &(dyn Error + 'static)) -> bool {
    false
}
