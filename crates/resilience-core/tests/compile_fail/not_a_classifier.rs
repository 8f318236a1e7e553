//! A layer that judges calls by something that cannot.

use resilience_core::{BoxError, GuardLayer};
use tower::{Service, ServiceBuilder, service_fn};

#[derive(Clone)]
struct Judge;

fn main() {
    let service = ServiceBuilder::new()
        .layer(GuardLayer::new(()).classify(Judge))
        .service(service_fn(|req: u32| async move { Ok::<_, BoxError>(req) }));
    serve(service);
}

fn serve(_: impl Service<u32>) {}
