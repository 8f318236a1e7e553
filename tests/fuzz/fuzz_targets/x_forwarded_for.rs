//! `X-Forwarded-For`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| resilience_fuzz::x_forwarded_for(data));
