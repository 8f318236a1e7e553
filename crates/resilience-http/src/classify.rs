//! Judging HTTP and gRPC calls.

#[cfg(feature = "tower-http")]
mod from_tower_http;

#[cfg(feature = "tower-http")]
pub use from_tower_http::{FromTowerHttp, TowerHttpVerdict, from_tower_http};

use crate::{
    GrpcCode, Protocol,
    advice::{Pushback, pushback, retry_after},
    chain,
    exhausted::Handle,
};
use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use resilience_core::{
    ByResult, Classify, Deadline, Errors, Outcome, Rejected, TypedErrors, Verdict,
};
use std::fmt;

/// Judges calls by HTTP status, and gRPC calls by their status in the head or in the trailers.
///
/// | HTTP | outcome |
/// |---|---|
/// | 408, 502, 504; 503 without `Retry-After` | transient failure |
/// | 429; 503 with `Retry-After` | overload, with the advised delay |
/// | other 5xx | permanent failure |
/// | everything else | success: the dependency did its work |
///
/// | gRPC | outcome |
/// |---|---|
/// | `UNAVAILABLE`, `DEADLINE_EXCEEDED`; a stream that ends without a status | transient failure |
/// | `RESOURCE_EXHAUSTED` | overload |
/// | `UNKNOWN`, `INTERNAL`, `UNIMPLEMENTED`, `DATA_LOSS` | permanent failure |
/// | `CANCELLED` | ignored |
/// | everything else | success |
///
/// A gRPC call that a proxy answers without a gRPC status is judged as [the protocol
/// maps](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md) the HTTP status: 401 and 403 are
/// successes; 429, 502, 503 and 504 what they are for HTTP; all others but 200 permanent failures.
///
/// A `grpc-retry-pushback-ms` gives the delay; a negative one makes a failure permanent (gRFC A6), and so do the header
/// `x-retries-exhausted` and [`RetriesExhausted`](crate::RetriesExhausted) in the response's extensions. Errors are
/// transient failures; connections that could not be made, and streams that the server refused, are
/// [`Unsent`](Outcome::Unsent); a request body that fails, and a request that is wrong in itself and was not sent, are
/// [`Ignored`](Outcome::Ignored). The family's own refusals, as an error or in the response's extensions, are [`Refused`](Outcome::Refused).
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpClassify {
    protocol: Option<Protocol>,
}

impl HttpClassify {
    /// Judges each call by the content type of its request.
    pub const fn new() -> Self {
        Self { protocol: None }
    }

    /// Judges every call as gRPC.
    pub const fn grpc() -> Self {
        Self {
            protocol: Some(Protocol::Grpc),
        }
    }
}

impl<ReqB, ResB, E: 'static> Classify<Request<ReqB>, Response<ResB>, E> for HttpClassify {
    type Call = HttpVerdict;

    fn start(&self, req: &Request<ReqB>) -> HttpVerdict {
        HttpVerdict {
            protocol: self.protocol.unwrap_or_else(|| Protocol::of(req)),
            retries: Handle::of(req),
        }
    }

    fn deadline(&self, req: &Request<ReqB>) -> Option<Deadline> {
        deadline(req)
    }
}

/// The deadline in the extensions of `req`.
pub(crate) fn deadline<B>(req: &Request<B>) -> Option<Deadline> {
    req.extensions().get().copied()
}

/// Judges one HTTP or gRPC call.
#[derive(Clone, Debug)]
pub struct HttpVerdict {
    protocol: Protocol,
    retries: Handle,
}

impl<B, E: 'static> Verdict<Response<B>, E> for HttpVerdict {
    fn response(&mut self, res: &Response<B>) -> Option<Outcome> {
        let head = Head::of(res);
        head.refusal().or_else(|| {
            let outcome = match self.protocol {
                Protocol::Http => by_status(&head),
                Protocol::Grpc => by_grpc_head(&head)?,
            };
            Some(self.retries.at_head(outcome, &head))
        })
    }

    fn error(&mut self, error: &E) -> Outcome {
        by_error(error)
    }

    fn exhausted(&mut self, result: &mut Result<Response<B>, E>) {
        self.retries.exhausted(result);
    }
}

/// Judges the end of a response whose head left the verdict open.
pub trait EndVerdict {
    /// The body has ended, with or without trailers.
    fn end(&mut self, trailers: Option<&HeaderMap>) -> Outcome;

    /// The body broke off with an error.
    fn broken(&mut self) -> Outcome {
        Outcome::TRANSIENT
    }

    /// Nobody wanted to see the end of the body.
    fn dropped(&mut self) -> Outcome {
        Outcome::Ignored
    }
}

impl EndVerdict for HttpVerdict {
    fn end(&mut self, trailers: Option<&HeaderMap>) -> Outcome {
        match trailers.and_then(|trailers| Some((GrpcCode::of(trailers)?, trailers))) {
            Some((code, trailers)) => self.retries.at_end(by_grpc_code(code, trailers), trailers),
            // Truncated: the status is missing.
            None => Outcome::TRANSIENT,
        }
    }
}

/// The head of a response, as classifiers see it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Head<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The extensions.
    pub extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    /// The head of `res`.
    pub fn of<B>(res: &'a Response<B>) -> Self {
        Self {
            status: res.status(),
            headers: res.headers(),
            extensions: res.extensions(),
        }
    }

    /// What this response is if one of the family's layers answered it, and the dependency was not asked.
    fn refusal(&self) -> Option<Outcome> {
        #[cfg(feature = "timeout")]
        if self
            .extensions
            .get::<resilience_timeout::MalformedDeadline>()
            .is_some()
        {
            return Some(Outcome::Ignored);
        }
        self.extensions.get().map(Rejected::outcome)
    }
}

/// Judges calls by a function of the response's head; errors as [`HttpClassify`] does.
///
/// The family's own refusals are recognised before the function is asked; and what it calls transient or overload is
/// [`Permanent`](Outcome::Permanent) where a server or an inner stack says that another attempt is no use, as for
/// [`HttpClassify`].
///
/// ```
/// use resilience_core::Outcome;
/// use resilience_http::by_head;
///
/// // A 404 from this dependency means that its index is gone.
/// let classify = by_head(|head| match head.status.as_u16() {
///     404 => Outcome::Permanent,
///     500.. => Outcome::TRANSIENT,
///     _ => Outcome::Success,
/// });
/// # let _ = classify;
/// ```
pub fn by_head<F>(judge: F) -> ByHead<F>
where
    F: Fn(&Head<'_>) -> Outcome + Clone,
{
    ByHead(judge)
}

/// A classifier made by [`by_head`].
#[derive(Clone, Copy)]
pub struct ByHead<F>(F);

impl<F> fmt::Debug for ByHead<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByHead")
    }
}

impl<ReqB, ResB, E, F> Classify<Request<ReqB>, Response<ResB>, E> for ByHead<F>
where
    E: 'static,
    F: Fn(&Head<'_>) -> Outcome + Clone,
{
    type Call = HeadVerdict<F>;

    fn start(&self, req: &Request<ReqB>) -> HeadVerdict<F> {
        HeadVerdict {
            judge: self.0.clone(),
            retries: Handle::of(req),
        }
    }

    fn deadline(&self, req: &Request<ReqB>) -> Option<Deadline> {
        deadline(req)
    }
}

/// Judges one call by a function of the response's head.
#[derive(Clone)]
pub struct HeadVerdict<F> {
    judge: F,
    retries: Handle,
}

impl<F> fmt::Debug for HeadVerdict<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeadVerdict")
    }
}

impl<B, E, F> Verdict<Response<B>, E> for HeadVerdict<F>
where
    E: 'static,
    F: Fn(&Head<'_>) -> Outcome,
{
    fn response(&mut self, res: &Response<B>) -> Option<Outcome> {
        let head = Head::of(res);
        let judged = || self.retries.at_head((self.judge)(&head), &head);
        Some(head.refusal().unwrap_or_else(judged))
    }

    fn error(&mut self, error: &E) -> Outcome {
        by_error(error)
    }

    fn exhausted(&mut self, result: &mut Result<Response<B>, E>) {
        self.retries.exhausted(result);
    }
}

macro_rules! at_the_head {
    ($($({$($generic:ident),+})? $verdict:ty),+) => {$(
        /// The verdict has fallen at the head.
        impl$(<$($generic),+>)? EndVerdict for $verdict {
            fn end(&mut self, _: Option<&HeaderMap>) -> Outcome {
                Outcome::Success
            }
        }
    )+};
}

at_the_head!({F} HeadVerdict<F>, {F} ByResult<F>, Errors, TypedErrors);

fn by_status(head: &Head<'_>) -> Outcome {
    match head.status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            let retry_after = retry_after(head.headers);
            Outcome::Transient { retry_after }
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let retry_after = retry_after(head.headers);
            Outcome::Overload { retry_after }
        }
        StatusCode::SERVICE_UNAVAILABLE => match retry_after(head.headers) {
            None => Outcome::TRANSIENT,
            retry_after => Outcome::Overload { retry_after },
        },
        status if status.is_server_error() => Outcome::Permanent,
        _ => Outcome::Success,
    }
}

fn by_grpc_head(head: &Head<'_>) -> Option<Outcome> {
    if let Some(code) = GrpcCode::of(head.headers) {
        return Some(by_grpc_code(code, head.headers));
    }
    // A proxy that speaks plain HTTP has answered.
    (head.status != StatusCode::OK).then(|| match head.status.as_u16() {
        // What `UNAUTHENTICATED` and `PERMISSION_DENIED` would be.
        401 | 403 => Outcome::Success,
        429 | 502 | 503 | 504 => by_status(head),
        _ => Outcome::Permanent,
    })
}

/// Judges a gRPC status, with the delay in the headers or trailers beside it.
fn by_grpc_code(code: GrpcCode, beside: &HeaderMap) -> Outcome {
    let outcome = by_bare_code(code);
    match (outcome, pushback(beside)) {
        (Outcome::Transient { .. }, Some(Pushback::Wait(delay))) => Outcome::Transient {
            retry_after: Some(delay),
        },
        (Outcome::Overload { .. }, Some(Pushback::Wait(delay))) => Outcome::Overload {
            retry_after: Some(delay),
        },
        (outcome, _) => outcome,
    }
}

pub(crate) fn by_bare_code(code: GrpcCode) -> Outcome {
    match code {
        GrpcCode::Unavailable | GrpcCode::DeadlineExceeded => Outcome::TRANSIENT,
        GrpcCode::ResourceExhausted => Outcome::OVERLOAD,
        GrpcCode::Unknown | GrpcCode::Internal | GrpcCode::Unimplemented | GrpcCode::DataLoss => {
            Outcome::Permanent
        }
        GrpcCode::Cancelled => Outcome::Ignored,
        _ => Outcome::Success,
    }
}

fn by_error<E: 'static>(error: &E) -> Outcome {
    if let Some(refused) = Rejected::judge_in(error) {
        return refused;
    }
    let Some(error) = chain::as_error(error) else {
        return Outcome::TRANSIENT;
    };
    #[cfg(feature = "tonic")]
    if let Some(status) = resilience_core::find_cause::<tonic::Status>(error)
        && !chain::is_wrong(error)
    {
        let code = GrpcCode::from_number(status.code().into());
        let beside = status.metadata().as_ref();
        return Handle::default().at_end(by_grpc_code(code, beside), beside);
    }
    chain::judge(error)
}
