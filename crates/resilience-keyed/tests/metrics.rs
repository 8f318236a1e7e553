//! The numbers that dashboards see.
#![cfg(all(feature = "metrics", feature = "tower", not(resilience_loom)))]

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resilience_bulkhead::Bulkhead;
use resilience_core::{Now, Outcome, Permit, Policy, Timestamp};
use resilience_keyed::{Keyed, NoKey, Quota};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

#[derive(Default)]
struct Memory {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

fn text(key: &Key) -> String {
    let labels = key
        .labels()
        .map(|label| format!("{}={}", label.key(), label.value()));
    format!("{}{{{}}}", key.name(), labels.collect::<Vec<_>>().join(","))
}

impl Memory {
    fn counter(&self, name: &str) -> u64 {
        let key = format!("resilience_{name}_total{{policy=clients}}");
        self.counters.lock().unwrap()[&key].load(Ordering::Relaxed)
    }

    fn keys(&self) -> f64 {
        let gauges = self.gauges.lock().unwrap();
        f64::from_bits(gauges["resilience_keyed_keys{policy=clients}"].load(Ordering::Relaxed))
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

fn at(millis: u64) -> Now {
    Now::at(Timestamp::from_nanos(1 << 58) + Duration::from_millis(millis))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "a request is borrowed")]
fn key(req: &u64) -> Option<u64> {
    (*req > 0).then_some(*req)
}

/// Equal, and not just about.
#[expect(clippy::float_cmp, reason = "whole numbers")]
fn assert_keys(memory: &Memory, keys: f64) {
    assert_eq!(memory.keys(), keys);
}

#[test]
fn limits_count_keys_evictions_overflow_and_calls() {
    let memory = Memory::default();
    let limit = Keyed::builder("clients")
        .key(key)
        .quota(Quota::per_second(10).burst(1))
        .max_keys(2)
        .build()
        .unwrap();
    limit.bind_recorder(&memory);

    for client in [1, 2] {
        drop(limit.admit(&client, &mut at(0)).unwrap());
    }
    assert_keys(&memory, 2.0);
    assert!(limit.admit(&1, &mut at(0)).is_err());
    drop(limit.admit(&3, &mut at(0)).unwrap());
    assert!(limit.admit(&4, &mut at(0)).is_err());
    assert_eq!(memory.counter("keyed_overflow"), 2);
    assert_eq!(memory.counter("keyed_evicted"), 0);
    assert!(limit.admit(&0, &mut at(0)).is_err());
    assert_eq!(memory.counter("keyed_without_key"), 1);

    // Both are dropped to make room for one.
    limit.admit(&5, &mut at(100)).unwrap().revert(&mut at(100));
    assert_eq!(memory.counter("keyed_evicted"), 2);
    assert_keys(&memory, 1.0);
    assert_eq!(memory.counter("ratelimit_admitted"), 3);
    assert_eq!(memory.counter("ratelimit_rejected"), 2);

    // Removed by hand is not evicted.
    drop(limit.admit(&6, &mut at(200)).unwrap());
    assert!(limit.remove(&6));
    assert_keys(&memory, 0.0);
    let evicted = memory.counter("keyed_evicted");
    drop(limit.admit(&7, &mut at(300)).unwrap());
    limit.clear();
    assert_keys(&memory, 0.0);
    assert_eq!(memory.counter("keyed_evicted"), evicted);

    drop(limit.admit(&8, &mut at(400)).unwrap());
    assert_eq!(limit.sweep(at(500).get()), 1);
    assert_eq!(memory.counter("keyed_evicted"), evicted + 1);
    assert_keys(&memory, 0.0);
}

#[test]
fn policies_count_keys_evictions_and_overflow() {
    let memory = Memory::default();
    let keyed = Keyed::builder("clients")
        .key(key)
        .each(|_| Bulkhead::new("client", 1).unwrap())
        .no_key(NoKey::Pass)
        .max_keys(1)
        .build()
        .unwrap();
    keyed.bind_recorder(&memory);
    let live = keyed.admit(&1, &mut at(0)).unwrap();
    drop(keyed.admit(&0, &mut at(0)).unwrap());
    drop(keyed.admit(&2, &mut at(0)).unwrap());
    assert_eq!(memory.counter("keyed_overflow"), 1);
    assert_eq!(memory.counter("keyed_without_key"), 1);
    live.finish(Outcome::Success, &mut at(0));
    drop(keyed.admit(&2, &mut at(0)).unwrap());
    assert_eq!(memory.counter("keyed_evicted"), 1);
    assert_keys(&memory, 1.0);
    keyed.remove(&2).unwrap();
    assert_keys(&memory, 0.0);
}

#[test]
fn what_is_dropped_as_a_whole_is_not_counted_any_more() {
    let memory = Memory::default();
    let limit = Keyed::builder("clients")
        .key(key)
        .quota(Quota::per_second(1))
        .build()
        .unwrap();
    limit.bind_recorder(&memory);
    let permits: Vec<_> = (1..=20)
        .map(|client| limit.admit(&client, &mut at(0)).unwrap())
        .collect();
    assert_keys(&memory, 20.0);
    drop(limit);
    assert_keys(&memory, 20.0);
    drop(permits);
    assert_keys(&memory, 0.0);

    let keyed = Keyed::builder("clients")
        .key(key)
        .each(|_| ())
        .build()
        .unwrap();
    keyed.bind_recorder(&memory);
    keyed.admit(&1, &mut at(0)).unwrap();
    assert_keys(&memory, 1.0);
    drop(keyed);
    assert_keys(&memory, 0.0);
}
