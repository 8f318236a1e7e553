//! Retries for Tower services: within a budget, with backoff and jitter, and only what is safe to repeat.
