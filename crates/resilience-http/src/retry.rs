//! `.http()` and `.grpc()` on the retry layer.

use crate::{HttpClassify, HttpLayer, HttpReplay};
use resilience_retry::RetryLayer;

/// Retries judge calls with [`HttpClassify`], and send requests again with [`HttpReplay`]. To set something else,
/// call `.classify(…)` or `.replay(…)` after `.http()`.
impl<C, R> HttpLayer for RetryLayer<C, R> {
    type Http = RetryLayer<HttpClassify, HttpReplay>;
    type Grpc = RetryLayer<HttpClassify, HttpReplay>;

    fn http(self) -> Self::Http {
        self.classify(HttpClassify::new()).replay(HttpReplay::new())
    }

    fn grpc(self) -> Self::Grpc {
        self.classify(HttpClassify::grpc())
            .replay(HttpReplay::grpc())
    }
}
