//! The simulated system: time, arrivals, servers, faults, and what is measured.
