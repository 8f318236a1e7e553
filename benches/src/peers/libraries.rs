//! Libraries that are not middleware: they wrap one future, or answer yes or no.

use super::inner::HttpInner;
use crate::{
    drive::{KEYS, Tally},
    inner::{Inner, plain},
    list::RANDOM_KEYS,
    ours::{BURST, INTERVAL},
    subject::{Bare, By, Instance, Subject, unseen},
};
use axum::body::Body;
use backon::{ExponentialBuilder, Retryable};
use failsafe::{Config, StateMachine, backoff, failure_policy, futures::CircuitBreaker};
use governor::{Quota, RateLimiter};
use recloser::{AsyncRecloser, Recloser};
use resilience_core::BoxError;
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tower::{Layer, Service};
use tower_governor::{
    GovernorError, GovernorLayer,
    governor::GovernorConfigBuilder,
    key_extractor::{GlobalKeyExtractor, KeyExtractor},
};

const DAY: Duration = Duration::from_hours(24);

fn subject(
    pattern: &'static str,
    by: &'static str,
    detail: &'static str,
    make: impl Fn() -> Instance + 'static,
) -> Subject {
    Subject::new(pattern, By::Peer(by), detail, make)
}

fn answer(number: u64) -> impl Future<Output = Result<u64, BoxError>> {
    Inner::answer(number)
}

/// The result of a call that fails.
fn failed() -> impl Future<Output = Result<u64, BoxError>> {
    std::future::ready(Err("failed".into()))
}

/// `failsafe`, in the state that failures bring it to, if it has to `fail`.
fn failsafe_of<P, I>(build: impl Fn() -> StateMachine<P, I>, fail: bool) -> Instance
where
    StateMachine<P, I>: CircuitBreaker + Clone + Send + 'static,
{
    Instance::direct(
        || {
            let machine = build();
            for _ in 0..if fail { 10 } else { 0 } {
                let call = CircuitBreaker::call(&machine, failed());
                assert!(Tally::default().wait(call).is_err());
            }
            let kept = machine.clone();
            let permitted = move |_| assert_ne!(CircuitBreaker::is_call_permitted(&kept), fail);
            (machine, permitted)
        },
        |machine, number, tally| tally.wait(CircuitBreaker::call(machine, answer(number))),
    )
}

fn recloser_of(closed_len: usize, fail: bool) -> Instance {
    Instance::direct(
        || {
            let recloser = Recloser::custom().closed_len(closed_len).open_wait(DAY);
            let recloser = AsyncRecloser::from(recloser.build());
            for _ in 0..if fail { 10 } else { 0 } {
                let call = recloser.call(failed());
                assert!(Tally::default().wait(call).is_err());
            }
            (recloser, unseen)
        },
        |recloser, number, tally| tally.wait(recloser.call(answer(number))),
    )
}

fn burst() -> NonZeroU32 {
    NonZeroU32::new(BURST).expect("not zero")
}

fn plenty() -> Quota {
    let quota = Quota::with_period(INTERVAL).expect("not zero");
    quota.allow_burst(burst())
}

/// The key is the number of the request.
#[derive(Clone, Debug)]
struct One;

impl KeyExtractor for One {
    type Key = u64;

    fn extract<T>(&self, _: &http::Request<T>) -> Result<u64, GovernorError> {
        Ok(0)
    }
}

fn tower_governor<K>(key: K) -> Instance
where
    K: KeyExtractor<Key: Send + Sync + 'static> + Send + Sync + 'static,
{
    Instance::service::<http::Request<u64>, _, _>(|| {
        let mut config = GovernorConfigBuilder::default();
        let mut config = config.key_extractor(key);
        let config = config.period(INTERVAL).burst_size(BURST).finish();
        let config = config.expect("neither is zero");
        let layer = GovernorLayer::<_, _, Body>::new(config);
        (layer.layer(HttpInner), unseen)
    })
}

fn keyed_governor(keys: u64, of: fn(u64) -> u64) -> Instance {
    Instance::direct(
        || {
            let limiter = Arc::new(RateLimiter::dashmap(plenty()));
            for key in 0..keys {
                limiter.check_key(&key).expect("plenty");
            }
            let kept = limiter.clone();
            let verify = move |_| assert_eq!(kept.len() as u64, keys);
            ((plain(), limiter), verify)
        },
        move |(inner, limiter), number, tally| match limiter.check_key(&of(number)) {
            Ok(()) => tally.wait(inner.call(number)),
            Err(_) => Err("refused".into()),
        },
    )
}

pub fn subjects() -> Vec<Subject> {
    vec![
        subject("breaker, closed", "failsafe", "default", || {
            failsafe_of(|| Config::new().build(), false)
        }),
        subject("breaker, closed", "failsafe", "consecutive", || {
            let policy = || failure_policy::consecutive_failures(10, backoff::constant(DAY));
            failsafe_of(|| Config::new().failure_policy(policy()).build(), false)
        }),
        subject("breaker, closed", "recloser", "", || {
            recloser_of(100, false)
        }),
        subject("breaker, refused", "failsafe", "", || {
            let policy = || failure_policy::consecutive_failures(1, backoff::constant(DAY));
            failsafe_of(|| Config::new().failure_policy(policy()).build(), true)
        })
        .refused(),
        subject("breaker, refused", "recloser", "", || recloser_of(1, true)).refused(),
        subject("rate limit", "governor", "called directly", || {
            Instance::direct(
                || ((plain(), Arc::new(RateLimiter::direct(plenty()))), unseen),
                |(inner, limiter), number, tally| match limiter.check() {
                    Ok(()) => tally.wait(inner.call(number)),
                    Err(_) => Err("refused".into()),
                },
            )
        }),
        subject("rate limit", "tower_governor", "", || {
            tower_governor(GlobalKeyExtractor)
        })
        .over(Bare::Http),
        subject("rate limit, one hot key", "tower_governor", "", || {
            tower_governor(One)
        })
        .over(Bare::Http),
        subject("rate limit, one hot key", "governor", "dashmap", || {
            keyed_governor(1, |_| 0)
        }),
        subject(RANDOM_KEYS, "governor", "dashmap", || {
            keyed_governor(KEYS, |number| number)
        })
        .large(),
        subject(
            "retry with budget, first try",
            "backon",
            "without budget",
            || {
                Instance::direct(
                    || ((), unseen),
                    |(), number, tally| {
                        let attempt = || answer(number);
                        tally.wait(attempt.retry(ExponentialBuilder::default()).into_future())
                    },
                )
            },
        ),
    ]
}
