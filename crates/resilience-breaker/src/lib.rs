//! A circuit breaker for Tower services: fails fast while a dependency is down.
