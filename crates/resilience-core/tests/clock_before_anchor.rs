//! A runtime that was paused before anybody had looked at the clock lives in the past of the clock's anchor.
//! Alone in its binary, since the anchor is taken once per process.
#![cfg(not(resilience_loom))]
#![expect(clippy::disallowed_methods, reason = "to see the clock move")]

use resilience_core::clock;
use std::time::Duration;
use tokio::{runtime, time};

const HOUR: Duration = Duration::from_secs(3_600);

fn paused() -> runtime::Runtime {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

#[test]
fn the_time_of_paused_runtimes_before_and_after_the_anchor_is_their_own() {
    let before = paused();
    let frozen = before.block_on(async { time::Instant::now() });
    while time::Instant::now() <= frozen {}
    let outside = clock::now();

    before.block_on(async {
        let start = clock::now();
        assert!(start < outside, "it is in the anchor's past");
        assert_eq!(clock::instant(start), frozen);
        time::advance(Duration::from_nanos(1)).await;
        assert_eq!(clock::now() - start, Duration::from_nanos(1));
        time::advance(HOUR).await;
        assert_eq!(clock::now() - start, HOUR + Duration::from_nanos(1));
    });

    let after = paused();
    after.block_on(async {
        let start = clock::now();
        assert!(start >= outside);
        assert!(start < outside + HOUR, "another runtime's hour");
        time::advance(HOUR).await;
        assert_eq!(clock::now() - start, HOUR);
        assert_eq!(clock::instant(clock::now()), time::Instant::now());
    });
}
