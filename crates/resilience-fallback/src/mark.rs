//! How degraded answers are told from whole ones.

use resilience_core::{BoxError, Name, Outcome};

/// Joins the service's responses and the fallback's answers into one response type, and marks the latter.
///
/// For HTTP there is `resilience_http::HttpMark`, which allows any body in the answer, and puts a `Degraded` into the
/// response's extensions.
#[diagnostic::on_unimplemented(
    message = "the fallback answers with `{Alt}`, but the service responds with `{Res}`",
    note = "the types must be the same; for HTTP responses with another body, call `.http()` on the layer (`use resilience_http::HttpLayer`)"
)]
pub trait Mark<Res, Alt> {
    /// The response of the layer.
    type Response;

    /// Passes on a response of the service.
    fn whole(&self, res: Res) -> Self::Response;

    /// Marks an answer of the fallback of that name, given because the call ended with `outcome`.
    fn degraded(&self, alt: Alt, policy: &Name, outcome: Outcome) -> Self::Response;

    /// Describes a failing response by an error, for the case that the fallback fails too: by a
    /// [`Rejected`](resilience_core::Rejected), if one of the family's layers answered.
    fn describe(&self, res: &Res) -> Option<BoxError> {
        let _ = res;
        None
    }
}

/// Degraded answers look like whole ones. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unmarked;

impl<Res> Mark<Res, Res> for Unmarked {
    type Response = Res;

    fn whole(&self, res: Res) -> Res {
        res
    }

    fn degraded(&self, res: Res, _: &Name, _: Outcome) -> Res {
        res
    }
}
