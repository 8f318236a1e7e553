//! What the recorder sees.
#![cfg(all(feature = "tower", feature = "metrics", not(resilience_loom)))]

mod support;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resilience_core::{Outcome, Reason, Rejected};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};
use support::{Answer, BAD, GOOD, Readiness, Script, budget_of, build, builder, millis};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

#[derive(Default)]
struct Seen(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Seen {
    /// The counters that are not zero, without the prefix that all of them have.
    fn counted(&self) -> Vec<(String, u64)> {
        let seen = self.0.lock().unwrap();
        let counted = seen.iter().filter(|(_, value)| value.load(SeqCst) > 0);
        counted
            .map(|(key, value)| {
                let key = key.strip_prefix("resilience_retry_").expect("the prefix");
                (key.to_owned(), value.load(SeqCst))
            })
            .collect()
    }
}

impl Recorder for Seen {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()));
        let name = format!("{}{{{}}}", key.name(), labels.collect::<Vec<_>>().join(","));
        let value = self.0.lock().unwrap().entry(name).or_default().clone();
        Counter::from_arc(value)
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        unreachable!("there are no gauges")
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        unreachable!("there are no histograms")
    }
}

#[tokio::test(start_paused = true)]
async fn retries_and_their_ends_are_counted() {
    let open = Answer::Fail(Rejected::new(Reason::Open, "breaker").outcome());
    let retried = ("attempts_total{policy=test}", 1);
    let table = [
        (vec![GOOD], vec![]),
        (
            vec![BAD, GOOD],
            vec![retried, ("recovered_total{policy=test}", 1)],
        ),
        (
            vec![BAD, BAD, BAD],
            vec![
                ("attempts_total{policy=test}", 2),
                ("stopped_total{policy=test,reason=attempts}", 1),
            ],
        ),
        (
            vec![BAD, Answer::Fail(Outcome::Permanent)],
            vec![retried, ("stopped_total{policy=test,reason=permanent}", 1)],
        ),
        (vec![BAD, Answer::Reply(Outcome::Ignored)], vec![retried]),
        (
            vec![open],
            vec![("stopped_total{policy=test,reason=refused}", 1)],
        ),
    ];
    for (answers, expected) in table {
        let layer = build(builder());
        let seen = Seen::default();
        layer.bind_recorder(&seen);
        let _ = layer.layer(Script::new(answers.clone())).oneshot(1).await;
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(key, n)| (key.to_owned(), n))
            .collect();
        assert_eq!(seen.counted(), expected);

        #[cfg(feature = "tower-retry")]
        {
            let layer = build(builder());
            let seen = Seen::default();
            layer.bind_recorder(&seen);
            let policy = resilience_retry::TowerPolicy::from(layer);
            let service = tower::retry::Retry::new(policy, Script::new(answers));
            let _ = service.oneshot(1).await;
            assert_eq!(seen.counted(), expected, "by Tower's retries");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_prevents_a_retry_is_counted() {
    let table = [
        (builder().budget(budget_of(0)), Readiness::Ready, "budget"),
        (builder().deadline(millis(50)), Readiness::Ready, "deadline"),
        (
            builder().deadline(millis(500)),
            Readiness::Pending,
            "deadline",
        ),
        (builder(), Readiness::Broken, "not_ready"),
    ];
    for (builder, readiness, reason) in table {
        let layer = build(builder);
        let seen = Seen::default();
        layer.bind_recorder(&seen);
        let script = Script::new([BAD]);
        let mut service = layer.layer(script.clone());
        let future = service.ready().await.unwrap().call(1);
        script.set(readiness);
        future.await.unwrap_err();
        let expected = format!("stopped_total{{policy=test,reason={reason}}}");
        assert_eq!(seen.counted(), [(expected, 1)]);
    }
}

/// Only a wait can be abandoned: an attempt that is dropped is the business of the layers inside.
#[tokio::test(start_paused = true)]
async fn abandoned_waits_are_counted() {
    let layer = build(builder());
    let seen = Seen::default();
    layer.bind_recorder(&seen);
    let mut service = layer.layer(Script::new([BAD, BAD]));
    service.ready().await.unwrap();
    let mut future = task::spawn(service.call(1));
    assert_pending!(future.poll());
    drop(future);
    assert_eq!(seen.counted(), []);
    service.ready().await.unwrap();
    let mut future = task::spawn(service.call(1));
    assert_pending!(future.poll());
    assert_pending!(future.poll());
    drop(future);
    let expected = "stopped_total{policy=test,reason=abandoned}".to_owned();
    assert_eq!(seen.counted(), [(expected, 1)]);
}

#[cfg(feature = "tower-retry")]
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_during_towers_wait_is_counted() {
    let layer = build(builder());
    let seen = Seen::default();
    layer.bind_recorder(&seen);
    let policy = resilience_retry::TowerPolicy::from(layer);
    let mut call = task::spawn(tower::retry::Retry::new(policy, Script::new([BAD])).oneshot(1));
    assert_pending!(call.poll());
    assert_pending!(call.poll());
    assert_eq!(seen.counted(), []);
    drop(call);
    let abandoned = "stopped_total{policy=test,reason=abandoned}".to_owned();
    assert_eq!(seen.counted(), [(abandoned, 1)]);
}
