//! Failures that have been retried already, as those further out see them.

mod body;
mod layer;
mod mark;

pub use body::ExhaustedBody;
pub use layer::{Exhausted, ExhaustedFuture, ExhaustedLayer};
pub(crate) use mark::Handle;
pub use mark::{InnerRetries, RetriesExhausted};
