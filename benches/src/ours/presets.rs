//! The whole stacks for HTTP and gRPC, from the request to the end of the response's body.

use super::{NAME, PLENTY, VALID, spent, subject};
use crate::{
    drive::Tally,
    subject::{Bare, By, Instance, Subject, unseen},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DATE, HOST, TE, USER_AGENT},
};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Empty;
use resilience_core::{BoxError, clock};
use resilience_ratelimit::RateLimit;
use resilience_stack::{client::ClientStack, server::ServerStack};
use std::{
    future::Future,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};
use tower::{Layer, Service};

/// What is spoken, and how soon there is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// HTTP, answered at once: a handler.
    Http,
    /// HTTP, answered at the second poll: a client.
    HttpLater,
    /// gRPC, answered at once, its status in the trailers: a handler.
    Grpc,
}

impl Kind {
    fn request(self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        let usual: &[_] = match self {
            Self::Http | Self::HttpLater => &[
                (HOST, "inventory.example:8080"),
                (USER_AGENT, "bench/1.0"),
                (ACCEPT, "application/json"),
                (ACCEPT_ENCODING, "gzip, br"),
            ],
            Self::Grpc => {
                *request.method_mut() = Method::POST;
                &[
                    (TE, "trailers"),
                    (CONTENT_TYPE, "application/grpc"),
                    (USER_AGENT, "tonic/0.14"),
                ]
            }
        };
        set(request.headers_mut(), usual);
        request
    }

    fn response(self) -> Response<HelloBody> {
        let mut response = Response::new(HelloBody {
            data: true,
            trailers: self == Self::Grpc,
        });
        let usual: &[_] = match self {
            Self::Http | Self::HttpLater => &[
                (CONTENT_TYPE, "text/plain; charset=utf-8"),
                (CONTENT_LENGTH, "5"),
                (DATE, "Sun, 06 Nov 1994 08:49:37 GMT"),
            ],
            Self::Grpc => &[(CONTENT_TYPE, "application/grpc")],
        };
        set(response.headers_mut(), usual);
        response
    }
}

/// Headers as requests and responses have them.
fn set(headers: &mut HeaderMap, usual: &[(HeaderName, &'static str)]) {
    headers.reserve(usual.len());
    for (name, value) in usual {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A handler, or a client. It answers with one frame of data.
#[derive(Clone, Debug)]
struct Hello(Kind);

const HELLO: &[u8] = b"hello";

#[derive(Debug)]
struct HelloFuture {
    kind: Kind,
    /// How often it is pending yet.
    pending: u8,
}

impl<B> Service<Request<B>> for Hello {
    type Response = Response<HelloBody>;
    type Error = BoxError;
    type Future = HelloFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> HelloFuture {
        HelloFuture {
            kind: self.0,
            pending: u8::from(self.0 == Kind::HttpLater),
        }
    }
}

impl Future for HelloFuture {
    type Output = Result<Response<HelloBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(pending) = self.pending.checked_sub(1) {
            self.pending = pending;
            return Poll::Pending;
        }
        Poll::Ready(Ok(self.kind.response()))
    }
}

/// What is still to come.
#[derive(Debug)]
struct HelloBody {
    data: bool,
    trailers: bool,
}

impl Body for HelloBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if mem::take(&mut self.data) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(HELLO)))));
        }
        Poll::Ready(mem::take(&mut self.trailers).then(|| {
            let mut trailers = HeaderMap::with_capacity(1);
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            Ok(Frame::trailers(trailers))
        }))
    }

    fn is_end_stream(&self) -> bool {
        !self.data && !self.trailers
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(if self.data { HELLO.len() as u64 } else { 0 })
    }
}

/// How many bytes of data a call has come to.
struct Read(usize);

impl crate::drive::Response for Read {
    fn answers(&self, _: u64) -> bool {
        self.0 == HELLO.len()
    }
}

/// One call, until the end of the body, as a connection drives it.
fn exchange<S, B>(service: &mut S, kind: Kind, tally: &mut Tally) -> Result<Read, BoxError>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let ready = service.poll_ready(&mut cx);
    assert!(ready.is_ready(), "inner is");
    let response = tally.wait(service.call(kind.request()));
    let mut body = pin!(response.map_err(Into::into)?.into_body());
    let mut read = 0;
    while !body.is_end_stream() {
        match body.as_mut().poll_frame(&mut cx) {
            Poll::Ready(Some(frame)) => {
                let frame = frame.map_err(Into::into)?;
                read += frame.data_ref().map_or(0, Bytes::len);
            }
            Poll::Ready(None) => break,
            Poll::Pending => return Err("a body that is there".into()),
        }
    }
    Ok(Read(read))
}

fn instance<S, B, V>(kind: Kind, make: impl FnOnce(Hello) -> (S, V)) -> Instance
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    V: Fn(u64) + 'static,
{
    Instance::direct(
        || make(Hello(kind)),
        move |service: &mut S, _, tally| exchange(service, kind, tally),
    )
}

fn limit() -> (RateLimit, impl Fn(u64)) {
    let limit = RateLimit::builder(NAME).quota(PLENTY).build();
    let (limit, spent) = (limit.expect(VALID), spent());
    let seen = limit.clone();
    (limit, move |calls| {
        spent(calls, seen.available(clock::now()));
    })
}

pub fn subjects() -> Vec<Subject> {
    let server = |kind, builder: fn(&'static str) -> resilience_stack::server::ServerBuilder| {
        move || {
            instance(kind, |hello| {
                let (limit, verify) = limit();
                let stack = builder(NAME).rate_limit(limit).build();
                (stack.expect(VALID).layer(hello), verify)
            })
        }
    };
    vec![
        bare("HTTP", Kind::Http),
        bare("HTTP: one pending poll", Kind::HttpLater),
        bare("gRPC", Kind::Grpc),
        subject(
            "preset of an HTTP server",
            "",
            server(Kind::Http, |name| ServerStack::http(name)),
        )
        .allocating(9.0)
        .over(Bare::Whole(Kind::Http)),
        subject(
            "preset of a gRPC server",
            "",
            server(Kind::Grpc, |name| ServerStack::grpc(name)),
        )
        .allocating(12.0)
        .over(Bare::Whole(Kind::Grpc)),
        subject("preset of an HTTP client, one pending poll", "", || {
            instance(Kind::HttpLater, |hello| {
                let (limit, verify) = limit();
                let stack = ClientStack::http(NAME).rate_limit(limit).build();
                (stack.expect(VALID).layer(hello), verify)
            })
        })
        .allocating(9.0)
        .over(Bare::Whole(Kind::HttpLater)),
    ]
}

/// What is subtracted.
fn bare(detail: &'static str, kind: Kind) -> Subject {
    let make = move || instance(kind, |hello| (hello, unseen));
    Subject::new("bare", By::Bare, detail, make).over(Bare::Whole(kind))
}
