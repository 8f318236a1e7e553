//! The numbers that dashboards see.
#![cfg(all(feature = "metrics", feature = "tower", not(resilience_loom)))]

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use resilience_core::{BoxError, Now, Outcome, Permit, Policy};
use resilience_ratelimit::{Quota, RateLimit};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Memory {
    fn word(&self, key: &Key) -> Arc<AtomicU64> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let text = format!("{}{{{}}}", key.name(), labels.join(","));
        self.0.lock().unwrap().entry(text).or_default().clone()
    }

    fn read(&self, what: &str) -> u64 {
        let key = format!("resilience_ratelimit_{what}{{policy=search}}");
        self.0.lock().unwrap()[&key].load(Ordering::Relaxed)
    }

    /// Admitted, rejected, abandoned, and waiting now.
    fn all(&self) -> (u64, u64, u64, f64) {
        (
            self.read("admitted_total"),
            self.read("rejected_total"),
            self.read("abandoned_total"),
            f64::from_bits(self.read("waiting")),
        )
    }
}

impl Recorder for Memory {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.word(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.word(key))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

fn limit(memory: &Memory, quota: Quota) -> RateLimit {
    let limit = RateLimit::builder("search").quota(quota).build().unwrap();
    limit.bind_recorder(memory);
    limit
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_made_and_refusals_are_counted_and_reverts_are_not() {
    let memory = Memory::default();
    let limit = limit(&memory, Quota::per_hour(3));
    let now = &mut Now::lazy();
    let admit = || limit.admit(&(), &mut Now::lazy()).unwrap();
    let (one, two, three) = (admit(), admit(), admit());
    assert!(limit.admit(&(), now).is_err());
    assert_eq!(memory.all(), (0, 1, 0, 0.0), "counted when they end");
    one.finish(Outcome::Success, now);
    drop(two);
    three.revert(now);
    assert_eq!(memory.all(), (2, 1, 0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn everybody_who_waits_ends_in_exactly_one_way() {
    let memory = Memory::default();
    let quota = Quota::per_second(10).burst(1);
    let limit = limit(&memory, quota);
    let queue = limit
        .clone()
        .wait_up_to(Duration::from_millis(250))
        .unwrap();
    let echo = service_fn(|req: u32| async move { Ok::<_, BoxError>(req) });
    let service = queue.layer().layer(echo);
    let mut calls: Vec<_> = (0..4)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();

    assert_ready_ok!(calls[0].poll());
    assert_eq!(memory.all(), (1, 0, 0, 0.0), "the first one does not wait");
    assert_pending!(calls[1].poll());
    assert_pending!(calls[2].poll());
    assert_ready_err!(calls[3].poll());
    assert_eq!(memory.all(), (1, 1, 0, 2.0), "doomed: refused at once");
    advance(Duration::from_millis(100)).await;
    assert_ready_ok!(calls[1].poll());
    assert_eq!(memory.all(), (2, 1, 0, 1.0));
    drop(calls.remove(2));
    assert_eq!(memory.all(), (2, 1, 1, 0.0), "went away");

    // Overtaken by calls past the line, twice: one is told when it becomes the head, one after its whole wait.
    let mut late: Vec<_> = (0..2)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    assert_pending!(late[0].poll());
    assert_pending!(late[1].poll());
    advance(Duration::from_millis(250)).await;
    drop(limit.admit(&(), &mut Now::lazy()).unwrap());
    assert_ready_err!(late[1].poll());
    assert_ready_err!(late[0].poll());
    assert_eq!(memory.all(), (3, 3, 1, 0.0));
}
