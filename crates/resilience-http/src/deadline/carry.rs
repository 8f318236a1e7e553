use super::{format_grpc_timeout, format_millis, parse_grpc_timeout, parse_millis};
use crate::{Protocol, classify::deadline, names::GRPC_TIMEOUT};
use http::{HeaderName, HeaderValue, Request};
use resilience_core::Deadline;
use resilience_timeout::{Carry, MalformedDeadline};
use std::time::Duration;

/// How plain HTTP requests state the time that they have, unless it is configured otherwise.
const TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// How HTTP and gRPC requests carry deadlines: within a process as a [`Deadline`] in their extensions, between processes as
/// the time that is left, in a header.
///
/// | request | header | value |
/// |---|---|---|
/// | gRPC | `grpc-timeout` | 1 to 8 decimal digits and a unit, see [`parse_grpc_timeout`] |
/// | other | `x-request-timeout-ms`, or the one set with [`header`](Self::header) | whole milliseconds, decimal digits and nothing else |
///
/// A header that is repeated must say the same each time.
///
/// Envoy tells the services behind it how long it will wait, and can be told how long by its callers; the format is the
/// same:
///
/// ```
/// use http::HeaderName;
/// use resilience_http::{HttpDeadline, HttpLayer, RespondLayer};
/// use resilience_timeout::DeadlineLayer;
///
/// const ENVOY: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
///
/// let layer = DeadlineLayer::builder("api")
///     .build()?
///     .http()
///     .carry(HttpDeadline::new().header(ENVOY))
///     .respond();
/// # let _ = layer;
/// # Ok::<(), resilience_core::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HttpDeadline {
    header: HeaderName,
}

impl HttpDeadline {
    /// `grpc-timeout` for gRPC, and `x-request-timeout-ms` for all else.
    pub const fn new() -> Self {
        Self { header: TIMEOUT_MS }
    }

    /// The header of requests that are not gRPC.
    pub fn header(mut self, name: HeaderName) -> Self {
        self.header = name;
        self
    }

    /// The header that counts for `req`.
    pub(super) fn header_of<B>(&self, req: &Request<B>) -> Header<'_> {
        match Protocol::of(req) {
            Protocol::Grpc => Header {
                name: &GRPC_TIMEOUT,
                parse: parse_grpc_timeout,
                format: format_grpc_timeout,
                unit: Duration::from_nanos(1),
                expected: "1 to 8 decimal digits and a unit: H, M, S, m, u or n",
            },
            Protocol::Http => Header {
                name: &self.header,
                parse: parse_millis,
                format: format_millis,
                unit: Duration::from_millis(1),
                expected: "whole milliseconds: decimal digits and nothing else",
            },
        }
    }
}

impl Default for HttpDeadline {
    fn default() -> Self {
        Self::new()
    }
}

/// A header that states a time.
pub(super) struct Header<'a> {
    pub(super) name: &'a HeaderName,
    parse: fn(&[u8]) -> Option<Duration>,
    pub(super) format: fn(Duration) -> String,
    /// The shortest time that it can state.
    pub(super) unit: Duration,
    expected: &'static str,
}

impl Header<'_> {
    /// What it states in `req`.
    pub(super) fn read<B>(&self, req: &Request<B>) -> Result<Option<Duration>, MalformedDeadline> {
        let mut stated = None;
        for value in req.headers().get_all(self.name) {
            let time = (self.parse)(value.as_bytes()).ok_or_else(|| self.malformed(value))?;
            if stated.is_some_and(|stated| stated != time) {
                return Err(MalformedDeadline::new(
                    self.name.as_str(),
                    &printable(value),
                    "the same wherever it is repeated",
                ));
            }
            stated = Some(time);
        }
        Ok(stated)
    }

    fn malformed(&self, value: &HeaderValue) -> MalformedDeadline {
        MalformedDeadline::new(self.name.as_str(), &printable(value), self.expected)
    }
}

fn printable(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

impl<B> Carry<Request<B>> for HttpDeadline {
    #[inline]
    fn stated(&self, req: &Request<B>) -> Result<Option<Duration>, MalformedDeadline> {
        self.header_of(req).read(req)
    }

    #[inline]
    fn carried(&self, req: &Request<B>) -> Option<Deadline> {
        deadline(req)
    }

    #[inline]
    fn carry(&self, req: &mut Request<B>, deadline: Deadline) {
        req.extensions_mut().insert(deadline);
    }
}
