//! What calls, instances, clones and keys allocate, and how large services and futures are.

use crate::{
    drive::{KEYS, runtime},
    subject::Subject,
};
use allocation_counter::measure;

/// Of one subject.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Allocations and bytes of one call.
    pub calls: f64,
    pub call_bytes: f64,
    /// Bytes that a policy with its layer and service keeps on the heap.
    pub instance: i64,
    /// For each key, where there are many.
    pub key: Option<f64>,
    /// Allocations and bytes of one clone of the service.
    pub clone: u64,
    pub clone_bytes: u64,
    /// `size_of` of the service, and of the future of a call. The inner future is a part of it.
    pub service: usize,
    pub future: usize,
}

pub fn of(subject: &Subject) -> Memory {
    let runtime = runtime();
    let _entered = runtime.enter();
    let mut instance = (subject.make)();
    let mut runner = instance.runner();
    let calls = if subject.quick { 1_000 } else { 10 };
    // What is made with the first calls is not theirs.
    runner(calls);
    let mut tally = None;
    let used = measure(|| tally = Some(runner(calls)));
    let of_each = |all: u64| all as f64 / calls as f64;
    Memory {
        calls: of_each(used.count_total),
        call_bytes: of_each(used.bytes_total),
        instance: instance.built.bytes_current,
        key: subject
            .large
            .then(|| instance.built.bytes_current as f64 / KEYS as f64),
        clone: instance.cloned.count_total,
        clone_bytes: instance.cloned.bytes_total,
        service: instance.service,
        future: tally.expect("set above").future,
    }
}
