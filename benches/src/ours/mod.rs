//! The layers of this family.

mod forms;
mod presets;

pub use presets::Kind;

use crate::{
    drive::KEYS,
    inner::{Failure, Inner, Later, plain},
    list::{CLIENT_STACK, RANDOM_KEYS},
    subject::{Bare, By, Instance, Subject, unseen},
};
use resilience_breaker::{Breaker, BreakerBuilder, State};
use resilience_bulkhead::{Bulkhead, BulkheadPermit};
use resilience_core::{Budget, GuardLayer, Now, Policy, TypedErrors, clock};
use resilience_fallback::FallbackLayer;
use resilience_keyed::{Keyed, Quota};
use resilience_ratelimit::RateLimit;
use resilience_retry::RetryLayer;
use resilience_timeout::TimeoutLayer;
use std::time::Duration;
use tower::{Layer, ServiceBuilder};

const NAME: &str = "bench";
pub const LIMIT: Duration = Duration::from_secs(1);
const VALID: &str = "it is within its ranges";
/// What flows in hardly matters, and what there is at once is more than any run makes: so that each call is seen.
const PLENTY: Quota = Quota::per(1, INTERVAL).burst(BURST);
pub const INTERVAL: Duration = Duration::from_millis(7);
pub const BURST: u32 = 4_000_000_000;
/// A minute each, so that keys stay in force, and more at once than any run makes.
const SLOW: Quota = Quota::per_minute(1).burst(500_000);

type OfKey = fn(&u64) -> Option<u64>;

fn subject(
    pattern: &'static str,
    detail: &'static str,
    make: impl Fn() -> Instance + 'static,
) -> Subject {
    Subject::new(pattern, By::Ours, detail, make)
}

fn builder() -> BreakerBuilder {
    Breaker::builder(NAME)
}

/// A closed breaker, in whose window so many of the calls are found as `seen` says.
fn closed(builder: fn() -> BreakerBuilder, seen: fn(calls: u64, window: u64) -> bool) -> Instance {
    Instance::service(|| {
        let breaker = builder().build().expect(VALID);
        let service = breaker.layer().layer(plain());
        let verify = move |calls| {
            let now = breaker.snapshot();
            assert_eq!(now.state, State::Closed);
            assert!(seen(calls, now.calls), "{calls} calls, but {now:?}");
            assert_eq!(now.failures, 0);
        };
        (service, verify)
    })
}

/// A breaker that failures have opened, for longer than any run takes.
fn open() -> Breaker {
    let breaker = builder()
        .consecutive_failures(1)
        .minimum_spread(Duration::ZERO)
        .open_for(Duration::from_hours(24));
    let breaker = breaker.build().expect(VALID);
    drop_failed(&breaker);
    assert_eq!(breaker.state(), State::Open);
    breaker
}

fn drop_failed(breaker: &Breaker) {
    let mut now = Now::lazy();
    let permit = breaker.admit(&(), &mut now).expect("it is closed");
    resilience_core::Permit::finish(permit, resilience_core::Outcome::TRANSIENT, &mut now);
}

fn still_open(breaker: Breaker) -> impl Fn(u64) {
    move |_| {
        let now = breaker.snapshot();
        assert_eq!(
            (now.state, now.calls),
            (State::Open, 1),
            "one has opened it"
        );
    }
}

fn full() -> (Bulkhead, BulkheadPermit) {
    let bulkhead = Bulkhead::new(NAME, 1).expect(VALID);
    let permit = bulkhead.admit(&(), &mut Now::lazy()).expect("it is empty");
    (bulkhead, permit)
}

/// The slots are back.
fn empty(bulkhead: Bulkhead) -> impl Fn(u64) {
    move |_| assert_eq!(bulkhead.in_flight(), 0)
}

/// Each call has earned a fifth of a retry, beside the ten of the floor.
fn deposited(budget: &Budget, calls: u64) {
    let available = budget.available(clock::now());
    // What is older than ten seconds has been forgotten.
    assert!(available > 10, "{available} after {calls} calls");
}

fn breakers() -> Vec<Subject> {
    vec![
        subject("breaker, closed", "default", || {
            // In five seconds, less than all, but many.
            closed(builder, |calls, window| window > 0 && window <= calls)
        }),
        subject("breaker, closed", "count window", || {
            let builder = || builder().count_window(100);
            closed(builder, |calls, window| window == calls.min(100))
        }),
        subject("breaker, closed", "consecutive", || {
            let builder = || builder().failure_rate(None);
            closed(builder, |calls, window| window <= calls)
        }),
        subject("breaker, refused", "own error", || {
            Instance::service(|| {
                let breaker = open();
                let layer = breaker.layer().classify(TypedErrors).keep_error();
                (layer.layer(Inner::<Failure>::new()), still_open(breaker))
            })
        })
        .refused(),
        subject("breaker, refused", "BoxError", || {
            Instance::service(|| {
                let breaker = open();
                (breaker.layer().layer(plain()), still_open(breaker))
            })
        })
        .allocating(1.0)
        .refused(),
    ]
}

fn bulkheads() -> Vec<Subject> {
    vec![
        subject("bulkhead", "", || {
            Instance::service(|| {
                let bulkhead = Bulkhead::new(NAME, 1_000).expect(VALID);
                (bulkhead.layer().layer(plain()), empty(bulkhead))
            })
        }),
        subject("bulkhead, refused", "own error", || {
            let mut held = None;
            Instance::service(|| {
                let (bulkhead, permit) = full();
                held = Some(permit);
                let layer = bulkhead.layer().classify(TypedErrors).keep_error();
                let verify = move |_| assert_eq!(bulkhead.in_flight(), 1);
                (layer.layer(Inner::<Failure>::new()), verify)
            })
            .hold(held)
        })
        .refused(),
        subject("bulkhead, refused", "BoxError", || {
            let mut held = None;
            Instance::service(|| {
                let (bulkhead, permit) = full();
                held = Some(permit);
                let service = bulkhead.layer().layer(plain());
                (service, move |_| assert_eq!(bulkhead.in_flight(), 1))
            })
            .hold(held)
        })
        .allocating(1.0)
        .refused(),
    ]
}

/// Whether so many calls have been taken out of [`PLENTY`], but for what has flowed in since.
fn spent() -> impl Fn(u64, u32) {
    let start = clock::now();
    move |calls, available| {
        let back = (clock::now() - start).as_nanos() / INTERVAL.as_nanos() + 1;
        let gone = u64::from(BURST - available);
        assert!(gone <= calls, "{gone} of {calls} calls");
        assert!(
            u128::from(gone) + back >= calls.into(),
            "{gone} of {calls} calls"
        );
    }
}

fn keyed(keys: u64, key: OfKey, quota: Quota) -> Instance {
    Instance::service(|| {
        let limit = Keyed::builder(NAME).key(key).quota(quota);
        // Room for more, so that nothing depends on the cap.
        let limit = limit.max_keys(2 * usize::try_from(KEYS).expect("fits"));
        let limit = limit.build().expect(VALID);
        for number in 0..keys {
            for _ in 0..5 {
                drop(limit.admit(&number, &mut Now::lazy()).expect("plenty"));
            }
        }
        let service = limit.layer().layer(plain());
        let handle = limit.handle();
        let verify = move |_| assert_eq!(handle.len() as u64, keys);
        (service, verify)
    })
}

fn rates() -> Vec<Subject> {
    vec![
        subject("rate limit", "", || {
            Instance::service(|| {
                let limit = RateLimit::builder(NAME).quota(PLENTY).build();
                let limit = limit.expect(VALID);
                let service = limit.layer().layer(plain());
                let spent = spent();
                let verify = move |calls| spent(calls, limit.available(clock::now()));
                (service, verify)
            })
        }),
        subject("rate limit, one hot key", "", || {
            keyed(1, |_| Some(0), PLENTY)
        }),
        subject(RANDOM_KEYS, "", || {
            keyed(KEYS, |number| Some(*number), SLOW)
        })
        .large(),
    ]
}

fn flows() -> Vec<Subject> {
    vec![
        subject("retry with budget, first try", "", || {
            Instance::service(|| {
                let layer = RetryLayer::builder(NAME).build().expect(VALID);
                let service = layer.layer(plain());
                let verify = move |calls| deposited(layer.budget().expect("it has one"), calls);
                (service, verify)
            })
        }),
        subject("attempt timeout, ready at once", "", || {
            Instance::service(|| {
                let layer = TimeoutLayer::new(NAME, LIMIT).expect(VALID);
                (layer.layer(plain()), unseen)
            })
        }),
        subject("attempt timeout, one pending poll", "", || {
            Instance::service(|| {
                let layer = TimeoutLayer::new(NAME, LIMIT).expect(VALID);
                (layer.layer(Later), unseen)
            })
        })
        .over(Bare::Later),
        subject("fallback, not needed", "", || {
            Instance::service(|| {
                let layer = FallbackLayer::value(NAME, 0_u64);
                (layer.layer(plain()), unseen)
            })
        }),
    ]
}

fn stacks() -> Vec<Subject> {
    vec![
        subject(CLIENT_STACK, "one guard", || {
            Instance::service(|| {
                let parts = Parts::new();
                let guard = (
                    parts.limit.clone(),
                    parts.bulkhead.clone(),
                    parts.breaker.clone(),
                );
                let service = ServiceBuilder::new()
                    .layer(parts.retry.clone())
                    .layer(GuardLayer::new(guard))
                    .layer(TimeoutLayer::new(NAME, LIMIT).expect(VALID))
                    .service(plain());
                (service, parts.verify())
            })
        }),
        subject(CLIENT_STACK, "separate layers", || {
            Instance::service(|| {
                let parts = Parts::new();
                let service = ServiceBuilder::new()
                    .layer(parts.retry.clone())
                    .layer(parts.limit.layer())
                    .layer(parts.bulkhead.layer())
                    .layer(parts.breaker.layer())
                    .layer(TimeoutLayer::new(NAME, LIMIT).expect(VALID))
                    .service(plain());
                (service, parts.verify())
            })
        }),
    ]
}

/// What a client's stack is made of, but for the timeout.
struct Parts {
    retry: RetryLayer,
    limit: RateLimit,
    bulkhead: Bulkhead,
    breaker: Breaker,
}

impl Parts {
    fn new() -> Self {
        let limit = RateLimit::builder(NAME).quota(PLENTY).build();
        Self {
            retry: RetryLayer::builder(NAME).build().expect(VALID),
            limit: limit.expect(VALID),
            bulkhead: Bulkhead::new(NAME, 1_000).expect(VALID),
            breaker: Breaker::new(NAME),
        }
    }

    /// Each of them has seen the calls.
    fn verify(self) -> impl Fn(u64) {
        let spent = spent();
        move |calls| {
            deposited(self.retry.budget().expect("it has one"), calls);
            spent(calls, self.limit.available(clock::now()));
            assert_eq!(self.bulkhead.in_flight(), 0);
            assert!(self.breaker.snapshot().calls > 0);
        }
    }
}

pub fn subjects() -> Vec<Subject> {
    let mut all = breakers();
    all.extend(bulkheads());
    all.extend(rates());
    all.extend(flows());
    all.extend(stacks());
    all.extend(forms::subjects());
    all.extend(presets::subjects());
    all
}
