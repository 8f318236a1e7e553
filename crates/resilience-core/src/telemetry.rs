//! Metrics through the [`metrics`](https://docs.rs/metrics) facade, or nothing at all.
//!
//! The pattern crates hold [`Counter`]s and [`Gauge`]s whether or not the feature `metrics` is on; without it,
//! they are empty. With it, an instrument looks its handle up once, when it is first used: in the global
//! recorder at that time, so install the recorder before the first call. Or
//! [bind](Counter::bind) it to a recorder that you pass in.
//!
//! Names are `resilience_<pattern>_<what>`; the label `policy` carries the user's name.

use crate::Name;

#[cfg(feature = "metrics")]
mod imp {
    use crate::Name;
    use metrics::{Key, Label, Level, Metadata, Recorder};
    use std::sync::OnceLock;

    static METADATA: Metadata<'static> =
        Metadata::new("resilience", Level::INFO, Some("resilience"));

    #[derive(Debug)]
    pub(super) struct Slot<H> {
        key: Key,
        handle: OnceLock<H>,
        register: fn(&dyn Recorder, &Key, &Metadata<'_>) -> H,
    }

    impl<H> Slot<H> {
        pub(super) fn new(
            name: &'static str,
            policy: &Name,
            labels: &[(&'static str, &'static str)],
            register: fn(&dyn Recorder, &Key, &Metadata<'_>) -> H,
        ) -> Self {
            let policy = Label::new("policy", policy.to_string());
            let labels = labels.iter().map(|&(key, value)| Label::new(key, value));
            Self {
                key: Key::from_parts(
                    name,
                    std::iter::once(policy).chain(labels).collect::<Vec<_>>(),
                ),
                handle: OnceLock::new(),
                register,
            }
        }

        pub(super) fn get(&self) -> &H {
            self.handle.get_or_init(|| {
                metrics::with_recorder(|recorder| (self.register)(recorder, &self.key, &METADATA))
            })
        }

        pub(super) fn bind(&self, recorder: &dyn Recorder) {
            self.handle
                .get_or_init(|| (self.register)(recorder, &self.key, &METADATA));
        }
    }
}

/// A counter with a policy's name on it. Its name ends in `_total`.
#[derive(Debug)]
pub struct Counter {
    #[cfg(feature = "metrics")]
    slot: imp::Slot<metrics::Counter>,
}

impl Counter {
    /// A counter of that name, for the policy of that name, with further labels.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables))]
    pub fn new(name: &'static str, policy: &Name, labels: &[(&'static str, &'static str)]) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            slot: imp::Slot::new(name, policy, labels, |recorder, key, metadata| {
                recorder.register_counter(key, metadata)
            }),
        }
    }

    /// Adds one.
    pub fn increment(&self) {
        #[cfg(feature = "metrics")]
        self.slot.get().increment(1);
    }

    /// Uses this recorder instead of the global one. Without effect after the first use.
    #[cfg(feature = "metrics")]
    pub fn bind(&self, recorder: &dyn metrics::Recorder) {
        self.slot.bind(recorder);
    }
}

/// A gauge with a policy's name on it.
#[derive(Debug)]
pub struct Gauge {
    #[cfg(feature = "metrics")]
    slot: imp::Slot<metrics::Gauge>,
}

impl Gauge {
    /// A gauge of that name, for the policy of that name, with further labels.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables))]
    pub fn new(name: &'static str, policy: &Name, labels: &[(&'static str, &'static str)]) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            slot: imp::Slot::new(name, policy, labels, |recorder, key, metadata| {
                recorder.register_gauge(key, metadata)
            }),
        }
    }

    /// Sets the value.
    #[cfg_attr(not(feature = "metrics"), expect(unused_variables))]
    pub fn set(&self, value: f64) {
        #[cfg(feature = "metrics")]
        self.slot.get().set(value);
    }

    /// Adds one.
    pub fn increment(&self) {
        #[cfg(feature = "metrics")]
        self.slot.get().increment(1.0);
    }

    /// Takes one away.
    pub fn decrement(&self) {
        #[cfg(feature = "metrics")]
        self.slot.get().decrement(1.0);
    }

    /// Uses this recorder instead of the global one. Without effect after the first use.
    #[cfg(feature = "metrics")]
    pub fn bind(&self, recorder: &dyn metrics::Recorder) {
        self.slot.bind(recorder);
    }
}
