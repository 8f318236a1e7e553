//! A bulkhead for Tower services: a limit on calls in flight, without a queue and without a timer.
