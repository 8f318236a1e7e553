use crate::{Head, Pushback, pushback};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use resilience_core::Outcome;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// In the extensions of a failing response: its call has been retried already, and there is nothing left to try.
///
/// Retry layers that judge with one of this crate's classifiers leave it there; the classifiers of layers further out see
/// it, and what would be transient or overload is then [`Permanent`](Outcome::Permanent): a failure as before, but not
/// one to retry. What one process learns in this way, [`ExhaustedLayer`](crate::ExhaustedLayer) tells the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetriesExhausted;

impl RetriesExhausted {
    /// The header of an HTTP response that says the same: `x-retries-exhausted`. Its presence counts, whatever the value.
    ///
    /// gRPC has a sign of its own, `grpc-retry-pushback-ms: -1`.
    pub const HEADER: HeaderName = HeaderName::from_static("x-retries-exhausted");

    pub(crate) const VALUE: HeaderValue = HeaderValue::from_static("1");
}

/// In the extensions of a request that a server got: where those who make calls for it note that their retries are
/// exhausted.
///
/// [`ExhaustedLayer`](crate::ExhaustedLayer) puts it there, [`pass_on`](crate::pass_on) takes it along to the requests that
/// are sent on, and this crate's classifiers mark it. A clone is the same note.
///
/// It can be written, and only the layer that made it reads it. If calls read it as well, one that is exhausted would stop
/// the retries of others made for the same request, which may go elsewhere, and which a handler may need more.
#[derive(Clone, Default)]
pub struct InnerRetries(Arc<AtomicBool>);

impl InnerRetries {
    /// Notes that a call has been retried in vain, or need not be retried. For retries that are not of this family; there
    /// is no way back.
    pub fn exhaust(&self) {
        // Nothing else is published with it, and whoever awaits the call sees what was written during it.
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn are_exhausted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for InnerRetries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InnerRetries")
    }
}

/// What every verdict of this crate has of nested stacks. Default: nobody to tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handle(Option<InnerRetries>);

impl Handle {
    pub(crate) fn of<B>(req: &Request<B>) -> Self {
        Self(req.extensions().get().cloned())
    }

    /// `outcome`, unless `head` says that there is no use in another attempt.
    pub(crate) fn at_head(&self, outcome: Outcome, head: &Head<'_>) -> Outcome {
        let spent = || head.extensions.get::<RetriesExhausted>().is_some();
        self.settle(outcome, || spent() || is_final(head.headers))
    }

    /// `outcome`, unless `trailers` say that there is no use in another attempt.
    pub(crate) fn at_end(&self, outcome: Outcome, trailers: &HeaderMap) -> Outcome {
        self.settle(outcome, || is_final(trailers))
    }

    /// Asks only about what might be tried again: of what went well, no header is looked for.
    fn settle(&self, outcome: Outcome, is_final: impl Fn() -> bool) -> Outcome {
        match outcome {
            Outcome::Transient { .. } | Outcome::Overload { .. } if is_final() => {
                // What is said to this tier holds for those further out, however many there are.
                self.exhaust();
                Outcome::Permanent
            }
            outcome => outcome,
        }
    }

    /// For [`Verdict::exhausted`](resilience_core::Verdict::exhausted). An error has no place for a mark.
    pub(crate) fn exhausted<B, E>(&self, result: &mut Result<Response<B>, E>) {
        self.exhaust();
        if let Ok(res) = result {
            res.extensions_mut().insert(RetriesExhausted);
        }
    }

    fn exhaust(&self) {
        if let Some(retries) = &self.0 {
            retries.exhaust();
        }
    }
}

/// Whether a server says in these headers or trailers that another attempt is no use.
fn is_final(headers: &HeaderMap) -> bool {
    headers.contains_key(RetriesExhausted::HEADER) || pushback(headers) == Some(Pushback::Stop)
}
