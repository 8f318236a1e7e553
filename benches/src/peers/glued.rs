//! What one writes who takes the best piece for each pattern, and puts them together by hand.

use crate::{
    inner::Inner,
    ours::{BURST, INTERVAL, LIMIT},
    subject::{By, Instance, Subject, unseen},
};
use failsafe::{Config, futures::CircuitBreaker};
use governor::{Quota, RateLimiter};
use resilience_core::BoxError;
use std::{num::NonZeroU32, sync::Arc};
use tokio::{sync::Semaphore, time::timeout};
use tower::retry::budget::{Budget, TpsBudget};

pub fn subject() -> Subject {
    Subject::new("client stack", By::Peer("glued by hand"), "", || {
        Instance::direct(
            || {
                let quota = Quota::with_period(INTERVAL).expect("not zero");
                let quota = quota.allow_burst(NonZeroU32::new(BURST).expect("not zero"));
                let parts = (
                    Arc::new(TpsBudget::default()),
                    Arc::new(RateLimiter::direct(quota)),
                    Arc::new(Semaphore::new(1_000)),
                    Config::new().build(),
                );
                (parts, unseen)
            },
            |(budget, limiter, slots, breaker), number, tally| {
                let refused = || BoxError::from("refused");
                let attempt = async {
                    limiter.check().map_err(|_| refused())?;
                    let _slot = slots.try_acquire().map_err(|_| refused())?;
                    let call = async {
                        let inner: std::future::Ready<Result<u64, BoxError>> =
                            Inner::answer(number);
                        timeout(LIMIT, inner).await.map_err(BoxError::from)?
                    };
                    breaker.call(call).await.map_err(|_| refused())
                };
                let result = tally.wait(attempt);
                if result.is_ok() {
                    budget.deposit();
                }
                result
            },
        )
    })
}
