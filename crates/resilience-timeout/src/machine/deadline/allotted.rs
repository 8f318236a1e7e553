use super::DeadlineExceeded;
use resilience_core::{
    Deadline, Name, Now, Reason, Rejected, Timestamp,
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
    /// allows, but no more than the maximum. Without both, what calls get that state nothing; and no more than that if all
    /// there is was carried for the head only, which nobody has stated either. One that has no time left is refused. A
    /// body that may go on by what was carried, may go on.
    #[inline]
    pub fn allot(
        &self,
        stated: Option<Duration>,
        carried: Option<Deadline>,
        now: Timestamp,
    ) -> Result<Allotted, Rejected> {
        let stated = stated.map(|left| Deadline::at(now + left));
        let callers = stated.into_iter().chain(carried);
        let (deadline, bounds_body) = if let Some(deadline) = callers.reduce(Deadline::earlier) {
            // Who lets the body go on is not to be cut off for a maximum.
            let bounds_body = deadline.body().is_some();
            // Another tier's default, passed on, does not make this one's longer.
            let most = if bounds_body { self.max } else { self.unstated };
            (deadline.earlier(Deadline::at(now + most)), bounds_body)
        } else {
            let deadline = Deadline::at(now + self.unstated);
            (deadline, self.unstated_bounds_bodies)
        };
        let deadline = if bounds_body {
            deadline
        } else {
            deadline.head_only()
        };
        if deadline.has_passed(&mut Now::at(now)) {
            return Err(Rejected::new(Reason::Deadline, self.policy.clone()));
        }
        Ok(Allotted { deadline, now })
    }
}

/// The time that one call gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allotted {
    deadline: Deadline,
    /// When the call began.
    now: Timestamp,
}

impl Allotted {
    /// When the call has to be over.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// How long that was from the start of the call.
    pub fn length(&self) -> Duration {
        self.deadline.timestamp() - self.now
    }

    /// The error for having used it up before there was a head.
    pub fn exceeded(&self, terms: &Terms) -> DeadlineExceeded {
        DeadlineExceeded::new(terms.policy.clone(), self.length())
    }

    /// The error for a body that was not over at `end`.
    pub fn body_exceeded(&self, end: Timestamp, terms: &Terms) -> DeadlineExceeded {
        DeadlineExceeded::new(terms.policy.clone(), end - self.now)
    }
}
