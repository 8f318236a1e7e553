//! The happy path through the full stacks of client and server: both ends see what they see without.
//!
//! | client | server | calls |
//! |---|---|---|
//! | hyper-util over HTTP/1, over HTTP/2 | axum | of known length, chunked, streamed both ways at once; [`over_http`] |
//! | tonic | tonic | unary, server stream, client stream, both ways at once; [`over_tonic`] |
//! | hyper-util over HTTP/2 | tonic | the same, in frames written by hand; [`in_raw_frames`] |
//!
//! Compared is all that a [`Message`] holds, of the request at the handler and of the response at the caller. There is no call
//! that legitimately looks different through the stacks.

mod common;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Method, Request, StatusCode},
    response::{AppendHeaders, IntoResponse, Response},
};
use bytes::Bytes;
use common::{
    inventory::{answer, ask, question, reply, serve_behind},
    record::{Message, Records},
    stacks::{self, Client, Policies},
};
use futures_channel::mpsc;
use futures_util::{StreamExt, future::BoxFuture, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use inventory_proto::inventory_client::InventoryClient;
use std::{convert::Infallible, net::SocketAddr};
use tonic::{Status, metadata::MetadataValue};
use tower::{
    ServiceExt,
    layer::util::Identity,
    util::{BoxCloneService, MapRequestLayer},
};

/// Well above what retries keep of a body.
const LARGE: usize = 1024 * 1024;

/// One call, and what is to be seen of it, lest two sides are equal because nothing has happened.
struct Exchange {
    name: &'static str,
    call: fn(Caller) -> BoxFuture<'static, String>,
    shows: fn(&Seen),
    /// A stream of unknown length without a frame is in this call. Over HTTP/2 its end may arrive together with the
    /// head or after it, as chance will have it.
    empty_stream: bool,
}

impl Exchange {
    fn new(
        name: &'static str,
        call: fn(Caller) -> BoxFuture<'static, String>,
        shows: fn(&Seen),
    ) -> Self {
        Self {
            name,
            call,
            shows,
            empty_stream: false,
        }
    }

    fn with_empty_stream(self) -> Self {
        Self {
            empty_stream: true,
            ..self
        }
    }
}

/// One call from both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// As it reached the handler.
    request: Message,
    /// As it reached the caller.
    response: Message,
    /// What the caller made of it.
    result: String,
}

impl Seen {
    fn forget_how_it_ended(&mut self) {
        for message in [&mut self.request, &mut self.response] {
            if message.data.0.is_empty() && message.trailers.is_none() {
                (message.bodiless, message.length) = (false, None);
            }
        }
    }
}

/// Who makes the calls, and to whom.
#[derive(Clone)]
struct Caller {
    client: Client,
    server: SocketAddr,
}

/// Where the stacks are.
#[derive(Clone, Copy, Debug)]
struct Stacks {
    client: bool,
    server: bool,
}

impl Stacks {
    const ALL: [Self; 4] = [
        // The first is what the others are compared with.
        Self::new(false, false),
        Self::new(true, false),
        Self::new(false, true),
        Self::new(true, true),
    ];

    const fn new(client: bool, server: bool) -> Self {
        Self { client, server }
    }
}

#[derive(Clone, Copy, Debug)]
enum Server {
    Axum,
    Tonic,
}

/// Makes all calls, with and without stacks.
async fn compare(client: fn(SocketAddr) -> Client, server: Server, exchanges: &[Exchange]) {
    let mut without: Vec<Seen> = Vec::new();
    for stacks in Stacks::ALL {
        let seen = make(client, server, stacks, exchanges).await;
        if without.is_empty() {
            for (exchange, seen) in exchanges.iter().zip(&seen) {
                println!("{}: {seen:?}", exchange.name);
                (exchange.shows)(seen);
            }
            without = seen;
            continue;
        }
        for ((exchange, without), with) in exchanges.iter().zip(&without).zip(&seen) {
            assert_eq!(with, without, "{}, with {stacks:?}", exchange.name);
        }
    }
}

/// Makes all calls.
async fn make(
    client: fn(SocketAddr) -> Client,
    server: Server,
    stacks: Stacks,
    exchanges: &[Exchange],
) -> Vec<Seen> {
    let [on_client, on_server] = ["client", "server"].map(Policies::new);
    let (requests, responses) = (Records::default(), Records::default());
    let server = match server {
        Server::Axum => axum(stacks.server.then_some(&on_server), &requests).await,
        Server::Tonic => tonic(stacks.server.then_some(&on_server), &requests).await,
    };
    let mut client = client(server);
    if stacks.client {
        client = stacks::client(&on_client, client);
    }
    let record = responses.clone();
    let client = stacks::boxed(client.map_response(move |res| record.response(res)));
    let caller = Caller { client, server };

    let mut all = Vec::new();
    for exchange in exchanges {
        let result = (exchange.call)(caller.clone()).await;
        let [request] = requests.take(server).try_into().unwrap();
        let [response] = responses.take(server).try_into().unwrap();
        let mut seen = Seen {
            request,
            response,
            result,
        };
        if exchange.empty_stream {
            seen.forget_how_it_ended();
        }
        all.push(seen);
    }

    // Where there is a stack, all calls went through it, and were successes.
    for (there, policies) in [(stacks.client, on_client), (stacks.server, on_server)] {
        let expected = if there { exchanges.len() } else { 0 };
        assert_eq!(policies.watched().await, expected as u64, "{stacks:?}");
    }
    all
}

#[tokio::test]
async fn hyper_over_http1_to_axum() {
    compare(|_| stacks::hyper(false), Server::Axum, &over_http()).await;
}

#[tokio::test]
async fn hyper_over_http2_to_axum() {
    compare(|_| stacks::hyper(true), Server::Axum, &over_http()).await;
}

#[tokio::test]
async fn tonic_to_tonic() {
    compare(stacks::tonic, Server::Tonic, &over_tonic()).await;
}

#[tokio::test]
async fn hyper_over_http2_to_tonic() {
    compare(|_| stacks::hyper(true), Server::Tonic, &in_raw_frames()).await;
}

async fn axum(policies: Option<&Policies>, requests: &Records) -> SocketAddr {
    let requests = requests.clone();
    let record = MapRequestLayer::new(move |req: Request<Body>| requests.request(req));
    let app = Router::new().fallback(handler).layer(record);
    common::serve(match policies {
        Some(policies) => app.layer(stacks::server(policies)),
        None => app,
    })
    .await
}

async fn tonic(policies: Option<&Policies>, requests: &Records) -> SocketAddr {
    let requests = requests.clone();
    let record = MapRequestLayer::new(move |req: Request<tonic::body::Body>| requests.request(req));
    match policies {
        Some(policies) => serve_behind((stacks::server(policies), record)).await,
        None => serve_behind((Identity::new(), record)).await,
    }
}

impl Caller {
    /// Sends the request, and reads the response to its end.
    fn send(
        self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> BoxFuture<'static, String> {
        let req = self.request(method, path, headers, body);
        Box::pin(async move {
            let res = self.client.oneshot(req).await.unwrap();
            res.into_body().collect().await.unwrap();
            String::new()
        })
    }

    /// Sends one piece after the other, each of them when the answer to the previous one is there. Then come trailers, if
    /// there are to be any.
    fn send_in_turns(
        self,
        path: &str,
        headers: &[(&str, &str)],
        turns: Vec<(Bytes, Bytes)>,
        with_trailers: bool,
    ) -> BoxFuture<'static, String> {
        let (sender, frames) = mpsc::unbounded();
        let body = Body::new(StreamBody::new(frames.map(Ok::<_, Infallible>)));
        let req = self.request(Method::POST, path, headers, body);
        Box::pin(async move {
            // The head of the response is there before the first piece is.
            let res = self.client.oneshot(req).await.unwrap();
            let mut answers = res.into_body();
            for (piece, answer) in turns {
                sender.unbounded_send(Frame::data(piece)).unwrap();
                let mut read = Vec::new();
                while read.len() < answer.len() {
                    let frame = answers.frame().await.unwrap().unwrap();
                    read.extend_from_slice(&frame.into_data().unwrap());
                }
                assert_eq!(read, answer);
            }
            if with_trailers {
                sender.unbounded_send(Frame::trailers(trailers())).unwrap();
            }
            drop(sender);
            let rest = answers.collect().await.unwrap();
            assert_eq!(rest.to_bytes(), "");
            String::new()
        })
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Request<Body> {
        let uri = common::uri(self.server, path);
        let req = Request::builder().method(method).uri(uri);
        let req = headers
            .iter()
            .fold(req, |req, (name, value)| req.header(*name, *value));
        req.body(body).unwrap()
    }

    fn inventory(self) -> Inventory {
        let from_tonic = |req: Request<tonic::body::Body>| req.map(Body::new);
        let client = self.client.map_request(from_tonic);
        InventoryClient::new(client.map_err(Status::from_error).boxed_clone())
    }
}

type Inventory = InventoryClient<BoxCloneService<Request<tonic::body::Body>, Response, Status>>;

#[expect(clippy::cast_possible_truncation, reason = "a pattern of bytes")]
fn pattern(len: usize) -> Bytes {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

fn trailers() -> HeaderMap {
    let value = HeaderValue::from_static("31");
    HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), value)])
}

fn frames(len: usize) -> Vec<Frame<Bytes>> {
    let bytes = pattern(len);
    let chunks = (0..len).step_by(10_000);
    chunks
        .map(|at| Frame::data(bytes.slice(at..len.min(at + 10_000))))
        .collect()
}

fn of_frames(frames: Vec<Frame<Bytes>>) -> Body {
    let frames = frames.into_iter().map(Ok::<_, Infallible>);
    Body::new(StreamBody::new(stream::iter(frames)))
}

/// A body that does not know how long it is.
fn chunked(len: usize) -> Body {
    of_frames(frames(len))
}

/// The same, with trailers.
fn with_trailers(len: usize) -> Body {
    let mut frames = frames(len);
    frames.push(Frame::trailers(trailers()));
    of_frames(frames)
}

/// Reads requests to their end, but for `/echo`, which sends back what comes, as it comes. The path says what the answer is.
async fn handler(req: Request<Body>) -> Response {
    let announced = [("trailer", "x-sum")];
    let path = req.uri().path().to_owned();
    if path == "/echo" {
        return (announced, req.into_body()).into_response();
    }
    req.into_body().collect().await.unwrap();
    let (kind, number) = path[1..].split_once('/').unwrap();
    let number = number.parse().unwrap();
    match kind {
        "fixed" => Body::from(pattern(number)).into_response(),
        "chunked" => chunked(number).into_response(),
        "trailers" => (announced, with_trailers(number)).into_response(),
        "cookies" => {
            let cookies = (0..number).map(|i| ("set-cookie", format!("cookie={i}")));
            AppendHeaders(cookies.collect::<Vec<_>>()).into_response()
        }
        "status" => {
            let status = StatusCode::from_u16(u16::try_from(number).unwrap()).unwrap();
            match status {
                StatusCode::NO_CONTENT => status.into_response(),
                StatusCode::NOT_MODIFIED => (status, [("etag", "\"5\"")]).into_response(),
                StatusCode::FOUND => (status, [("location", "/fixed/5")]).into_response(),
                status => (status, status.to_string()).into_response(),
            }
        }
        kind => unreachable!("{kind}"),
    }
}

/// Plain HTTP to the [`handler`].
fn over_http() -> Vec<Exchange> {
    let mut all = of_known_length();
    all.extend(in_chunks());
    all.extend(with_trailers_and_both_ways());
    all.extend(without_content());
    all
}

fn of_known_length() -> Vec<Exchange> {
    vec![
        Exchange::new(
            "no body, and one of known length",
            |to| to.send(Method::GET, "/fixed/5", &[], Body::empty()),
            |seen| {
                assert!(seen.request.bodiless);
                assert_eq!(seen.response.header("content-length"), Some("5"));
                assert_eq!(seen.response.length, Some(5));
                assert_eq!(seen.response.data.0, pattern(5));
            },
        ),
        Exchange::new(
            "known lengths",
            |to| to.send(Method::POST, "/fixed/7", &[], Body::from(pattern(6))),
            |seen| {
                assert_eq!(seen.request.header("content-length"), Some("6"));
                assert_eq!(seen.response.header("content-length"), Some("7"));
                assert_eq!(seen.request.data.0, pattern(6));
                assert_eq!(seen.response.data.0, pattern(7));
            },
        ),
        Exchange::new(
            "1 MiB of known length",
            |to| to.send(Method::PUT, "/fixed/1048576", &[], pattern(LARGE).into()),
            |seen| {
                for message in [&seen.request, &seen.response] {
                    assert_eq!(message.header("content-length"), Some("1048576"));
                    assert_eq!(message.data.0, pattern(LARGE));
                }
            },
        ),
        Exchange::new(
            "known lengths of zero",
            |to| to.send(Method::POST, "/fixed/0", &[], Body::from(Bytes::new())),
            |seen| assert!(seen.request.bodiless && seen.response.bodiless),
        ),
    ]
}

fn in_chunks() -> Vec<Exchange> {
    vec![
        Exchange::new(
            "chunks",
            |to| to.send(Method::POST, "/chunked/30000", &[], chunked(20_000)),
            |seen| {
                for (message, length) in [(&seen.request, 20_000), (&seen.response, 30_000)] {
                    assert_is_chunked(message);
                    assert_eq!(message.data.0, pattern(length));
                }
            },
        ),
        Exchange::new(
            "1 MiB in chunks",
            |to| to.send(Method::PUT, "/chunked/1048576", &[], chunked(LARGE)),
            |seen| {
                for message in [&seen.request, &seen.response] {
                    assert_is_chunked(message);
                    assert_eq!(message.data.0, pattern(LARGE));
                }
            },
        ),
        Exchange::new(
            "streams without a frame",
            |to| to.send(Method::POST, "/chunked/0", &[], chunked(0)),
            |seen| {
                for message in [&seen.request, &seen.response] {
                    assert_is_chunked(message);
                    assert_eq!(message.data.0, b"");
                }
            },
        )
        .with_empty_stream(),
        Exchange::new(
            "a stream whose length the caller declares",
            |to| {
                let headers = &[("content-length", "20000")];
                to.send(Method::POST, "/fixed/5", headers, chunked(20_000))
            },
            |seen| {
                assert_eq!(seen.request.length, Some(20_000));
                assert_eq!(seen.request.data.0, pattern(20_000));
            },
        ),
    ]
}

/// What hyper needs before it sends trailers over HTTP/1.
const MAY_HAVE_TRAILERS: &[(&str, &str)] = &[("te", "trailers"), ("trailer", "x-sum")];

fn with_trailers_and_both_ways() -> Vec<Exchange> {
    vec![
        Exchange::new(
            "trailers",
            |to| {
                let body = with_trailers(20_000);
                to.send(Method::PUT, "/trailers/20000", MAY_HAVE_TRAILERS, body)
            },
            |seen| {
                for message in [&seen.request, &seen.response] {
                    assert_eq!(message.data.0, pattern(20_000));
                    assert_has_trailers(message);
                }
            },
        ),
        Exchange::new(
            "nothing but trailers",
            |to| {
                let body = with_trailers(0);
                to.send(Method::POST, "/trailers/0", MAY_HAVE_TRAILERS, body)
            },
            |seen| {
                for message in [&seen.request, &seen.response] {
                    assert_eq!(message.data.0, b"");
                    assert_has_trailers(message);
                }
            },
        ),
        Exchange::new(
            "both ways at once",
            |to| {
                let turns = ["one", "two", "three"].map(|word| (word.into(), word.into()));
                to.send_in_turns("/echo", MAY_HAVE_TRAILERS, turns.into(), true)
            },
            |seen| {
                for message in [&seen.request, &seen.response] {
                    assert_is_chunked(message);
                    assert_eq!(message.data.0, b"onetwothree");
                    assert_has_trailers(message);
                }
            },
        ),
    ]
}

/// Responses without a body, and heads that are special.
fn without_content() -> Vec<Exchange> {
    vec![
        Exchange::new(
            "HEAD, of a known length",
            |to| to.send(Method::HEAD, "/fixed/1048576", &[], Body::empty()),
            |seen| {
                assert_eq!(seen.response.header("content-length"), Some("1048576"));
                assert!(seen.response.bodiless && seen.response.data.0.is_empty());
            },
        ),
        Exchange::new(
            "HEAD, of chunks",
            |to| to.send(Method::HEAD, "/chunked/5", &[], Body::empty()),
            |seen| {
                assert_eq!(seen.response.header("content-length"), None);
                assert!(seen.response.bodiless && seen.response.data.0.is_empty());
            },
        ),
        Exchange::new(
            "204",
            |to| to.send(Method::DELETE, "/status/204", &[], Body::from("why")),
            |seen| {
                assert!(seen.response.head.starts_with("204"));
                assert_eq!(seen.request.data.0, b"why");
                assert!(seen.response.bodiless);
            },
        ),
        Exchange::new(
            "304",
            |to| {
                to.send(
                    Method::GET,
                    "/status/304",
                    &[("if-none-match", "\"5\"")],
                    Body::empty(),
                )
            },
            |seen| {
                assert!(seen.response.head.starts_with("304"));
                assert_eq!(seen.response.header("etag"), Some("\"5\""));
                assert!(seen.response.bodiless && seen.response.data.0.is_empty());
            },
        ),
        Exchange::new(
            "302",
            |to| to.send(Method::GET, "/status/302", &[], Body::empty()),
            |seen| assert_eq!(seen.response.header("location"), Some("/fixed/5")),
        ),
        Exchange::new(
            "404, which is an answer",
            |to| to.send(Method::GET, "/status/404", &[], Body::empty()),
            |seen| assert_eq!(seen.response.data.0, b"404 Not Found"),
        ),
        Exchange::new(
            "headers of one name, a query, bytes beyond ASCII",
            |to| {
                let headers = &[
                    ("x-tag", "b"),
                    ("x-tag", "a"),
                    ("x-name", "bü"),
                    ("cookie", "a=1"),
                ];
                to.send(
                    Method::OPTIONS,
                    "/cookies/3?q=a%20b&q=%C3%BC",
                    headers,
                    Body::empty(),
                )
            },
            |seen| {
                assert_eq!(seen.request.headers.all("x-tag"), ["b", "a"]);
                assert_eq!(seen.request.header("x-name"), Some("bü"));
                let cookies = ["cookie=0", "cookie=1", "cookie=2"];
                assert_eq!(seen.response.headers.all("set-cookie"), cookies);
                assert!(seen.request.head.contains("?q=a%20b&q=%C3%BC"));
            },
        ),
    ]
}

fn assert_is_chunked(message: &Message) {
    assert_eq!(message.header("content-length"), None);
    let chunked = message.head.ends_with("HTTP/1.1").then_some("chunked");
    assert_eq!(message.header("transfer-encoding"), chunked);
}

fn assert_has_trailers(message: &Message) {
    let trailers = message.trailers.as_ref().unwrap();
    assert_eq!(trailers.all("x-sum"), ["31"]);
}

/// The four kinds of calls, and some that are special, by tonic's client.
fn over_tonic() -> Vec<Exchange> {
    let mut all = vec![
        Exchange::new(
            "unary, with metadata",
            |to| {
                Box::pin(async move {
                    let mut req = tonic::Request::new(ask("lamp"));
                    let metadata = req.metadata_mut();
                    metadata.append("x-tag", "b".parse().unwrap());
                    metadata.append("x-tag", "a".parse().unwrap());
                    metadata.insert_bin("x-trace-bin", MetadataValue::from_bytes(&[0, 255]));
                    told(to.inventory().stock(req).await)
                })
            },
            |seen| {
                assert_eq!(seen.request.headers.all("x-tag"), ["b", "a"]);
                assert_eq!(seen.request.header("x-trace-bin"), Some("AP8"));
                assert_eq!(seen.result, format!("{:?}", reply("lamp", 1)));
                assert_ends_well(&seen.response);
            },
        ),
        Exchange::new(
            "unary, with a status for an answer",
            |to| Box::pin(async move { told(to.inventory().stock(ask("missing")).await) }),
            |seen| {
                assert_eq!(seen.result, "NotFound: missing");
                assert_eq!(seen.response.header("grpc-status"), Some("5"));
                assert!(seen.response.bodiless);
            },
        ),
        Exchange::new(
            "server stream",
            |to| {
                Box::pin(async move {
                    let replies = to.inventory().watch(ask("lamp")).await.unwrap();
                    told_all(replies).await
                })
            },
            |seen| {
                let replies = [1, 2, 3].map(|count| reply("lamp", count));
                assert_eq!(seen.result, format!("{replies:?}"));
                assert_ends_well(&seen.response);
            },
        ),
    ];
    all.extend([
        Exchange::new(
            "client stream",
            |to| deliver(to, 3),
            |seen| {
                assert_eq!(seen.result, format!("{:?}", reply("sum", 6)));
                assert_ends_well(&seen.response);
            },
        ),
        Exchange::new(
            "client stream, of more than is kept for a retry",
            |to| deliver(to, 10_000),
            |seen| {
                assert_eq!(seen.result, format!("{:?}", reply("sum", 50_005_000)));
                assert!(seen.request.data.0.len() > 64 * 1024);
            },
        ),
        Exchange::new(
            "client stream, without a message",
            |to| deliver(to, 0),
            |seen| assert_eq!(seen.result, format!("{:?}", reply("sum", 0))),
        )
        .with_empty_stream(),
        Exchange::new(
            "both ways at once",
            |to| {
                Box::pin(async move {
                    let (sender, questions) = mpsc::unbounded();
                    let answers = to.inventory().ask(questions).await.unwrap();
                    let mut answers = answers.into_inner();
                    for product in PRODUCTS {
                        sender.unbounded_send(ask(product)).unwrap();
                        let answer = answers.message().await.unwrap();
                        assert_eq!(answer, Some(reply(product, 7)));
                    }
                    drop(sender);
                    assert_eq!(answers.message().await.unwrap(), None);
                    String::new()
                })
            },
            |seen| {
                assert!(seen.request.data.0.len() > PRODUCTS.concat().len());
                assert_ends_well(&seen.response);
            },
        ),
    ]);
    all
}

const PRODUCTS: [&str; 3] = ["lamp", "chair", "table"];

fn deliver(to: Caller, deliveries: u32) -> BoxFuture<'static, String> {
    let deliveries = stream::iter((1..=deliveries).map(|count| reply("lamp", count)));
    Box::pin(async move { told(to.inventory().deliver(deliveries).await) })
}

fn told<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, Status>) -> String {
    match answer {
        Ok(answer) => format!("{:?}", answer.into_inner()),
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    }
}

async fn told_all<T: std::fmt::Debug>(answers: tonic::Response<tonic::Streaming<T>>) -> String {
    let answers: Vec<_> = answers.into_inner().map(Result::unwrap).collect().await;
    format!("{answers:?}")
}

fn assert_ends_well(message: &Message) {
    let trailers = message.trailers.as_ref().unwrap();
    assert_eq!(trailers.all("grpc-status"), ["0"]);
}

/// The four kinds of calls, in frames written by hand.
fn in_raw_frames() -> Vec<Exchange> {
    vec![
        Exchange::new(
            "unary",
            |to| to.send_grpc("Stock", vec![question("lamp")]),
            |seen| {
                assert_eq!(seen.request.data.0, question("lamp"));
                assert_eq!(seen.response.data.0, answer("lamp", 1));
                assert_ends_well(&seen.response);
            },
        ),
        Exchange::new(
            "unary, with a status for an answer",
            |to| to.send_grpc("Stock", vec![question("missing")]),
            |seen| {
                assert_eq!(seen.response.header("grpc-status"), Some("5"));
                assert!(seen.response.bodiless);
            },
        ),
        Exchange::new(
            "server stream",
            |to| to.send_grpc("Watch", vec![question("lamp")]),
            |seen| {
                let answers = [1, 2, 3].map(|count| answer("lamp", count));
                assert_eq!(seen.response.data.0, answers.concat());
                assert_ends_well(&seen.response);
            },
        ),
        Exchange::new(
            "client stream",
            |to| to.send_grpc("Deliver", [1, 2].map(|count| answer("lamp", count)).into()),
            |seen| {
                assert_eq!(seen.response.data.0, answer("sum", 3));
                assert_ends_well(&seen.response);
            },
        ),
        Exchange::new(
            "both ways at once",
            |to| {
                let turns = PRODUCTS.map(|product| (question(product), answer(product, 7)));
                to.send_in_turns(
                    "/inventory.Inventory/Ask",
                    stacks::GRPC,
                    turns.into(),
                    false,
                )
            },
            |seen| {
                let answers = PRODUCTS.map(|product| answer(product, 7));
                assert_eq!(seen.response.data.0, answers.concat());
                assert_ends_well(&seen.response);
            },
        ),
    ]
}

impl Caller {
    fn send_grpc(self, method: &str, messages: Vec<Bytes>) -> BoxFuture<'static, String> {
        let messages = messages.into_iter().map(Frame::data).collect();
        let path = format!("/inventory.Inventory/{method}");
        self.send(Method::POST, &path, stacks::GRPC, of_frames(messages))
    }
}
