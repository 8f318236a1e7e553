//! `Retry-After` and `Date`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| resilience_fuzz::retry_after_and_date(data));
