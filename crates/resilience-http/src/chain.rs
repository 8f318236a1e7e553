//! What the errors of HTTP and gRPC clients say.

use resilience_core::{BothFailed, BoxError, find_cause};
use std::{any::Any, error::Error, io};

/// `error` as a trait object, where its type is one that clients of HTTP and gRPC have.
pub(crate) fn as_error<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    let error: &dyn Any = error;
    if let Some(boxed) = error.downcast_ref::<BoxError>() {
        return Some(&**boxed);
    }
    macro_rules! known {
        ($($type:ty),+) => {$(
            if let Some(error) = error.downcast_ref::<$type>() {
                return Some(error);
            }
        )+};
    }
    known!(io::Error);
    #[cfg(feature = "hyper-util")]
    known!(hyper_util::client::legacy::Error);
    #[cfg(feature = "tonic")]
    known!(tonic::Status, tonic::ConnectError);
    None
}

/// Whether the request provably never left: there was no connection to send it on.
///
/// Takes the error for that of one client. Where two were asked, one after the other, nothing is proved.
pub(crate) fn never_sent(error: &(dyn Error + 'static)) -> bool {
    if find_cause::<BothFailed>(error).is_some() {
        return false;
    }
    #[cfg(feature = "hyper-util")]
    if find_cause(error).is_some_and(hyper_util::client::legacy::Error::is_connect) {
        return true;
    }
    #[cfg(feature = "tonic")]
    if find_cause::<tonic::ConnectError>(error).is_some() {
        return true;
    }
    // Nothing but connecting is refused.
    find_cause::<io::Error>(error)
        .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
