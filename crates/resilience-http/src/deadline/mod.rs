//! Deadlines over HTTP and gRPC: read, kept to, and sent on.

mod answer;
mod body;
mod carry;
mod header;
mod send;

pub use answer::HttpAnswer;
pub use body::DeadlineBody;
pub use carry::HttpDeadline;
pub use header::{format_grpc_timeout, format_millis, parse_grpc_timeout, parse_millis};
pub use send::{SendDeadline, SendDeadlineFuture, SendDeadlineLayer};
