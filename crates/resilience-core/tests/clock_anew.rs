//! Timestamps that begin anew.
#![cfg(all(feature = "test-util", not(resilience_loom)))]

use resilience_core::{Timestamp, clock};
use std::{thread, time::Duration};
use tokio::{runtime::Builder, time::advance};

const SECOND: Duration = Duration::from_secs(1);

/// The first timestamp of a simulation, and the one a second later.
fn simulated() -> (Timestamp, Timestamp) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let _anew = clock::begin_anew();
        let first = clock::now();
        advance(SECOND).await;
        assert_eq!(clock::instant(first) + SECOND, clock::instant(clock::now()));
        (first, clock::now())
    })
}

#[test]
fn every_simulation_begins_at_the_same_timestamp() {
    let before = clock::now();
    let (first, second) = simulated();
    assert_eq!(second - first, SECOND);
    assert_eq!((first, second), simulated());
    assert_eq!(
        (first, second),
        thread::spawn(simulated).join().unwrap(),
        "on another thread"
    );
    assert!(clock::now() >= before, "the thread's own count goes on");
}
