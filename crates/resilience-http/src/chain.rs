//! Looking along the causes of an error.

use resilience_core::BoxError;
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

/// The first error of type `T`: `error` itself or one of its causes.
pub(crate) fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Whether the request provably never left: there was no connection to send it on.
pub(crate) fn never_sent(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "hyper-util")]
    if find(error).is_some_and(hyper_util::client::legacy::Error::is_connect) {
        return true;
    }
    #[cfg(feature = "tonic")]
    if find::<tonic::ConnectError>(error).is_some() {
        return true;
    }
    // Nothing but connecting is refused.
    find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
