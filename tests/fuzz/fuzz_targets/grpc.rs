//! `grpc-status` and `grpc-retry-pushback-ms`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| resilience_fuzz::grpc_status_and_pushback(data));
