//! Looking along the causes of an error.

use crate::BothFailed;
use std::{error::Error, io};

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
