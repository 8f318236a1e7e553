//! Which protocol a request speaks, and the numbers of gRPC.

use crate::names::{self, GRPC_STATUS};
use http::{HeaderMap, Request, header::CONTENT_TYPE};

/// The protocol of a request: it decides how a call is judged, and how a refusal is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Plain HTTP.
    Http,
    /// gRPC over HTTP/2: the content type is `application/grpc`, with or without `+proto` and the like.
    Grpc,
}

impl Protocol {
    /// The protocol of `req`, by its content type.
    ///
    /// gRPC-Web is plain HTTP in this respect: its trailers travel in the body.
    pub fn of<B>(req: &Request<B>) -> Self {
        Self::of_headers(req.headers())
    }

    pub(crate) fn of_headers(headers: &HeaderMap) -> Self {
        let essence = names::first(headers, &CONTENT_TYPE)
            .and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
        match essence {
            Some([] | [b'+' | b';', ..]) => Self::Grpc,
            _ => Self::Http,
        }
    }
}

/// The gRPC status codes, by [their numbers](https://grpc.io/docs/guides/status-codes/).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the specification's")]
#[repr(u8)]
pub enum GrpcCode {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl GrpcCode {
    const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code in a `grpc-status` header or trailer. One that cannot be read is [`Unknown`](Self::Unknown), as
    /// the protocol has it; `None` where there is none.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let value = names::first(headers, &GRPC_STATUS)?.to_str().ok();
        let code = value.and_then(|value| value.parse::<usize>().ok());
        Some(
            code.and_then(|code| Self::ALL.get(code).copied())
                .unwrap_or(Self::Unknown),
        )
    }

    /// The code of that number.
    pub fn from_number(code: i32) -> Self {
        usize::try_from(code)
            .ok()
            .and_then(|code| Self::ALL.get(code).copied())
            .unwrap_or(Self::Unknown)
    }

    /// The number of the code.
    pub const fn number(self) -> u8 {
        self as u8
    }
}
