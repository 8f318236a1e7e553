//! What the recorder sees.

#![cfg(all(feature = "metrics", not(resilience_loom)))]

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resilience_core::{BoxError, Outcome, Reason, Replay, by_result};
use resilience_fallback::{Failure, FallbackLayer};
use std::{
    collections::BTreeMap,
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Default)]
struct Seen(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Seen {
    fn values(&self) -> Vec<(String, u64)> {
        let seen = self.0.lock().unwrap();
        let value = |(key, value): (&String, &Arc<AtomicU64>)| (key.clone(), value.load(SeqCst));
        seen.iter().map(value).collect()
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

#[tokio::test]
async fn degraded_answers_are_counted_by_outcome() {
    let classify = by_result(|result: Result<&u64, &BoxError>| match result {
        Ok(1) => Outcome::Permanent,
        Ok(2) => Outcome::TRANSIENT,
        Ok(3) => Outcome::Overload {
            retry_after: Some(std::time::Duration::from_secs(1)),
        },
        Ok(4) => Outcome::Unsent,
        Ok(5) => Outcome::Refused {
            reason: Reason::Rate,
            retry_after: None,
        },
        Ok(6) => Outcome::Ignored,
        _ => Outcome::Success,
    });
    let layer = FallbackLayer::async_function("list", |failure: Failure<u64, BoxError>| {
        ready(match failure.response() {
            Some(2) => Err("this one fails too"),
            _ => Ok(0),
        })
    })
    .classify(classify);
    let seen = Seen::default();
    layer.bind_recorder(&seen);
    let service = layer.layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req))));
    for req in 0..=6 {
        // All requests once, the first permanent failure once more.
        let _ = service.clone().oneshot(req).await;
    }
    let _ = service.oneshot(1).await;
    let key = |what, outcome| {
        format!("resilience_fallback_{what}_total{{policy=list,outcome={outcome}}}")
    };
    let expected = [
        (key("degraded", "overload"), 1),
        (key("degraded", "permanent"), 2),
        (key("degraded", "refused"), 1),
        (key("degraded", "transient"), 0),
        (key("degraded", "unsent"), 1),
        (key("failed", "overload"), 0),
        (key("failed", "permanent"), 0),
        (key("failed", "refused"), 0),
        (key("failed", "transient"), 1),
        (key("failed", "unsent"), 0),
        (key("skipped", "overload"), 0),
        (key("skipped", "permanent"), 0),
        (key("skipped", "refused"), 0),
        (key("skipped", "transient"), 0),
        (key("skipped", "unsent"), 0),
    ];
    assert_eq!(seen.values(), expected);
}

/// Keeps everything but ones.
#[derive(Clone)]
struct NoOnes;

impl Replay<u64> for NoOnes {
    type Inner = u64;
    type Kept = u64;
    fn first(&self, req: u64, _: bool) -> (u64, Option<u64>) {
        (req, (req != 1).then_some(req))
    }
    fn allows(&self, _: &u64, _: Outcome) -> bool {
        true
    }
    fn again(&self, kept: u64, _: u32, _: bool) -> Option<(u64, Option<u64>)> {
        Some((kept, None))
    }
}

#[tokio::test]
async fn calls_whose_request_is_gone_are_counted_as_skipped() {
    let other = service_fn(|req: u64| ready(req.checked_sub(3).ok_or("too small")));
    let layer = FallbackLayer::service("list", other)
        .classify(by_result(|_: Result<&u64, &BoxError>| Outcome::Unsent))
        .replay(NoOnes);
    let seen = Seen::default();
    layer.bind_recorder(&seen);
    let service = layer.layer(service_fn(|req: u64| ready(Ok::<_, BoxError>(req))));
    assert_eq!(service.clone().oneshot(1).await.unwrap(), 1);
    assert!(service.clone().oneshot(2).await.is_err());
    assert_eq!(service.oneshot(3).await.unwrap(), 0);
    let counted = seen.values().into_iter().filter(|(_, count)| *count > 0);
    let key = |what| format!("resilience_fallback_{what}_total{{policy=list,outcome=unsent}}");
    assert_eq!(
        counted.collect::<Vec<_>>(),
        ["degraded", "failed", "skipped"].map(|what| (key(what), 1))
    );
}
