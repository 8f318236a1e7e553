//! Which policies may be forgotten: what bounds the memory of one policy per key.

use crate::{Exempt, Now, sync, sync::Arc};

/// A policy that knows when nothing would be lost with it.
///
/// Who keeps a policy for each of many keys (hosts, tenants, addresses) has to forget some of them, and must not
/// forget a limit that is in force: a client could wash itself clean by being forgotten. Implement this for a policy
/// of your own, to use it with `resilience-keyed`.
///
/// Both questions are asked of a handle that is about to be dropped. So both are to be answered with `false` while
/// anything else refers to the same state: a permit that is out, a handle or a layer that somebody keeps.
/// [`sync::is_unshared`] tells, for policies that keep their state in one [`Arc`], of which permits hold a clone.
///
/// They are asked under a lock, so that nobody can get hold of the policy meanwhile: answer quickly, and do not call
/// back.
///
/// ```
/// use resilience_core::{Forget, Now, sync::{Arc, AtomicU64, Ordering, is_unshared}};
///
/// /// Admits so many calls in all.
/// #[derive(Clone)]
/// struct Trial(Arc<AtomicU64>);
///
/// impl Forget for Trial {
///     // Permits of this policy hold nothing; what it has admitted is in force for ever.
///     fn is_fresh(&self, _: &mut Now) -> bool {
///         is_unshared(&self.0) && self.0.load(Ordering::Relaxed) == 0
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept one per key",
    label = "does not say when it may be forgotten",
    note = "a policy implements `resilience_core::Forget`; breakers, bulkheads, rate limits and tuples of them do",
    note = "a `Result` is none: have the settings checked once before, and unwrap it"
)]
pub trait Forget {
    /// Whether to drop this policy and to make a new one in its place would change no future decision.
    ///
    /// Such a policy may be dropped at any time, and is when room is needed.
    fn is_fresh(&self, now: &mut Now) -> bool;

    /// Whether this policy is not in use and refuses nobody, although it may remember what it has seen.
    ///
    /// Such a policy may be dropped when it has not been used for a long time: a circuit breaker may forget a few
    /// failures of ten minutes ago that did not open it, but not that it is open. Where every memory is a limit in
    /// force, this is [`is_fresh`](Self::is_fresh), which is the default.
    fn is_at_rest(&self, now: &mut Now) -> bool {
        self.is_fresh(now)
    }
}

/// Shared by nobody else, and the policy itself may be forgotten.
impl<P: Forget + ?Sized> Forget for Arc<P> {
    fn is_fresh(&self, now: &mut Now) -> bool {
        sync::is_unshared(self) && (**self).is_fresh(now)
    }

    fn is_at_rest(&self, now: &mut Now) -> bool {
        sync::is_unshared(self) && (**self).is_at_rest(now)
    }
}

/// No policy may always be forgotten.
impl<P: Forget> Forget for Option<P> {
    fn is_fresh(&self, now: &mut Now) -> bool {
        self.as_ref().is_none_or(|policy| policy.is_fresh(now))
    }

    fn is_at_rest(&self, now: &mut Now) -> bool {
        self.as_ref().is_none_or(|policy| policy.is_at_rest(now))
    }
}

impl<P: Forget, F> Forget for Exempt<P, F> {
    fn is_fresh(&self, now: &mut Now) -> bool {
        self.policy().is_fresh(now)
    }

    fn is_at_rest(&self, now: &mut Now) -> bool {
        self.policy().is_at_rest(now)
    }
}

/// All of them may be forgotten.
macro_rules! tuple {
    ($($P:ident $p:ident),*) => {
        impl<$($P: Forget),*> Forget for ($($P,)*) {
            #[allow(unused_variables, reason = "by the empty tuple")]
            fn is_fresh(&self, now: &mut Now) -> bool {
                let ($($p,)*) = self;
                true $(&& $p.is_fresh(now))*
            }

            #[allow(unused_variables, reason = "by the empty tuple")]
            fn is_at_rest(&self, now: &mut Now) -> bool {
                let ($($p,)*) = self;
                true $(&& $p.is_at_rest(now))*
            }
        }
    };
}

tuple!();
tuple!(A a);
tuple!(A a, B b);
tuple!(A a, B b, C c);
tuple!(A a, B b, C c, D d);
tuple!(A a, B b, C c, D d, E e);
tuple!(A a, B b, C c, D d, E e, F f);
