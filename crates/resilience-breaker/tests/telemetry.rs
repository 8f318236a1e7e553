//! What the breaker tells metrics.
#![cfg(all(feature = "tower", feature = "metrics", not(resilience_loom)))]

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resilience_breaker::{Breaker, BreakerBuilder};
use resilience_core::{Now, Outcome, Permit, Policy};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::advance;

/// Keeps counters and gauges by name and labels.
#[derive(Debug, Default)]
struct Kept {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

fn name(key: &Key) -> String {
    let labels = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()));
    format!("{}{{{}}}", key.name(), labels.collect::<Vec<_>>().join(","))
}

impl Kept {
    /// The counters that are not zero.
    fn counters(&self) -> Vec<(String, u64)> {
        let counters = self.counters.lock().unwrap();
        let all = counters
            .iter()
            .map(|(name, count)| (name.clone(), count.load(Ordering::Relaxed)));
        all.filter(|counter| counter.1 > 0).collect()
    }

    /// Which states the gauges show; every one that is not 1 must be 0.
    fn states(&self) -> Vec<String> {
        let gauges = self.gauges.lock().unwrap();
        assert_eq!(gauges.len(), 5);
        let value = |gauge: &AtomicU64| f64::from_bits(gauge.load(Ordering::Relaxed));
        assert!(
            gauges
                .values()
                .all(|gauge| [0.0, 1.0].contains(&value(gauge)))
        );
        gauges
            .iter()
            .filter(|gauge| value(gauge.1) > 0.0)
            .map(|gauge| gauge.0.clone())
            .collect()
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let counter = self
            .counters
            .lock()
            .unwrap()
            .entry(name(key))
            .or_default()
            .clone();
        Counter::from_arc(counter)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(
            self.gauges
                .lock()
                .unwrap()
                .entry(name(key))
                .or_default()
                .clone(),
        )
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn touchy() -> BreakerBuilder {
    Breaker::builder("shop")
        .consecutive_failures(1)
        .minimum_spread(Duration::ZERO)
        .open_for(Duration::from_millis(250))
        .successes_to_close(1)
}

fn admit(breaker: &Breaker) -> Option<impl Permit + use<>> {
    Policy::<()>::admit(breaker, &(), &mut Now::lazy()).ok()
}

fn call(breaker: &Breaker, outcome: Outcome) {
    admit(breaker)
        .expect("admitted")
        .finish(outcome, &mut Now::lazy());
}

fn states(states: &[&str]) -> Vec<String> {
    let gauge = |state| format!("resilience_breaker_state{{policy=shop,state={state}}}");
    states.iter().map(gauge).collect()
}

#[tokio::test(start_paused = true)]
async fn the_gauge_shows_one_state_and_clears_the_others() {
    let recorder = Kept::default();
    let breaker = touchy().build().unwrap();
    breaker.bind_recorder(&recorder);
    assert_eq!(recorder.states(), states(&["closed"]));
    call(&breaker, Outcome::TRANSIENT);
    assert_eq!(recorder.states(), states(&["open"]));
    advance(Duration::from_millis(250)).await;
    let probe = admit(&breaker).unwrap();
    assert_eq!(recorder.states(), states(&["half_open"]));
    probe.finish(Outcome::Success, &mut Now::lazy());
    assert_eq!(recorder.states(), states(&["closed"]));
    breaker.force_open();
    assert_eq!(recorder.states(), states(&["forced_open"]));
    breaker.force_closed();
    assert_eq!(recorder.states(), states(&["forced_closed"]));
    breaker.reset();
    assert_eq!(recorder.states(), states(&["closed"]));
}

/// With the global recorder (here, the one of this thread) nothing is looked up before the first call.
#[tokio::test(start_paused = true)]
async fn a_breaker_that_never_opened_is_shown_as_closed() {
    let recorder = Kept::default();
    let breaker = touchy().build().unwrap();
    metrics::with_local_recorder(&recorder, || call(&breaker, Outcome::Success));
    assert_eq!(recorder.states(), states(&["closed"]));
}

#[tokio::test(start_paused = true)]
async fn every_admitted_call_is_counted_once_and_reverted_ones_not_at_all() {
    let recorder = Kept::default();
    let slow = Duration::from_millis(10);
    let breaker = touchy()
        .consecutive_failures(3)
        .slow_call_duration(slow)
        .slow_call_rate(1.0)
        .build()
        .unwrap();
    breaker.bind_recorder(&recorder);

    call(&breaker, Outcome::Success);
    let permit = admit(&breaker).unwrap();
    advance(slow).await;
    permit.finish(Outcome::Success, &mut Now::lazy());
    call(&breaker, Outcome::Ignored);
    let mut stream = admit(&breaker).unwrap();
    stream.head(None, &mut Now::lazy());
    drop(stream);
    admit(&breaker).unwrap().revert(&mut Now::lazy());
    let mut permit = admit(&breaker).unwrap();
    permit.head(Some(Outcome::Permanent), &mut Now::lazy());
    permit.finish(Outcome::Permanent, &mut Now::lazy());
    call(&breaker, Outcome::TRANSIENT);
    let late = admit(&breaker).unwrap();
    drop(admit(&breaker).unwrap());
    assert!(admit(&breaker).is_none());
    // Of an earlier epoch: it moves nothing, and still was a call.
    late.finish(Outcome::Success, &mut Now::lazy());

    let calls =
        |outcome| format!("resilience_breaker_calls_total{{policy=shop,outcome={outcome}}}");
    let expected = vec![
        (calls("abandoned"), 1),
        (calls("failure"), 2),
        (calls("ignored"), 2),
        (calls("refused"), 1),
        (calls("slow"), 1),
        (calls("success"), 2),
        (
            "resilience_breaker_transitions_total{policy=shop,to=open}".to_owned(),
            1,
        ),
    ];
    assert_eq!(recorder.counters(), expected);
}

/// A recorder through whose first write to a gauge the breaker is reset, as another thread might do then.
#[derive(Debug, Default)]
struct Meddler {
    kept: Kept,
    breaker: Arc<Mutex<Option<Breaker>>>,
}

struct Meddled {
    value: Gauge,
    breaker: Arc<Mutex<Option<Breaker>>>,
}

impl metrics::GaugeFn for Meddled {
    fn increment(&self, value: f64) {
        self.value.increment(value);
    }

    fn decrement(&self, value: f64) {
        self.value.decrement(value);
    }

    fn set(&self, value: f64) {
        let breaker = self.breaker.lock().unwrap().take();
        if let Some(breaker) = breaker {
            breaker.reset();
        }
        self.value.set(value);
    }
}

impl Recorder for Meddler {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.kept.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Meddled {
            value: self.kept.register_gauge(key, metadata),
            breaker: self.breaker.clone(),
        }))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn the_gauge_ends_with_what_is_true_however_its_writes_interleave() {
    let recorder = Meddler::default();
    let breaker = touchy().build().unwrap();
    breaker.bind_recorder(&recorder);
    *recorder.breaker.lock().unwrap() = Some(breaker.clone());
    breaker.force_open();
    assert!(recorder.breaker.lock().unwrap().is_none(), "meddled");
    assert_eq!(recorder.kept.states(), states(&["closed"]));
}
