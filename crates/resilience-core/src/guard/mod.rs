//! The one Tower adapter for policies that decide at once.

mod future;
mod service;

pub use future::ResponseFuture;
pub(crate) use future::settle;
pub use service::Guard;
