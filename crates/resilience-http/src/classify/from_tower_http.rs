//! Classifiers that were written for `tower-http`.

use super::{Head, by_bare_code, by_error, by_status};
use crate::{EndVerdict, GrpcCode, Pushback, exhausted::Handle, pushback, retry_after};
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use resilience_core::{Classify, Deadline, Outcome, Rejected, Verdict};
use std::{any::Any, error::Error, fmt};
use tower_http::classify::{
    ClassifiedResponse, ClassifyEos, ClassifyResponse, GrpcFailureClass, MakeClassifier,
    ServerErrorsFailureClass, StatusInRangeFailureClass,
};

/// Judges calls by a classifier of `tower-http`, as given to its `TraceLayer`.
///
/// The classifier says *whether* a call has failed, the class of the failure how:
///
/// | class of failure | outcome |
/// |---|---|
/// | `ServerErrorsFailureClass`, `StatusInRangeFailureClass` | by its status, as [`HttpClassify`](crate::HttpClassify) does |
/// | `GrpcFailureClass` | by its code, as [`HttpClassify`](crate::HttpClassify) does |
/// | any other | transient failure; say more with [`outcome`](FromTowerHttp::outcome) |
///
/// What is a success to [`HttpClassify`](crate::HttpClassify), but a failure to the classifier (a 404, `NOT_FOUND`), is
/// a permanent failure. A `CANCELLED` is ignored.
///
/// A class knows nothing of headers and little of errors, so this is added to transient failures and overload that
/// bring no advice of their own: the delay of `Retry-After` or `grpc-retry-pushback-ms`; and that a connection could not be
/// made ([`Outcome::Unsent`]). What says that another attempt is no use makes both permanent, as for
/// [`HttpClassify`](crate::HttpClassify). The family's own refusals, as an error or in the response's extensions, are
/// recognised before the classifier is asked.
///
/// Errors must implement [`Display`](fmt::Display): the classifiers want to read them. When a body breaks off, they get
/// an error that says no more than that.
///
/// ```
/// use resilience_core::{GuardLayer, Outcome};
/// use resilience_http::{HttpLayer, from_tower_http};
/// use tower_http::classify::{GrpcCode, GrpcErrorsAsFailures, GrpcFailureClass, SharedClassifier};
///
/// # let policy = ();
/// let classifier = GrpcErrorsAsFailures::new().with_success(GrpcCode::NotFound);
/// let classifier = SharedClassifier::new(classifier);
///
/// // As it is.
/// let layer = GuardLayer::new(policy).grpc().classify(from_tower_http(classifier.clone()));
///
/// // With another idea of what failures mean.
/// let classify = from_tower_http(classifier).outcome(|class| match class {
///     GrpcFailureClass::Status(status) if status.code() == Some(GrpcCode::Aborted) => Outcome::TRANSIENT,
///     _ => Outcome::Permanent,
/// });
/// let layer = layer.classify(classify);
/// ```
pub fn from_tower_http<M>(classifier: M) -> FromTowerHttp<M>
where
    M: MakeClassifier,
    M::FailureClass: 'static,
{
    FromTowerHttp {
        classifier,
        outcome: by_class,
    }
}

/// A classifier made by [`from_tower_http`].
#[derive(Clone, Copy)]
pub struct FromTowerHttp<M, F = fn(<M as MakeClassifier>::FailureClass) -> Outcome>
where
    M: MakeClassifier,
{
    classifier: M,
    outcome: F,
}

impl<M: MakeClassifier, F> FromTowerHttp<M, F> {
    /// Says how a failure of a class counts. What is known of delays and connections is added to
    /// [`Outcome::TRANSIENT`] and [`Outcome::OVERLOAD`], as by default.
    pub fn outcome<G>(self, outcome: G) -> FromTowerHttp<M, G>
    where
        G: Fn(M::FailureClass) -> Outcome + Clone,
    {
        FromTowerHttp {
            classifier: self.classifier,
            outcome,
        }
    }
}

impl<M: MakeClassifier + fmt::Debug, F> fmt::Debug for FromTowerHttp<M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromTowerHttp")
            .field("classifier", &self.classifier)
            .finish_non_exhaustive()
    }
}

impl<ReqB, ResB, E, M, F> Classify<Request<ReqB>, Response<ResB>, E> for FromTowerHttp<M, F>
where
    E: fmt::Display + 'static,
    M: MakeClassifier,
    F: Fn(M::FailureClass) -> Outcome + Clone,
{
    type Call = TowerHttpVerdict<M::Classifier, M::ClassifyEos, F>;

    fn start(&self, req: &Request<ReqB>) -> Self::Call {
        TowerHttpVerdict {
            stage: Stage::Head(self.classifier.make_classifier(req)),
            outcome: self.outcome.clone(),
            retries: Handle::of(req),
        }
    }

    fn deadline(&self, req: &Request<ReqB>) -> Option<Deadline> {
        super::deadline(req)
    }
}

/// Judges one call by a classifier of `tower-http`.
pub struct TowerHttpVerdict<C, S, F> {
    stage: Stage<C, S>,
    outcome: F,
    retries: Handle,
}

enum Stage<C, S> {
    /// Nothing has come yet.
    Head(C),
    /// The end of the stream will tell.
    End(S),
    Over,
}

impl<C, S, F> TowerHttpVerdict<C, S, F> {
    /// The classifiers are used up when they are asked.
    fn take(&mut self) -> Stage<C, S> {
        std::mem::replace(&mut self.stage, Stage::Over)
    }
}

impl<C, S, F> fmt::Debug for TowerHttpVerdict<C, S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Head(_) => "head",
            Stage::End(_) => "end",
            Stage::Over => "over",
        };
        f.debug_struct("TowerHttpVerdict")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}

impl<B, E, C, F> Verdict<Response<B>, E> for TowerHttpVerdict<C, C::ClassifyEos, F>
where
    E: fmt::Display + 'static,
    C: ClassifyResponse,
    F: Fn(C::FailureClass) -> Outcome,
{
    fn response(&mut self, res: &Response<B>) -> Option<Outcome> {
        let head = Head::of(res);
        let stage = self.take();
        if let Some(refused) = head.refusal() {
            return Some(refused);
        }
        let Stage::Head(classifier) = stage else {
            // There is one head to a call, and it has been judged.
            return Some(Outcome::Ignored);
        };
        match classifier.classify_response(res) {
            ClassifiedResponse::Ready(Ok(())) => Some(Outcome::Success),
            ClassifiedResponse::Ready(Err(class)) => {
                let outcome = (self.outcome)(class);
                let outcome = advised(outcome, Some(head.status), head.headers);
                Some(self.retries.at_head(outcome, &head))
            }
            ClassifiedResponse::RequiresEos(end) => {
                self.stage = Stage::End(end);
                None
            }
        }
    }

    fn error(&mut self, error: &E) -> Outcome {
        let stage = self.take();
        if let Some(refused) = Rejected::judge_in(error) {
            return refused;
        }
        let Stage::Head(classifier) = stage else {
            return Outcome::Ignored;
        };
        match (self.outcome)(classifier.classify_error(error)) {
            Outcome::TRANSIENT => failing(by_error(error)),
            outcome => outcome,
        }
    }

    fn exhausted(&mut self, result: &mut Result<Response<B>, E>) {
        self.retries.exhausted(result);
    }
}

impl<C, S, F> EndVerdict for TowerHttpVerdict<C, S, F>
where
    S: ClassifyEos,
    F: Fn(S::FailureClass) -> Outcome,
{
    fn end(&mut self, trailers: Option<&HeaderMap>) -> Outcome {
        let Stage::End(end) = self.take() else {
            // The verdict has fallen at the head.
            return Outcome::Success;
        };
        match (end.classify_eos(trailers), trailers) {
            (Ok(()), _) => Outcome::Success,
            (Err(class), None) => (self.outcome)(class),
            (Err(class), Some(trailers)) => {
                let outcome = advised((self.outcome)(class), None, trailers);
                self.retries.at_end(outcome, trailers)
            }
        }
    }

    fn broken(&mut self) -> Outcome {
        match self.take() {
            Stage::End(end) => (self.outcome)(end.classify_error(&BrokenBody)),
            _ => Outcome::TRANSIENT,
        }
    }
}

/// What classifiers see of a body that broke off.
#[derive(Clone, Copy, Debug)]
struct BrokenBody;

impl fmt::Display for BrokenBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response body broke off")
    }
}

impl Error for BrokenBody {}

/// The kind of a failure, as far as its class tells.
#[expect(
    clippy::needless_pass_by_value,
    reason = "in place of functions that take the class by value"
)]
fn by_class<C: 'static>(class: C) -> Outcome {
    let class: &dyn Any = &class;
    if let Some(ServerErrorsFailureClass::StatusCode(status)) = class.downcast_ref() {
        return by_bare_status(*status);
    }
    if let Some(StatusInRangeFailureClass::StatusCode(status)) = class.downcast_ref() {
        return by_bare_status(*status);
    }
    if let Some(GrpcFailureClass::Status(status)) = class.downcast_ref() {
        return failing(by_bare_code(GrpcCode::from_number(status.code_raw())));
    }
    Outcome::TRANSIENT
}

fn by_bare_status(status: StatusCode) -> Outcome {
    failing(by_status(&Head {
        status,
        headers: &HeaderMap::new(),
        extensions: &Extensions::new(),
    }))
}

/// A failure, since the classifier says so; what we would not count as one would fail again.
fn failing(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Success => Outcome::Permanent,
        outcome => outcome,
    }
}

/// Adds what the server says about when to come back.
fn advised(outcome: Outcome, status: Option<StatusCode>, headers: &HeaderMap) -> Outcome {
    let transient = match outcome {
        Outcome::TRANSIENT => true,
        Outcome::OVERLOAD => false,
        outcome => return outcome,
    };
    let delay = match pushback(headers) {
        Some(Pushback::Wait(delay)) => Some(delay),
        Some(Pushback::Stop) | None => retry_after(headers),
    };
    // To be unavailable, and to know for how long, is to have too much to do.
    let overload = delay.is_some() && status == Some(StatusCode::SERVICE_UNAVAILABLE);
    if transient && !overload {
        Outcome::Transient { retry_after: delay }
    } else {
        Outcome::Overload { retry_after: delay }
    }
}
