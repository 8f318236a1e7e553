//! Tower's own layers.

use crate::{
    inner::{Later, plain},
    ours::LIMIT,
    subject::{Bare, By, Instance, Subject, unseen},
};
use resilience_core::BoxError;
use std::{
    future::Ready,
    sync::Arc,
    task::{Context, Waker},
};
use tower::{
    Layer, Service, ServiceBuilder,
    limit::GlobalConcurrencyLimitLayer,
    load_shed::LoadShedLayer,
    retry::{
        Policy, RetryLayer,
        budget::{Budget, TpsBudget},
    },
    timeout::TimeoutLayer,
};

fn subject(
    pattern: &'static str,
    detail: &'static str,
    make: impl Fn() -> Instance + 'static,
) -> Subject {
    Subject::new(pattern, By::Peer("tower"), detail, make)
}

/// Retries errors within the budget, at once.
#[derive(Clone)]
struct Budgeted(Arc<TpsBudget>);

impl Budgeted {
    fn new() -> Self {
        Self(Arc::new(TpsBudget::default()))
    }
}

impl Policy<u64, u64, BoxError> for Budgeted {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, BoxError>) -> Option<Ready<()>> {
        match result {
            Ok(_) => {
                self.0.deposit();
                None
            }
            Err(_) => self.0.withdraw().then(|| std::future::ready(())),
        }
    }

    fn clone_request(&mut self, req: &u64) -> Option<u64> {
        Some(*req)
    }
}

pub fn subjects() -> Vec<Subject> {
    vec![
        subject("bulkhead", "concurrency limit", || {
            Instance::service(|| {
                let layer = GlobalConcurrencyLimitLayer::new(1_000);
                (layer.layer(plain()), unseen)
            })
        }),
        subject("bulkhead, refused", "concurrency limit, load shed", || {
            let mut held = None;
            Instance::service(|| {
                let layer = GlobalConcurrencyLimitLayer::new(1);
                let mut holder = layer.layer(plain());
                let mut cx = Context::from_waker(Waker::noop());
                assert!(Service::poll_ready(&mut holder, &mut cx).is_ready());
                held = Some(holder);
                let layers = ServiceBuilder::new()
                    .layer(LoadShedLayer::new())
                    .layer(layer);
                (layers.service(plain()), unseen)
            })
            .hold(held)
        })
        .refused(),
        subject("retry with budget, first try", "TpsBudget", || {
            Instance::service(|| {
                let layer = RetryLayer::new(Budgeted::new());
                (layer.layer(plain()), unseen)
            })
        }),
        subject("attempt timeout, ready at once", "", || {
            Instance::service(|| (TimeoutLayer::new(LIMIT).layer(plain()), unseen))
        }),
        subject("attempt timeout, one pending poll", "", || {
            Instance::service(|| (TimeoutLayer::new(LIMIT).layer(Later), unseen))
        })
        .over(Bare::Later),
        subject("client stack", "three of five", || {
            Instance::service(|| {
                let service = ServiceBuilder::new()
                    .layer(RetryLayer::new(Budgeted::new()))
                    .layer(GlobalConcurrencyLimitLayer::new(1_000))
                    .layer(TimeoutLayer::new(LIMIT))
                    .service(plain());
                (service, unseen)
            })
        }),
    ]
}
