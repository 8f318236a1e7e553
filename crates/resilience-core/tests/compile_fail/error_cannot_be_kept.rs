//! `.keep_error()` over a service whose error cannot hold a refusal.

use resilience_core::GuardLayer;
use tower::{Service, ServiceBuilder, service_fn};

struct Gone;

fn main() {
    let service = ServiceBuilder::new()
        .layer(GuardLayer::new(()).keep_error())
        .service(service_fn(|req: u32| async move { Err::<u32, _>(Gone) }));
    serve(service);
}

fn serve(_: impl Service<u32>) {}
