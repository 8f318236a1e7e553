//! The numbers that dashboards see of those who wait.
#![cfg(all(feature = "metrics", feature = "tower", not(resilience_loom)))]

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resilience_bulkhead::{Bulkhead, BulkheadQueue, BulkheadTicket};
use resilience_core::{Now, Policy, Queue, Turn};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Memory {
    fn register(&self, key: &Key) -> Arc<AtomicU64> {
        // All are of one policy.
        let labels = key.labels().skip(1).map(metrics::Label::value);
        let name = [key.name()]
            .into_iter()
            .chain(labels)
            .collect::<Vec<_>>()
            .join(" ");
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn bits(&self, name: &str) -> u64 {
        self.0.lock().unwrap()[&format!("resilience_bulkhead_{name}")].load(Ordering::Relaxed)
    }

    /// Callers in the gauge of those who wait, and of those in flight.
    #[track_caller]
    fn expect_gauges(&self, waiting: f64, in_flight: f64) {
        let gauge = |name| f64::from_bits(self.bits(name));
        assert!((gauge("waiting") - waiting).abs() < f64::EPSILON);
        assert!((gauge("in_flight") - in_flight).abs() < f64::EPSILON);
    }
}

impl Recorder for Memory {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn ask(queue: &BulkheadQueue, ticket: &mut BulkheadTicket) -> Turn<impl Sized + use<>> {
    let cx = &mut Context::from_waker(Waker::noop());
    Queue::<()>::turn(queue, ticket, cx, &mut Now::lazy())
}

#[test]
fn who_waits_is_counted_until_it_goes_whichever_way() {
    let memory = Memory::default();
    let bulkhead = Bulkhead::new("db", 1).unwrap();
    bulkhead.bind_recorder(&memory);
    let queue = bulkhead.wait_up_to(Duration::from_secs(1)).unwrap();
    let queue = queue.max_waiting(4).unwrap();
    let now = &mut Now::lazy();

    let mut first = queue.join(&(), None, now).unwrap();
    memory.expect_gauges(0.0, 0.0);
    let permit = ask(&queue, &mut first);
    memory.expect_gauges(0.0, 1.0);
    let mut waiting: Vec<_> = (0..4)
        .map(|_| queue.join(&(), None, now).unwrap())
        .collect();
    memory.expect_gauges(4.0, 1.0);
    assert!(queue.join(&(), None, now).is_err());
    assert!(bulkhead.admit(&(), now).is_err());
    memory.expect_gauges(4.0, 1.0);

    drop(permit);
    let next = ask(&queue, &mut waiting[0]);
    memory.expect_gauges(3.0, 1.0);
    drop(waiting.remove(0)); // in flight, and no longer in line
    let refusal = Queue::<()>::too_late(&queue, waiting.remove(0));
    assert_eq!(&**refusal.policy(), "db");
    memory.expect_gauges(2.0, 1.0);
    drop(waiting.remove(0));
    memory.expect_gauges(1.0, 1.0);
    assert_eq!(memory.bits("abandoned_total"), 1);

    bulkhead.close();
    assert!(matches!(ask(&queue, &mut waiting[0]), Turn::Refused(_)));
    memory.expect_gauges(0.0, 1.0);
    drop((waiting, next));
    memory.expect_gauges(0.0, 0.0);
    assert_eq!(memory.bits("abandoned_total"), 1);
    assert_eq!(memory.bits("rejected_total concurrency"), 3);
    assert_eq!(memory.bits("rejected_total shutting_down"), 1);
    assert_eq!(
        memory.bits("calls_total abandoned"),
        2,
        "two permits were dropped"
    );
}

#[test]
fn a_slot_that_was_found_and_not_used_is_not_counted() {
    let memory = Memory::default();
    let bulkhead = Bulkhead::new("db", 1).unwrap();
    bulkhead.bind_recorder(&memory);
    let queue = bulkhead.wait_up_to(Duration::from_secs(1)).unwrap();
    drop(queue.join(&(), None, &mut Now::lazy()).unwrap());
    memory.expect_gauges(0.0, 0.0);
    assert_eq!(memory.bits("abandoned_total"), 0);
    assert_eq!(memory.bits("calls_total abandoned"), 0);
    assert_eq!(bulkhead.in_flight(), 0);
}
