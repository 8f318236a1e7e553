use crate::MalformedDeadline;
use resilience_core::Deadline;
use std::time::Duration;

/// How requests say when their call has to be over.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not know how requests of type `{Req}` carry a deadline",
    note = "for HTTP and gRPC, call `.http()` on the layer (`use resilience_http::HttpLayer`)"
)]
pub trait Carry<Req> {
    /// How much time the sender of `req` gives it, if it says so: the time left, as it travels between processes.
    fn stated(&self, req: &Req) -> Result<Option<Duration>, MalformedDeadline>;

    /// The deadline that `req` carries in this process, if any.
    fn carried(&self, req: &Req) -> Option<Deadline>;

    /// Notes the deadline in `req`, for everything within.
    fn carry(&self, req: &mut Req, deadline: Deadline);
}

/// Requests say nothing, and nothing is noted in them. The default.
impl<Req> Carry<Req> for () {
    fn stated(&self, _: &Req) -> Result<Option<Duration>, MalformedDeadline> {
        Ok(None)
    }

    fn carried(&self, _: &Req) -> Option<Deadline> {
        None
    }

    fn carry(&self, _: &mut Req, _: Deadline) {}
}
