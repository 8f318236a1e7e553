//! A header as a key.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| resilience_fuzz::by_header(data));
