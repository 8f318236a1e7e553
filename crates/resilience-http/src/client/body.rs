use super::Error;
use crate::ReplayBody;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::{BodyExt, LengthLimitError, Limited, combinators::UnsyncBoxBody};
use resilience_core::BoxError;
use std::{
    any::Any,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

/// The body of a [`Client`](super::Client)'s requests and responses.
///
/// Bytes that are at hand, or any other body in a box. Dropping that of a response gives the call up, and its place in the
/// host's bulkhead comes back.
#[derive(Default)]
pub struct Body(Kind);

enum Kind {
    Bytes(Bytes),
    Boxed(UnsyncBoxBody<Bytes, BoxError>),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl Body {
    /// The most that [`bytes`](Self::bytes) and [`text`](Self::text) read: 2 MiB.
    pub const DEFAULT_LIMIT: usize = 2 * 1024 * 1024;

    /// No body.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Any body, in a box; a `Body` as it is.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut body = Some(body);
        if let Some(same) = (&mut body as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return same.take().unwrap_or_default();
        }
        let Some(body) = body else {
            return Self::empty();
        };
        // Keeps size and end, which the adapters of `BodyExt` for frames do not.
        Self(Kind::Boxed(ReplayBody::plain(body).boxed_unsync()))
    }

    /// Reads the whole body, of at most [`DEFAULT_LIMIT`](Self::DEFAULT_LIMIT) bytes. Trailers are dropped.
    pub async fn bytes(self) -> Result<Bytes, Error> {
        self.bytes_limited(Self::DEFAULT_LIMIT).await
    }

    /// Reads the whole body, of at most `max` bytes. Trailers are dropped.
    ///
    /// A body that says at the start that it is larger is not read at all.
    pub async fn bytes_limited(self, max: usize) -> Result<Bytes, Error> {
        let too_large = || Error::too_large(max as u64);
        if self.size_hint().lower() > max as u64 {
            return Err(too_large());
        }
        match Limited::new(self, max).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => Err(Error::body(error)),
        }
    }

    /// Reads the whole body as UTF-8, of at most [`DEFAULT_LIMIT`](Self::DEFAULT_LIMIT) bytes.
    pub async fn text(self) -> Result<String, Error> {
        self.text_limited(Self::DEFAULT_LIMIT).await
    }

    /// Reads the whole body as UTF-8, of at most `max` bytes.
    pub async fn text_limited(self, max: usize) -> Result<String, Error> {
        let bytes = self.bytes_limited(max).await?;
        String::from_utf8(bytes.into()).map_err(|error| Error::body(error.into()))
    }
}

macro_rules! from {
    ($($type:ty),+) => {$(
        impl From<$type> for Body {
            fn from(bytes: $type) -> Self {
                Self(Kind::Bytes(bytes.into()))
            }
        }
    )+};
}

from!(Bytes, Vec<u8>, String, &'static str, &'static [u8]);

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            Kind::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Boxed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Bytes(bytes) => bytes.is_empty(),
            Kind::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Boxed(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = self.size_hint();
        f.debug_struct("Body")
            .field("at_least", &hint.lower())
            .field("at_most", &hint.upper())
            .finish()
    }
}
