//! Retries of requests that cannot be cloned, as those over HTTP cannot.

use resilience_core::BoxError;
use resilience_retry::RetryLayer;
use tower::{Service, ServiceBuilder, service_fn};

struct Upload;

fn main() {
    let service = ServiceBuilder::new()
        .layer(RetryLayer::builder("files").build().unwrap())
        .service(service_fn(|_: Upload| async move { Ok::<_, BoxError>(()) }));
    serve(service);
}

fn serve(_: impl Service<Upload>) {}
