use std::fmt;

/// What a request costs, in units of the quota.
///
/// [`One`] says 1 for every request; [`RateLimit::cost`](crate::RateLimit::cost) makes one of a closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what a request of type `{Req}` costs",
    note = "pass a closure that takes the request of this service by reference: `.cost(|request: &{Req}| 1)`"
)]
pub trait Cost<Req: ?Sized> {
    /// The cost of `req`. Zero is admitted and not counted; more than there ever is at once (the burst, or `n` of a
    /// sliding window) is never admitted.
    fn cost(&self, req: &Req) -> u32;

    /// Whether no request is free, so that everybody is refused while nothing is available.
    fn none_free(&self) -> bool {
        false
    }
}

/// Every request costs 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct One;

impl<Req: ?Sized> Cost<Req> for One {
    fn cost(&self, _: &Req) -> u32 {
        1
    }

    fn none_free(&self) -> bool {
        true
    }
}

/// A request costs what a function says. Made by [`RateLimit::cost`](crate::RateLimit::cost).
#[derive(Clone, Copy)]
pub struct CostBy<F>(pub(crate) F);

impl<F> CostBy<F> {
    /// A request costs what `cost` says.
    pub fn new(cost: F) -> Self {
        Self(cost)
    }
}

impl<Req: ?Sized, F: Fn(&Req) -> u32> Cost<Req> for CostBy<F> {
    fn cost(&self, req: &Req) -> u32 {
        (self.0)(req)
    }
}

impl<F> fmt::Debug for CostBy<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CostBy")
    }
}
