//! Looking into errors, and along their causes.

use crate::{BothFailed, BoxError, Rejected};
use std::{any::Any, error::Error, io};

/// The first error of type `T` among `error` and all that it was caused by.
///
/// Sees both halves of a [`BothFailed`], the first failure first, and what an [`io::Error`] carries, which it
/// leaves out of its sources.
pub fn find_cause<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        if let Some(both) = error.downcast_ref::<BothFailed>()
            && let Some(found) = find_cause(both.primary())
        {
            return Some(found);
        }
        let io = error.downcast_ref::<io::Error>();
        next = match io.and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

/// `error` as a trait object, where its type can be seen through: a [`BoxError`], a [`BothFailed`], an
/// [`io::Error`] or a [`Rejected`].
pub fn as_error<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    let error: &dyn Any = error;
    if let Some(boxed) = error.downcast_ref::<BoxError>() {
        return Some(&**boxed);
    }
    if let Some(both) = error.downcast_ref::<BothFailed>() {
        return Some(both);
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return Some(io);
    }
    error.downcast_ref::<Rejected>().map(|why| why as _)
}
