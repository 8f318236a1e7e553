//! A fallback for Tower services: a degraded answer instead of a failure.
