//! What the recorder sees.

#![cfg(all(feature = "metrics", not(resilience_loom)))]

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resilience_core::BoxError;
use resilience_timeout::{Kind, TimeoutLayer};
use std::{
    collections::BTreeMap,
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit, service_fn};

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

#[tokio::test(start_paused = true)]
async fn expired_timeouts_are_counted_by_kind() {
    let layer = TimeoutLayer::new("inventory", Duration::from_millis(10)).unwrap();
    let seen = Seen::default();
    layer.bind_recorder(&seen);
    let service = layer.layer(service_fn(|hang: bool| async move {
        if hang {
            pending().await
        } else {
            ready(Ok::<_, BoxError>(())).await
        }
    }));
    service.clone().oneshot(false).await.unwrap();
    service.clone().oneshot(true).await.unwrap_err();
    service.oneshot(true).await.unwrap_err();
    let unready = service_fn(|(): ()| ready(Ok::<_, BoxError>(())));
    let unready = layer
        .clone()
        .cover_readiness()
        .layer(ConcurrencyLimit::new(unready, 0));
    unready.oneshot(()).await.unwrap_err();
    // Those of a body are counted by whoever bounds it.
    layer.telemetry().expired(&layer.limit().passed(Kind::Idle));
    layer
        .telemetry()
        .expired(&layer.limit().passed(Kind::Total));
    let expired = |kind: &str, count| {
        let name = format!("resilience_timeout_expired_total{{policy=inventory,kind={kind}}}");
        (name, count)
    };
    assert_eq!(
        seen.values(),
        [
            expired("head", 2),
            expired("idle", 1),
            expired("ready", 1),
            expired("total", 1),
        ]
    );
}
