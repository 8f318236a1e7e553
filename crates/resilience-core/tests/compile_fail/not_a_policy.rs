//! A layer of something that decides nothing.

use resilience_core::{BoxError, GuardLayer};
use tower::{Service, ServiceBuilder, service_fn};

struct Switch;

fn main() {
    let service = ServiceBuilder::new()
        .layer(GuardLayer::new(Switch))
        .service(service_fn(|req: u32| async move { Ok::<_, BoxError>(req) }));
    serve(service);
}

fn serve(_: impl Service<u32>) {}
