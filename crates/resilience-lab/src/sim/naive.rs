//! What many do, to compare with.

use super::{Request, handler::is_good};
use http::Response;
use std::future::{Ready, ready};
use tower::retry::{Policy, RetryLayer};

/// Retries at once after each failure, without backoff or budget: a policy for [`tower::retry`].
#[derive(Clone, Copy, Debug)]
pub struct NaiveRetry {
    left: u32,
}

impl NaiveRetry {
    /// Up to `retries` besides the first attempt, as a layer.
    pub fn layer(retries: u32) -> RetryLayer<Self> {
        RetryLayer::new(Self { left: retries })
    }
}

impl<B, E> Policy<Request, Response<B>, E> for NaiveRetry {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request, result: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        if result
            .as_ref()
            .is_ok_and(|response| is_good(response.status()))
        {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, req: &Request) -> Option<Request> {
        Some(req.clone())
    }
}
