//! When a call is over.

use crate::{Now, Outcome, Permit};

/// Decides when a call is over, and keeps its permit until then.
///
/// A plain response ends the call: [`AtHead`]. An HTTP response goes on in its body; its completion, in
/// `resilience-http`, puts the permit into the body.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell when a call with a response of type `{Res}` is over",
    note = "`AtHead` ends every call with its response; `resilience_http::AtEnd` holds the permit until the body of an `http::Response` ends"
)]
pub trait Completion<Res, P, V> {
    /// The response that the caller gets.
    type Response;

    /// Takes over the permit of a call whose response, or head of one, has arrived. `head` is what `verdict`
    /// said of it. [`Permit::head`] has not been called.
    fn complete(
        &self,
        res: Res,
        head: Option<Outcome>,
        permit: P,
        verdict: V,
        now: &mut Now,
    ) -> Self::Response;
}

/// The call is over when the response is there. A verdict that is still out counts as a success.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtHead;

impl<Res, P: Permit, V> Completion<Res, P, V> for AtHead {
    type Response = Res;

    #[inline]
    fn complete(
        &self,
        res: Res,
        head: Option<Outcome>,
        permit: P,
        _: V,
        now: &mut Now,
    ) -> Self::Response {
        permit.finish(head.unwrap_or(Outcome::Success), now);
        res
    }
}
