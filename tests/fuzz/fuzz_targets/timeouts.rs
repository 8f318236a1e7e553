//! `grpc-timeout` and `x-request-timeout-ms`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| resilience_fuzz::timeouts(data));
