use crate::{Kind, TimedOut};
use resilience_core::{
    Name,
    config::{self, ConfigError},
};
use std::time::Duration;

/// A time limit with the name of the policy that sets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    policy: Name,
    length: Duration,
}

impl Limit {
    /// A limit of `length`: more than zero and at most 365 days. `field` is what the configuration calls it.
    pub fn new(
        policy: impl Into<Name>,
        field: &'static str,
        length: Duration,
    ) -> Result<Self, ConfigError> {
        let policy = policy.into();
        let length = config::duration(field, length);
        Ok(Self {
            length: length.map_err(|error| error.of(policy.clone()))?,
            policy,
        })
    }

    /// The name of the policy.
    pub fn policy(&self) -> &Name {
        &self.policy
    }

    /// How long it may take.
    #[inline]
    pub fn length(&self) -> Duration {
        self.length
    }

    /// The error for having passed this limit.
    pub fn passed(&self, kind: Kind) -> TimedOut {
        TimedOut::new(kind, self.policy.clone(), self.length)
    }
}
