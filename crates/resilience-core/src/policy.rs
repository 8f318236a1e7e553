//! Admission, permit, outcome: the shape of every policy.

use crate::{Gate, Now, Outcome, Rejected, sync::Arc};

/// Decides before a call, holds a [`Permit`] during it, and learns from how it ended.
///
/// Breakers, bulkheads and rate limits are policies, and so is whatever you need besides. A policy needs no
/// more than this trait to become a Tower layer: [`GuardLayer::new`](crate::GuardLayer::new).
///
/// A tuple of policies is a policy. It asks them in order; when one refuses, the permits of those before it
/// are [reverted](Permit::revert), so that the refused call leaves no trace in them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an admission policy for requests of type `{Req}`",
    label = "not a policy",
    note = "a policy implements `resilience_core::Policy<Req>`; breakers, bulkheads, rate limits and tuples of up to six of them do"
)]
pub trait Policy<Req: ?Sized> {
    /// What an admitted call holds until it is over.
    type Permit: Permit;

    /// Admits the call, or refuses it. Must not block.
    fn admit(&self, req: &Req, now: &mut Now) -> Result<Self::Permit, Rejected>;

    /// Whether the policy refuses everybody at present, so that nobody should wait for the inner service.
    ///
    /// Asked when the inner service is not ready, and by retries before they wait.
    fn refusing(&self, now: &mut Now) -> bool {
        let _ = now;
        false
    }

    /// Shows `each` gate where callers that wait for the inner service should be registered. A policy that
    /// starts [refusing](Self::refusing) releases its gate.
    fn gates(&self, each: &mut dyn FnMut(&Gate)) {
        let _ = each;
    }
}

/// The right to make one call.
///
/// Every permit ends in exactly one of three ways: [`finish`](Self::finish), [`revert`](Self::revert), or being
/// dropped, which means that the call was *abandoned* before there was a response: cancelled, timed out from
/// outside, or lost to a panic. A permit gives back what it holds in each of them.
pub trait Permit {
    /// The head of the response is there. Called at most once, before `finish`, and only for responses that go
    /// on (HTTP bodies, gRPC streams).
    ///
    /// `verdict` is how the call ended, where the head tells; `finish` will then bring the same outcome. Without
    /// one, the outcome comes with the end of the body.
    fn head(&mut self, verdict: Option<Outcome>, now: &mut Now) {
        let _ = (verdict, now);
    }

    /// The call is over.
    fn finish(self, outcome: Outcome, now: &mut Now);

    /// The call was never made: undoes the admission, as if it had not been asked for.
    fn revert(self, now: &mut Now);
}

impl Permit for () {
    fn finish(self, _: Outcome, _: &mut Now) {}
    fn revert(self, _: &mut Now) {}
}

/// No permit where no policy was asked.
impl<P: Permit> Permit for Option<P> {
    fn head(&mut self, verdict: Option<Outcome>, now: &mut Now) {
        if let Some(permit) = self {
            permit.head(verdict, now);
        }
    }

    #[inline]
    fn finish(self, outcome: Outcome, now: &mut Now) {
        if let Some(permit) = self {
            permit.finish(outcome, now);
        }
    }

    #[inline]
    fn revert(self, now: &mut Now) {
        if let Some(permit) = self {
            permit.revert(now);
        }
    }
}

macro_rules! forward {
    ($($pointer:ty),+) => {$(
        impl<Req: ?Sized, P: Policy<Req> + ?Sized> Policy<Req> for $pointer {
            type Permit = P::Permit;

            #[inline]
            fn admit(&self, req: &Req, now: &mut Now) -> Result<Self::Permit, Rejected> {
                (**self).admit(req, now)
            }

            fn refusing(&self, now: &mut Now) -> bool {
                (**self).refusing(now)
            }

            fn gates(&self, each: &mut dyn FnMut(&Gate)) {
                (**self).gates(each);
            }
        }
    )+};
}

forward!(&P, Arc<P>);

/// A policy that may be switched off by configuration: `None` admits everybody.
impl<Req: ?Sized, P: Policy<Req>> Policy<Req> for Option<P> {
    type Permit = Option<P::Permit>;

    #[inline]
    fn admit(&self, req: &Req, now: &mut Now) -> Result<Self::Permit, Rejected> {
        self.as_ref()
            .map(|policy| policy.admit(req, now))
            .transpose()
    }

    fn refusing(&self, now: &mut Now) -> bool {
        self.as_ref().is_some_and(|policy| policy.refusing(now))
    }

    fn gates(&self, each: &mut dyn FnMut(&Gate)) {
        if let Some(policy) = self {
            policy.gates(each);
        }
    }
}

/// Lets some requests pass without asking the policy, for example health probes.
///
/// Made by [`GuardLayer::exempt`](crate::GuardLayer::exempt).
#[derive(Clone, Copy)]
pub struct Exempt<P, F> {
    policy: P,
    exempt: F,
}

impl<P, F> Exempt<P, F> {
    /// Asks `policy` about every request for which `exempt` is false.
    pub fn new(policy: P, exempt: F) -> Self {
        Self { policy, exempt }
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }
}

impl<P: std::fmt::Debug, F> std::fmt::Debug for Exempt<P, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exempt")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl<Req: ?Sized, P: Policy<Req>, F: Fn(&Req) -> bool> Policy<Req> for Exempt<P, F> {
    type Permit = Option<P::Permit>;

    #[inline]
    fn admit(&self, req: &Req, now: &mut Now) -> Result<Self::Permit, Rejected> {
        if (self.exempt)(req) {
            return Ok(None);
        }
        self.policy.admit(req, now).map(Some)
    }

    fn refusing(&self, now: &mut Now) -> bool {
        self.policy.refusing(now)
    }

    fn gates(&self, each: &mut dyn FnMut(&Gate)) {
        self.policy.gates(each);
    }
}
