//! Timeouts for Tower services: one attempt bounded in time, with a timer only where it is needed.
