use super::DeadlineExceeded;
use resilience_core::{
    Deadline, Name, Reason, Rejected, Timestamp,
    config::{self, ConfigError},
};
use std::time::Duration;

/// How much time calls get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    policy: Name,
    max: Duration,
    unstated: Duration,
    unstated_bounds_bodies: bool,
}

impl Terms {
    /// The most that a call gets, unless it is said otherwise.
    pub const MAX: Duration = Duration::from_secs(30);

    /// No call gets more than `max`; one that does not say how long it may take gets `unstated`, or else `max`.
    ///
    /// Both are more than zero; `max` is at most 365 days, and `unstated` at most `max`.
    pub fn new(
        policy: impl Into<Name>,
        max: Duration,
        unstated: Option<Duration>,
    ) -> Result<Self, ConfigError> {
        let max = config::duration("max", max)?;
        let unstated = unstated.unwrap_or(max);
        if unstated.is_zero() || unstated > max {
            return Err(ConfigError::new(
                "unstated",
                unstated,
                format!("more than zero and at most `max`, {max:?}"),
            ));
        }
        Ok(Self {
            policy: policy.into(),
            max,
            unstated,
            unstated_bounds_bodies: false,
        })
    }

    /// Whether a deadline that nobody has stated bounds the response's body too. Default: no.
    pub fn unstated_bounds_bodies(mut self, bounds: bool) -> Self {
        self.unstated_bounds_bodies = bounds;
        self
    }

    /// The name of the policy.
    pub fn policy(&self) -> &Name {
        &self.policy
    }

    /// The most that a call gets.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// What a call gets that begins at `now`: as much as it `stated`, as long as the deadline that it `carried` here
    /// allows, but no more than the maximum. Without both, what calls get that state nothing. One that has no time left
    /// is refused.
    pub fn allot(
        &self,
        stated: Option<Duration>,
        carried: Option<Deadline>,
        now: Timestamp,
    ) -> Result<Allotted, Rejected> {
        let stated = stated.map(|left| Deadline::at(now + left));
        let callers = stated.into_iter().chain(carried).min();
        let deadline = match callers {
            Some(deadline) => deadline.min(Deadline::at(now + self.max)),
            None => Deadline::at(now + self.unstated),
        };
        let length = deadline.timestamp() - now;
        if length.is_zero() {
            return Err(Rejected::new(Reason::Deadline, self.policy.clone()));
        }
        Ok(Allotted {
            deadline,
            length,
            bounds_body: callers.is_some() || self.unstated_bounds_bodies,
        })
    }
}

/// The time that one call gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allotted {
    deadline: Deadline,
    length: Duration,
    bounds_body: bool,
}

impl Allotted {
    /// When the call has to be over.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// How long that was from the start of the call.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// Whether the response has to be over with its body, and not with its head alone.
    pub fn bounds_body(&self) -> bool {
        self.bounds_body
    }

    /// The error for having used it up.
    pub fn exceeded(&self, terms: &Terms) -> DeadlineExceeded {
        DeadlineExceeded::new(terms.policy.clone(), self.length)
    }
}
