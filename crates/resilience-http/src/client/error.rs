use super::Target;
use http::StatusCode;
use resilience_core::{BoxError, Reason, Rejected, find_cause};
use resilience_timeout::{DeadlineExceeded, TimedOut};
use std::{error::Error as StdError, fmt, io};

/// Why there is no response, or not all of it.
///
/// [`source`](StdError::source) leads to the cause: of hyper-util's client, of a layer, of the fallback. [`Rejected::find`]
/// and the like look through it. Neither `Display` nor `Debug` shows the query of the URI.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    target: Option<Target>,
    source: Option<BoxError>,
}

#[derive(Debug)]
enum Kind {
    /// The request cannot be sent: what is wrong with it.
    Request(String),
    Call,
    Body,
    TooLarge(u64),
    Status(StatusCode),
}

impl Error {
    fn new(kind: Kind, target: Option<Target>, source: Option<BoxError>) -> Self {
        Self(Box::new(Inner {
            kind,
            target,
            source,
        }))
    }

    pub(super) fn request(what: impl Into<String>) -> Self {
        Self::new(Kind::Request(what.into()), None, None)
    }

    pub(super) fn caused_request(what: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::new(Kind::Request(what.into()), None, Some(source.into()))
    }

    /// The call's error, unless it is one already.
    pub(super) fn call(target: Target, source: BoxError) -> Self {
        match source.downcast() {
            Ok(error) => *error,
            Err(source) => Self::new(Kind::Call, Some(target), Some(source)),
        }
    }

    pub(super) fn body(source: BoxError) -> Self {
        Self::new(Kind::Body, None, Some(source))
    }

    pub(super) fn too_large(limit: u64) -> Self {
        Self::new(Kind::TooLarge(limit), None, None)
    }

    pub(super) fn status(status: StatusCode, target: Option<Target>) -> Self {
        Self::new(Kind::Status(status), target, None)
    }

    pub(super) fn not_ready(source: BoxError) -> Self {
        Self::new(Kind::Call, None, Some(source))
    }

    /// The request is wrong, and was not sent: its URI, a header, a setting.
    pub fn is_request(&self) -> bool {
        matches!(self.0.kind, Kind::Request(_))
    }

    /// No connection could be made.
    pub fn is_connect(&self) -> bool {
        find_cause(self).is_some_and(hyper_util::client::legacy::Error::is_connect)
    }

    /// Something took too long: an attempt, the whole call, making the connection, or the next part of the body.
    pub fn is_timeout(&self) -> bool {
        find_cause::<TimedOut>(self).is_some()
            || find_cause::<DeadlineExceeded>(self).is_some()
            || self
                .rejected()
                .is_some_and(|why| why.reason() == Reason::Deadline)
            || find_cause::<io::Error>(self)
                .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    }

    /// This client refused the call: the host's breaker is open, too many calls are in flight to it, or the time of the
    /// call was over before it was sent, which is a [timeout](Self::is_timeout) too.
    pub fn is_refused(&self) -> bool {
        self.rejected().is_some()
    }

    /// The refusal, if [there was one](Self::is_refused).
    pub fn rejected(&self) -> Option<&Rejected> {
        Rejected::find(self)
    }

    /// The head of the response was there, but its body broke off, is larger than it may be, or is no text.
    pub fn is_body(&self) -> bool {
        matches!(self.0.kind, Kind::Body | Kind::TooLarge(_))
    }

    /// The body is larger than it may be.
    pub fn is_too_large(&self) -> bool {
        matches!(self.0.kind, Kind::TooLarge(_))
    }

    /// The status of a response that [`error_for_status`](super::error_for_status) made an error of.
    pub fn status_code(&self) -> Option<StatusCode> {
        match self.0.kind {
            Kind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// What the call was for, where the error is that of a call.
    pub fn target(&self) -> Option<&Target> {
        self.0.target.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            Kind::Request(what) => write!(f, "the request cannot be sent: {what}")?,
            Kind::Call => match self.rejected() {
                // The layers of a client share its name.
                Some(why) => {
                    let (policy, reason): (&str, _) = (why.policy(), why.reason().label());
                    write!(f, "the call was refused by policy {policy:?} ({reason})")?;
                }
                None => f.write_str(match self {
                    _ if self.is_connect() => "no connection could be made",
                    _ if self.is_timeout() => "the call took too long",
                    _ => "the call failed",
                })?,
            },
            Kind::Body => f.write_str("the body of the response could not be read")?,
            Kind::TooLarge(limit) => {
                write!(f, "the body of the response has more than {limit} bytes")?;
            }
            Kind::Status(status) => write!(f, "the response has the status {status}")?,
        }
        match &self.0.target {
            Some(target) => write!(f, ": {target}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            target,
            source,
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("target", target)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}
