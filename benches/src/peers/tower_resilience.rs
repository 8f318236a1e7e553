//! The crates of `tower-resilience`.

use super::inner::{HANGS, Never};
use crate::{
    drive::through,
    inner::{Failure, Inner, Later},
    ours::LIMIT,
    subject::{Bare, By, Instance, Subject, unseen},
};
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceBuilder};
use tower_resilience::{
    bulkhead::BulkheadLayer,
    circuitbreaker::CircuitBreakerLayer,
    fallback::FallbackLayer,
    ratelimiter::{RateLimiterLayer, WindowType},
    retry::{RetryBudgetBuilder, RetryLayer},
    timelimiter::TimeLimiterLayer,
};

const VALID: &str = "it is within its ranges";
const PLENTY: usize = 4_000_000_000;

fn subject(
    pattern: &'static str,
    detail: &'static str,
    make: impl Fn() -> Instance + 'static,
) -> Subject {
    Subject::new(pattern, By::Peer("tower-resilience"), detail, make)
}

fn inner() -> Inner<Failure> {
    Inner::new()
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("nothing special")
}

fn limit(window: WindowType) -> RateLimiterLayer {
    RateLimiterLayer::builder()
        .limit_for_period(PLENTY)
        .refresh_period(Duration::from_secs(1))
        .window_type(window)
        .build()
        .expect(VALID)
}

/// Its refusal is a timer, which only a runtime that runs lets elapse.
fn full() -> Instance {
    let bulkhead = BulkheadLayer::builder()
        .max_concurrent_calls(1)
        .reject_when_full();
    let (layer, _handle) = bulkhead.build_with_handle().expect(VALID);
    let mut holder = layer.layer(Never);
    let runtime = runtime();
    let mut held = Box::pin(holder.call(HANGS));
    {
        let _entered = runtime.enter();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(held.as_mut().poll(&mut cx).is_pending());
    }
    drop(runtime);
    Instance::direct(
        || (Blocking(layer.layer(Never), None), unseen),
        |Blocking(service, runtime), number, tally| {
            let runtime = runtime.get_or_insert_with(self::runtime);
            let mut cx = Context::from_waker(Waker::noop());
            assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))));
            tally.polls += 1;
            runtime.block_on(pin!(service.call(number)))
        },
    )
    .hold(held)
}

/// With a runtime of its own.
struct Blocking<S>(S, Option<Runtime>);

impl<S: Clone> Clone for Blocking<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), None)
    }
}

pub fn subjects() -> Vec<Subject> {
    vec![
        subject("breaker, closed", "", || {
            Instance::service(|| {
                let layer = CircuitBreakerLayer::builder().build().expect(VALID);
                (layer.layer(inner()), unseen)
            })
        }),
        subject("breaker, refused", "", || {
            Instance::service(|| {
                let breaker = CircuitBreakerLayer::builder();
                let (layer, handle) = breaker.build_with_handle().expect(VALID);
                runtime().block_on(handle.force_open());
                let verify = move |_| assert!(handle.is_open());
                (layer.layer(inner()), verify)
            })
        })
        .refused(),
        subject("bulkhead", "reject when full", || {
            Instance::service(|| {
                let bulkhead = BulkheadLayer::builder().max_concurrent_calls(1_000);
                let layer = bulkhead.reject_when_full().build().expect(VALID);
                (layer.layer(inner()), unseen)
            })
        }),
        subject("bulkhead, refused", "", full).refused().slow(),
        subject("rate limit", "fixed window", || {
            Instance::service(|| (limit(WindowType::Fixed).layer(inner()), unseen))
        }),
        subject("rate limit", "sliding counter", || {
            Instance::service(|| (limit(WindowType::SlidingCounter).layer(inner()), unseen))
        }),
        subject("retry with budget, first try", "token bucket", || {
            Instance::service(|| {
                let budget = RetryBudgetBuilder::new().token_bucket().build();
                let layer = RetryLayer::<u64, u64, Failure>::builder();
                let layer = layer.budget(budget.expect(VALID)).build();
                (layer.layer(inner()), unseen)
            })
        }),
        subject("attempt timeout, ready at once", "", || {
            Instance::service(|| {
                let layer = TimeLimiterLayer::builder().timeout_duration(LIMIT).build();
                (layer.layer(inner()), unseen)
            })
        }),
        subject("attempt timeout, one pending poll", "", || {
            Instance::service(|| {
                let layer = TimeLimiterLayer::builder().timeout_duration(LIMIT).build();
                (layer.layer(Later), unseen)
            })
        })
        .over(Bare::Later),
        subject("fallback, not needed", "", || {
            Instance::service(|| {
                let layer = FallbackLayer::<u64, u64, Failure>::value(0);
                (layer.layer(inner()), unseen)
            })
        }),
        subject("client stack", "", || {
            Instance::direct(
                || {
                    let budget = RetryBudgetBuilder::new().token_bucket().build();
                    let retry = RetryLayer::builder().budget(budget.expect(VALID)).build();
                    let bulkhead = BulkheadLayer::builder().max_concurrent_calls(1_000);
                    let service = ServiceBuilder::new()
                        .layer(retry)
                        .layer(limit(WindowType::Fixed))
                        .layer(bulkhead.reject_when_full().build().expect(VALID))
                        .layer(CircuitBreakerLayer::builder().build().expect(VALID))
                        .layer(TimeLimiterLayer::builder().timeout_duration(LIMIT).build())
                        .service(inner());
                    (service, unseen)
                },
                through::<u64, _>,
            )
        }),
    ]
}
