//! Several policies, one layer: tuples.

use crate::{Gate, Now, Outcome, Permit, Policy, Rejected};

/// Admits `$Last` after all of `$Policy`; on a refusal, reverts the permits granted so far, latest first.
macro_rules! admit {
    ($req:ident, $now:ident; $($granted:ident)*;) => { Ok(($($granted,)*)) };
    ($req:ident, $now:ident; $($granted:ident)*; $next:ident $($rest:ident)*) => {
        match $next.admit($req, $now) {
            Ok($next) => admit!($req, $now; $($granted)* $next; $($rest)*),
            Err(why) => {
                revert!($now; $($granted)*);
                Err(why)
            }
        }
    };
}

macro_rules! revert {
    ($now:ident;) => {};
    ($now:ident; $first:ident $($rest:ident)*) => {
        revert!($now; $($rest)*);
        $first.revert($now);
    };
}

macro_rules! tuple {
    ($($P:ident $p:ident),+) => {
        impl<$($P: Permit),+> Permit for ($($P,)+) {
            #[inline]
            fn head(&mut self, verdict: Option<Outcome>, now: &mut Now) {
                let ($($p,)+) = self;
                $($p.head(verdict, now);)+
            }

            #[inline]
            fn finish(self, outcome: Outcome, now: &mut Now) {
                let ($($p,)+) = self;
                $($p.finish(outcome, now);)+
            }

            #[inline]
            fn revert(self, now: &mut Now) {
                let ($($p,)+) = self;
                revert!(now; $($p)+);
            }
        }

        impl<Req: ?Sized, $($P: Policy<Req>),+> Policy<Req> for ($($P,)+) {
            type Permit = ($($P::Permit,)+);

            #[inline]
            fn admit(&self, req: &Req, now: &mut Now) -> Result<Self::Permit, Rejected> {
                let ($($p,)+) = self;
                admit!(req, now; ; $($p)+)
            }

            fn refusing(&self, now: &mut Now) -> bool {
                let ($($p,)+) = self;
                $($p.refusing(now))||+
            }

            fn gates(&self, each: &mut dyn FnMut(&Gate)) {
                let ($($p,)+) = self;
                $($p.gates(each);)+
            }
        }
    };
}

tuple!(A a);
tuple!(A a, B b);
tuple!(A a, B b, C c);
tuple!(A a, B b, C c, D d);
tuple!(A a, B b, C c, D d, E e);
tuple!(A a, B b, C c, D d, E e, F f);

/// The empty tuple admits everybody.
impl<Req: ?Sized> Policy<Req> for () {
    type Permit = ();

    fn admit(&self, _: &Req, _: &mut Now) -> Result<(), Rejected> {
        Ok(())
    }
}
