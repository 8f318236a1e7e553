//! Sending HTTP requests again.

mod body;
mod head;
mod shared;
mod tape;

pub use body::ReplayBody;

use crate::Protocol;
use head::KeptHead;
use http::{HeaderName, HeaderValue, Method, Request, request::Parts};
use http_body::{Body, SizeHint};
use resilience_core::{Outcome, Replay};
use shared::Keeper;
use std::{fmt, sync::Arc};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const PREVIOUS_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// Sends HTTP requests again, bodies included.
///
/// # Which
///
/// | request | sent again |
/// |---|---|
/// | `GET`, `HEAD`, `OPTIONS`, `TRACE`, `PUT`, `DELETE`: idempotent by RFC 9110, section 9.2.2 | whenever the classifier says so; other methods with [`methods`](Self::methods) |
/// | with an [`Idempotency-Key`](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/) | likewise |
/// | gRPC, where the status decides ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)) | likewise |
/// | for which [`allow_if`](Self::allow_if) is true | likewise |
/// | for which [`deny_if`](Self::deny_if) is true, whatever is said above | as any other |
/// | with [`NoRetry`] in its extensions, whatever is said here | never |
/// | any other | when it was provably never sent, as long as nothing of its body has been read |
///
/// # Bodies
///
/// What an attempt reads of the body is kept, up to [`cap`](Self::cap) bytes of data and trailers (64 KiB by
/// default) and at most one frame more. What it does not read stays where it is, for the next attempt: a refused
/// connection can be retried with nothing read. The next attempt gets the same bytes and trailers, then the unread
/// rest; frames may be cut differently. A body larger than the cap is sent once: when the cap is passed, what was
/// kept is freed at once, and the attempt goes on. So does an attempt whose response has been accepted. A body that
/// failed is not sent again. Size hints stay exact: what was sent with a content length is sent again with it.
///
/// Where no other attempt is possible, the body is passed through: nothing is kept, boxed or locked. Data goes
/// through as [`Bytes`](bytes::Bytes), which costs nothing if that is what the body has.
///
/// An HTTP client may hold an attempt's body for a while after its response has arrived. The next attempt does
/// not wait for that: it takes the body over, and the earlier attempt, if it reads on, gets an error.
///
/// # What the server sees
///
/// From the second attempt on, the request carries an [`Attempt`] in its extensions; a gRPC request also
/// `grpc-previous-rpc-attempts`, and a plain one the header set with [`attempt_header`](Self::attempt_header).
///
/// ```
/// use http::{HeaderName, Method};
/// use resilience_http::HttpReplay;
///
/// let replay = HttpReplay::new()
///     .cap(1 << 20)
///     .attempt_header(HeaderName::from_static("x-attempt"))
///     .allow_if(|head| head.method == Method::POST && head.uri.path() == "/search");
/// # let _ = replay;
/// ```
#[derive(Clone)]
pub struct HttpReplay {
    protocol: Option<Protocol>,
    cap: usize,
    methods: Option<Arc<[Method]>>,
    allow_if: Option<Ask>,
    deny_if: Option<Ask>,
    attempt_header: Option<HeaderName>,
}

type Ask = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// In the extensions of a request that is sent again: the number of the attempt, from 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(pub u32);

/// In the extensions of a request: it is sent once, whatever its method and however the attempt ends.
///
/// [`HttpReplay`] reads it, and then keeps nothing of the request: no retry follows, and no fallback asks another service.
/// Fallbacks that need no request still answer.
///
/// ```
/// use http::Request;
/// use resilience_http::NoRetry;
///
/// let mut req = Request::new(());
/// req.extensions_mut().insert(NoRetry);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoRetry;

impl HttpReplay {
    /// Knows gRPC requests by their content type.
    pub const fn new() -> Self {
        Self {
            protocol: None,
            cap: 64 * 1024,
            methods: None,
            allow_if: None,
            deny_if: None,
            attempt_header: None,
        }
    }

    /// Takes every request for gRPC.
    pub const fn grpc() -> Self {
        let mut replay = Self::new();
        replay.protocol = Some(Protocol::Grpc);
        replay
    }

    /// How many bytes of a body are kept at most. Default 64 KiB; with 0, bodies are sent again as long as nothing
    /// of them has been read.
    pub fn cap(mut self, bytes: usize) -> Self {
        self.cap = bytes;
        self
    }

    /// The methods that may be repeated, instead of the idempotent ones.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = Some(methods.into_iter().collect());
        self
    }

    /// Also repeats requests for which `allow` is true. Asked once for each call that could be retried and is not
    /// allowed otherwise.
    pub fn allow_if(mut self, allow: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.allow_if = Some(Arc::new(allow));
        self
    }

    /// Does not repeat requests for which `deny` is true, unless they were provably never sent. For what must not happen
    /// twice though its method or protocol would allow it, above all gRPC calls that are not idempotent: a gRPC status
    /// such as `UNAVAILABLE`, a timeout or a lost connection does not tell whether the server has done its work. Asked
    /// once for each call that could be retried, before everything else.
    ///
    /// ```
    /// use resilience_http::HttpReplay;
    ///
    /// let replay = HttpReplay::grpc().deny_if(|head| head.uri.path() == "/shop.Orders/Place");
    /// # let _ = replay;
    /// ```
    pub fn deny_if(mut self, deny: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.deny_if = Some(Arc::new(deny));
        self
    }

    /// Sends the number of the attempt in this header, from the second attempt on. Not for gRPC, which has its
    /// own.
    pub fn attempt_header(mut self, name: HeaderName) -> Self {
        self.attempt_header = Some(name);
        self
    }

    fn protocol(&self, head: &Parts) -> Protocol {
        self.protocol
            .unwrap_or_else(|| Protocol::of_headers(&head.headers))
    }

    /// Whether the request may be repeated though it was, or may have been, sent.
    fn may_repeat(&self, head: &Parts) -> bool {
        if self.deny_if.as_ref().is_some_and(|deny| deny(head)) {
            return false;
        }
        let by_method = match &self.methods {
            Some(methods) => methods.contains(&head.method),
            None => head.method.is_idempotent(),
        };
        by_method
            || self.protocol(head) == Protocol::Grpc
            || matches!(head.headers.get(IDEMPOTENCY_KEY), Some(key) if !key.is_empty())
            || self.allow_if.as_ref().is_some_and(|allow| allow(head))
    }

    fn mark(&self, head: &mut Parts, attempt: u32) {
        head.extensions.insert(Attempt(attempt));
        if self.protocol(head) == Protocol::Grpc {
            let previous = HeaderValue::from(attempt - 1);
            head.headers.insert(PREVIOUS_ATTEMPTS, previous);
        } else if let Some(name) = &self.attempt_header {
            head.headers.insert(name, HeaderValue::from(attempt));
        }
    }
}

impl Default for HttpReplay {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpReplay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpReplay")
            .field("protocol", &self.protocol)
            .field("cap", &self.cap)
            .field("methods", &self.methods)
            .field("attempt_header", &self.attempt_header)
            .finish_non_exhaustive()
    }
}

/// What [`HttpReplay`] keeps of a request while an attempt is under way.
pub struct KeptRequest<B> {
    head: KeptHead,
    body: KeptBody<B>,
    may_repeat: bool,
}

enum KeptBody<B> {
    /// The body was at its end from the beginning.
    Empty(SizeHint),
    Shared(Keeper<B>),
}

impl<B> fmt::Debug for KeptRequest<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest")
            .field("method", &self.head.parts().method)
            .field("may_repeat", &self.may_repeat)
            .finish_non_exhaustive()
    }
}

impl<B: Body> Replay<Request<B>> for HttpReplay {
    type Inner = Request<ReplayBody<B>>;
    type Kept = KeptRequest<B>;

    #[inline]
    fn first(&self, req: Request<B>, repeatable: bool) -> (Self::Inner, Option<Self::Kept>) {
        if !repeatable || req.extensions().get::<NoRetry>().is_some() {
            return (req.map(ReplayBody::plain), None);
        }
        let (mut head, body) = req.into_parts();
        let may_repeat = self.may_repeat(&head);
        let (body, kept) = if body.is_end_stream() {
            let hint = body.size_hint();
            (ReplayBody::plain(body), KeptBody::Empty(hint))
        } else {
            let cap = if may_repeat { self.cap } else { 0 };
            let (reader, keeper) = shared::share(body, cap);
            (ReplayBody::shared(reader), KeptBody::Shared(keeper))
        };
        let kept = KeptRequest {
            head: KeptHead::of(&mut head),
            body: kept,
            may_repeat,
        };
        (Request::from_parts(head, body), Some(kept))
    }

    fn allows(&self, kept: &Self::Kept, outcome: Outcome) -> bool {
        let whole = match &kept.body {
            KeptBody::Empty(_) => true,
            KeptBody::Shared(keeper) => keeper.is_whole(),
        };
        whole && (kept.may_repeat || outcome.never_sent())
    }

    fn again(
        &self,
        kept: Self::Kept,
        attempt: u32,
        last: bool,
    ) -> Option<(Self::Inner, Option<Self::Kept>)> {
        let body = match &kept.body {
            KeptBody::Empty(hint) => ReplayBody::empty(*hint),
            KeptBody::Shared(keeper) => ReplayBody::shared(keeper.rewind()?),
        };
        let (mut head, kept) = if last {
            (kept.head.into_parts(), None)
        } else {
            (kept.head.clone().into_parts(), Some(kept))
        };
        self.mark(&mut head, attempt);
        Some((Request::from_parts(head, body), kept))
    }
}
