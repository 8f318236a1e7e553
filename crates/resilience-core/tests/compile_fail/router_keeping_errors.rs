//! Keeping the error of a `Router`, which is `Infallible`, leaves no way to refuse.

use axum::Router;
use resilience_core::GuardLayer;

fn main() {
    let _: Router = Router::new().layer(GuardLayer::new(()).keep_error());
}
