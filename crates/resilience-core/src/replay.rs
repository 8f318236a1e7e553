//! Sending a request again.

use crate::Outcome;

/// Prepares requests so that they can be sent more than once.
///
/// For types that are `Clone`, [`ByClone`]; for HTTP requests, whose bodies are not,
/// `resilience_http::HttpReplay`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot send a request of type `{Req}` again",
    label = "this request cannot be sent again",
    note = "`ByClone`, the default, needs `Req: Clone`; for HTTP requests call `.http()` on the layer (`use resilience_http::HttpLayer`)"
)]
pub trait Replay<Req> {
    /// The request that the inner service gets.
    type Inner;

    /// What is kept while an attempt is under way.
    type Kept;

    /// The first attempt. `repeatable` is false where no retry is possible: then nothing is to be kept, and
    /// nothing copied.
    fn first(&self, req: Req, repeatable: bool) -> (Self::Inner, Option<Self::Kept>);

    /// Whether the request may be sent again after an attempt with this outcome, as far as the request is
    /// concerned: whether it is idempotent, or the attempt provably never reached the dependency.
    fn allows(&self, kept: &Self::Kept, outcome: Outcome) -> bool;

    /// The next attempt; `attempt` counts from 2. `None` if the request is no longer there in full. `last` says
    /// that no other attempt can follow.
    fn again(
        &self,
        kept: Self::Kept,
        attempt: u32,
        last: bool,
    ) -> Option<(Self::Inner, Option<Self::Kept>)>;
}

/// Keeps a clone of the request, and sends it again whatever it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByClone;

// The message above says more than that `Clone` is missing.
#[diagnostic::do_not_recommend]
impl<Req: Clone> Replay<Req> for ByClone {
    type Inner = Req;
    type Kept = Req;

    fn first(&self, req: Req, repeatable: bool) -> (Req, Option<Req>) {
        let kept = repeatable.then(|| req.clone());
        (req, kept)
    }

    fn allows(&self, _: &Req, _: Outcome) -> bool {
        true
    }

    fn again(&self, kept: Req, _: u32, last: bool) -> Option<(Req, Option<Req>)> {
        Some(self.first(kept, !last))
    }
}
