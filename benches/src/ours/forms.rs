//! Other forms of the layers, for which there are neither aims nor others: so that the gate watches them too.

use super::{LIMIT, NAME, PLENTY, VALID, subject};
use crate::{
    inner::{Later, plain},
    subject::{Bare, Instance, Subject, unseen},
};
use resilience_breaker::Breaker;
use resilience_bulkhead::Bulkhead;
use resilience_core::Priority;
use resilience_keyed::Keyed;
use resilience_ratelimit::{Quota, RateLimit, SlidingRateLimit};
use resilience_retry::RetryLayer;
use resilience_timeout::DeadlineLayer;
use tower::Layer;

pub fn subjects() -> Vec<Subject> {
    let mut all = limits();
    all.extend(flows());
    all
}

fn limits() -> Vec<Subject> {
    vec![
        subject("bulkhead that lets wait", "", || {
            Instance::service(|| {
                let bulkhead = Bulkhead::new(NAME, 1_000).expect(VALID);
                let queue = bulkhead.wait_up_to(LIMIT).expect(VALID);
                let verify = move |_| assert_eq!(bulkhead.in_flight(), 0);
                (queue.layer().layer(plain()), verify)
            })
        }),
        subject("bulkhead by priority", "", || {
            Instance::service(|| {
                let bulkhead = Bulkhead::new(NAME, 1_000).expect(VALID);
                let shared = bulkhead.by_priority(|_: &u64| Priority::Normal);
                let verify = move |_| assert_eq!(bulkhead.in_flight(), 0);
                (shared.layer().layer(plain()), verify)
            })
        }),
        subject("bulkhead per key, one hot key", "", || {
            Instance::service(|| {
                let keyed = Keyed::builder(NAME)
                    .key((|_| Some(0)) as super::OfKey)
                    .each(|_| Bulkhead::new(NAME, 1_000).expect(VALID));
                let keyed = keyed.build().expect(VALID);
                (keyed.layer().layer(plain()), unseen)
            })
        }),
        subject("breaker per key, one hot key", "", || {
            Instance::service(|| {
                let keyed = Keyed::builder(NAME)
                    .key((|_| Some(0)) as super::OfKey)
                    .each(|_| Breaker::new(NAME));
                let keyed = keyed.build().expect(VALID);
                (keyed.layer().layer(plain()), unseen)
            })
        }),
        subject("rate limit that lets wait", "", || {
            Instance::service(|| {
                let limit = RateLimit::builder(NAME).quota(PLENTY).build();
                let queue = limit.expect(VALID).wait_up_to(LIMIT).expect(VALID);
                (queue.layer().layer(plain()), unseen)
            })
        }),
        subject("sliding window", "", || {
            Instance::service(|| {
                let quota = Quota::per_hour(u32::MAX);
                let limit = SlidingRateLimit::builder(NAME).quota(quota).build();
                (limit.expect(VALID).layer().layer(plain()), unseen)
            })
        }),
    ]
}

fn flows() -> Vec<Subject> {
    let deadline = || {
        DeadlineLayer::builder(NAME)
            .max(LIMIT)
            .build()
            .expect(VALID)
    };
    vec![
        subject("retry without budget, first try", "", || {
            Instance::service(|| {
                let layer = RetryLayer::builder(NAME).no_budget().build().expect(VALID);
                (layer.layer(plain()), unseen)
            })
        }),
        subject("deadline, ready at once", "", move || {
            Instance::service(|| (deadline().layer(plain()), unseen))
        }),
        subject("deadline, one pending poll", "", move || {
            Instance::service(|| (deadline().layer(Later), unseen))
        })
        .over(Bare::Later),
    ]
}
