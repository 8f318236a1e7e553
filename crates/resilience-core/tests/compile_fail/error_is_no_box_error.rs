//! The default refusal is a `BoxError`, into which the service's error must convert.

use resilience_core::GuardLayer;
use tower::{Service, ServiceBuilder, service_fn};

struct Gone;

fn main() {
    let service = ServiceBuilder::new()
        .layer(GuardLayer::new(()))
        .service(service_fn(|req: u32| async move { Err::<u32, _>(Gone) }));
    serve(service);
}

fn serve(_: impl Service<u32>) {}
