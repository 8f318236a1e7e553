//! What the recorder sees.

#![cfg(all(feature = "metrics", not(resilience_loom)))]

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resilience_core::{BoxError, Deadline};
use resilience_timeout::{Carry, DeadlineLayer, Kind, MalformedDeadline, TimeoutLayer};
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

/// States nothing, zero, or nonsense.
#[derive(Clone, Copy)]
struct By(Option<&'static str>);

impl Carry<bool> for By {
    fn stated(&self, _: &bool) -> Result<Option<Duration>, MalformedDeadline> {
        match self.0 {
            None => Ok(None),
            Some("0") => Ok(Some(Duration::ZERO)),
            Some(value) => Err(MalformedDeadline::new("ms", value, "a number")),
        }
    }

    fn carried(&self, _: &bool) -> Option<Deadline> {
        None
    }

    fn carry(&self, _: &mut bool, _: Deadline) {}
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_counted_by_what_became_of_the_call() {
    let max = Duration::from_millis(10);
    let layer = DeadlineLayer::builder("api").max(max).build().unwrap();
    let seen = Seen::default();
    layer.bind_recorder(&seen);
    let call = |stated, hang| {
        let layer = layer.clone().carry(By(stated));
        let inner = service_fn(|hang: bool| async move {
            if hang {
                pending().await
            } else {
                ready(Ok::<_, BoxError>(())).await
            }
        });
        layer.layer(inner).oneshot(hang)
    };
    call(None, false).await.unwrap();
    for _ in 0..2 {
        call(None, true).await.unwrap_err();
    }
    for _ in 0..3 {
        call(Some("0"), false).await.unwrap_err();
    }
    for _ in 0..4 {
        call(Some("soon"), false).await.unwrap_err();
    }
    let counted = |name: &str, count| (format!("resilience_deadline_{name}"), count);
    assert_eq!(
        seen.values(),
        [
            counted("exceeded_total{policy=api,kind=body}", 0),
            counted("exceeded_total{policy=api,kind=head}", 2),
            counted("malformed_total{policy=api}", 4),
            counted("refused_total{policy=api}", 3),
        ]
    );
}
