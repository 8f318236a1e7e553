//! HTTP and gRPC for the resilience layers.
