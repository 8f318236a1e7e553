//! What keys cost in memory, and that many of them cost no more: prints both figures, and fails if they are too high.
//!
//! `cargo run --release -p resilience-keyed --example memory`

use allocation_counter::measure;
use resilience_core::{Now, Policy, Timestamp};
use resilience_keyed::{Keyed, KeyedRateLimit, Quota};
use resilience_ratelimit::RateLimit;
use std::time::Duration;

const CAP: usize = 100_000;
const CALLS: u64 = 10_000_000;
/// The target, in bytes per key, the table's empty places included.
const PER_KEY: u64 = 64;
/// What the process may grow by while the second half of the keys come and go, and besides the tables at all: what an
/// allocator holds in reserve.
const RESERVE: u64 = 1 << 20;
/// One call of a key each 10 ms, and no more.
const QUOTA: Quota = Quota::per_second(100).burst(1);

type Key = fn(&u64) -> Option<u64>;

const KEY: Key = |client| Some(*client);

fn limit(cap: usize) -> KeyedRateLimit<u64, Key> {
    let limit = Keyed::builder("clients").key(KEY).quota(QUOTA);
    let limit = limit.max_keys(cap).build();
    limit.expect("it is within its ranges")
}

fn at(nanos: u64) -> Now {
    Now::at(Timestamp::from_nanos(1 << 58) + Duration::from_nanos(nanos))
}

/// With one decimal.
fn per_key(bytes: u64, keys: usize) -> String {
    let tenths = bytes * 10 / keys as u64;
    format!("{}.{} bytes per key", tenths / 10, tenths % 10)
}

/// One call for each of `CAP` keys: the bytes that are allocated after all of them, and the most in between.
fn fill<P: Policy<u64>>(make: impl FnOnce() -> P) -> (u64, u64) {
    let mut kept = None;
    let memory = measure(|| {
        let policy = kept.insert(make());
        for client in 0..CAP as u64 {
            drop(policy.admit(&client, &mut at(0)));
        }
    });
    (memory.bytes_current.unsigned_abs(), memory.bytes_max)
}

/// What the system says that the process occupies. Only Linux tells it in this way.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Random keys, so many nanoseconds apart.
fn flood(cap: usize, apart: u64) {
    let mut random = fastrand::Rng::with_seed(apart);
    let (mut keys, mut admitted) = (0, 0_u64);
    let before = resident();
    let (mut half, mut after) = (None, None);
    let memory = measure(|| {
        let limit = limit(cap);
        for call in 0..CALLS {
            let permit = limit.admit(&random.u64(..), &mut at(call * apart));
            admitted += u64::from(permit.is_ok());
            assert!(limit.len() <= cap, "more keys than the cap");
            if call == CALLS / 2 {
                half = resident();
            }
        }
        (keys, after) = (limit.len(), resident());
    });
    println!("{CALLS} random keys, one each {apart} ns, through a cap of {cap}:");
    println!("    {admitted} admitted, {keys} keys in the end");
    let most = memory.bytes_max;
    println!("    at most {} of the cap", per_key(most, cap));
    assert!(most <= PER_KEY * cap as u64, "more than {PER_KEY}");
    if let (Some(before), Some(half), Some(after)) = (before, half, after) {
        let [from, by, to] = [before, half, after].map(|bytes| bytes / 1024);
        println!(
            "    resident: {from} KiB before, {by} KiB after half of them, {to} KiB after all"
        );
        assert!(after <= half + RESERVE, "it grows");
        assert!(
            after <= before + most + RESERVE,
            "there is more than the tables"
        );
    }
}

fn main() {
    let (left, most) = fill(|| limit(CAP));
    let [after, growing] = [left, most].map(|bytes| per_key(bytes, CAP));
    println!("{CAP} keys of a KeyedRateLimit: {after}, {growing} while they came");
    assert!(most <= PER_KEY * CAP as u64, "more than {PER_KEY}");

    // 10,000 keys are in force at a time, and others are dropped before there are many.
    flood(CAP, 1_000);
    // A million would be in force at a time, and the cap is reached.
    flood(CAP, 10);
    // Just too many for tables of one size, so that those of the next are as empty as they can be.
    flood(45_000, 10);

    let (left, _) = fill(|| {
        let limit = |_: Option<&u64>| RateLimit::builder("client").quota(QUOTA).build();
        let limit = move |client: Option<&u64>| limit(client).expect("it is within its ranges");
        let keyed = Keyed::builder("clients").key(KEY).each(limit).build();
        keyed.expect("it is within its ranges")
    });
    let left = per_key(left, CAP);
    println!("{CAP} keys of a Keyed with a RateLimit each, for comparison: {left}");
}
