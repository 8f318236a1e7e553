//! The numbers that dashboards see.
#![cfg(all(feature = "metrics", feature = "tower", not(resilience_loom)))]

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resilience_bulkhead::Bulkhead;
use resilience_core::{Now, Outcome, Permit, Policy, Timestamp};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

#[derive(Default)]
struct Memory {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

fn text(key: &Key) -> String {
    let labels: Vec<_> = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()))
        .collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Memory {
    /// Counters above zero.
    fn counted(&self) -> Vec<(String, u64)> {
        let counters = self.counters.lock().unwrap();
        let all = counters.iter();
        all.map(|(key, value)| (key.clone(), value.load(Ordering::Relaxed)))
            .filter(|(_, value)| *value > 0)
            .collect()
    }

    fn gauge(&self, key: &str) -> f64 {
        f64::from_bits(self.gauges.lock().unwrap()[key].load(Ordering::Relaxed))
    }
}

impl Recorder for Memory {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut counters = self.counters.lock().unwrap();
        Counter::from_arc(counters.entry(text(key)).or_default().clone())
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let mut gauges = self.gauges.lock().unwrap();
        Gauge::from_arc(gauges.entry(text(key)).or_default().clone())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn calls_refusals_and_the_gauge_are_exact() {
    let memory = Memory::default();
    let bulkhead = Bulkhead::new("db", 8).unwrap();
    bulkhead.bind_recorder(&memory);
    let now = &mut Now::at(Timestamp::from_nanos(1));
    let gauge = || memory.gauge("resilience_bulkhead_in_flight{policy=db}");

    let outcomes = [
        Outcome::Success,
        Outcome::Ignored,
        Outcome::Permanent,
        Outcome::TRANSIENT,
        Outcome::OVERLOAD,
        Outcome::Unsent,
    ];
    let permits: Vec<_> = (0..8).map(|_| bulkhead.admit(&(), now).unwrap()).collect();
    assert!(bulkhead.admit(&(), now).is_err());
    assert!((gauge() - 8.0).abs() < f64::EPSILON);
    let mut permits = permits.into_iter();
    for (outcome, permit) in outcomes.into_iter().zip(&mut permits) {
        permit.finish(outcome, now);
    }
    permits.next().unwrap().revert(now);
    drop(permits.next().unwrap());
    bulkhead.close();
    for _ in 0..2 {
        assert!(bulkhead.admit(&(), now).is_err());
    }

    assert!(gauge().abs() < f64::EPSILON, "the gauge goes down as well");
    let calls = |outcome| {
        let key = format!("resilience_bulkhead_calls_total{{policy=db,outcome={outcome}}}");
        (key, 1)
    };
    let rejected = |reason, count| {
        let key = format!("resilience_bulkhead_rejected_total{{policy=db,reason={reason}}}");
        (key, count)
    };
    let mut expected = vec![
        calls("abandoned"),
        calls("ignored"),
        calls("overload"),
        calls("permanent"),
        calls("success"),
        calls("transient"),
        calls("unsent"),
        rejected("concurrency", 1),
        rejected("shutting_down", 2),
    ];
    expected.sort();
    assert_eq!(memory.counted(), expected, "a reverted call is not counted");
}
