//! A layer that lets callers wait, over a policy that cannot.

use resilience_core::{BoxError, Now, Policy, QueueLayer, Rejected};
use tower::{Service, ServiceBuilder, service_fn};

struct Switch;

impl<Req: ?Sized> Policy<Req> for Switch {
    type Permit = ();

    fn admit(&self, _: &Req, _: &mut Now) -> Result<(), Rejected> {
        Ok(())
    }
}

fn main() {
    let service = ServiceBuilder::new()
        .layer(QueueLayer::new(Switch))
        .service(service_fn(|req: u32| async move { Ok::<_, BoxError>(req) }));
    serve(service);
}

fn serve(_: impl Service<u32>) {}
