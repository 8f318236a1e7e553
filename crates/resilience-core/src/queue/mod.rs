//! The Tower adapter for policies that let callers wait.

mod future;
mod service;

pub use future::QueueFuture;
pub use service::QueueService;
