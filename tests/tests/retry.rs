//! Retries of requests with streamed bodies, through hyper-util's client and a tonic `Channel`.

mod common;

use axum::{Router, body::Body, extract::State, http::StatusCode, routing::post};
use bytes::Bytes;
use common::inventory::{reply, serve_behind};
use futures_util::{StreamExt, stream};
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use inventory_proto::{StockReply, inventory_client::InventoryClient};
use resilience_stack::{
    http::{HttpReplay, ReplayBody},
    prelude::*,
};
use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};
use tonic::transport::Endpoint;
use tower::{Layer, ServiceBuilder, ServiceExt, layer::util::Identity, service_fn};

const CAP: usize = 64 * 1024;

fn retries() -> RetryLayer {
    RetryLayer::builder("test")
        .attempts(3)
        .backoff(Backoff::constant(Duration::from_millis(1)).unwrap())
        .build()
        .unwrap()
}

/// A streamed body of `len` bytes, in chunks of uneven size.
fn streamed(len: usize) -> Body {
    let bytes = Bytes::from(pattern(len));
    let chunks: Vec<_> = (0..)
        .map_while({
            let mut rest = bytes;
            move |i| {
                let size = rest.len().min(1_000 + 37 * i);
                (size > 0).then(|| Ok::<_, Infallible>(rest.split_to(size)))
            }
        })
        .collect();
    Body::from_stream(stream::iter(chunks))
}

#[expect(clippy::cast_possible_truncation, reason = "a pattern of bytes")]
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

/// What has arrived at the server, attempt by attempt.
type Seen = Arc<Mutex<Vec<Bytes>>>;

/// Reads every request to its end; answers 503 the first time, and 200 after.
async fn flaky(State(seen): State<Seen>, body: Bytes) -> StatusCode {
    let mut seen = seen.lock().unwrap();
    seen.push(body);
    if seen.len() == 1 {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    StatusCode::OK
}

async fn server() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let app = Router::new()
        .route("/", post(flaky).put(flaky))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(seen.clone());
    (common::serve(app).await, seen)
}

/// A port of the loopback interface where nobody listens.
async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// Connects to `address`, except that the first `refusals` connections are tried where nobody listens.
fn connector(
    address: SocketAddr,
    refusals: u32,
) -> impl tower::Service<
    http::Uri,
    Response = TokioIo<TcpStream>,
    Error = io::Error,
    Future: Send + Unpin,
> + Clone
+ Send
+ Sync
+ 'static {
    let tried = Arc::new(AtomicU32::new(0));
    service_fn(move |_: http::Uri| {
        let refuse = tried.fetch_add(1, SeqCst) < refusals;
        Box::pin(async move {
            let address = if refuse { closed_port().await } else { address };
            TcpStream::connect(address).await.map(TokioIo::new)
        })
    })
}

async fn send(
    method: Method,
    address: SocketAddr,
    refusals: u32,
    body: Body,
) -> Result<StatusCode, BoxError> {
    let client = Client::builder(TokioExecutor::new()).build(connector(address, refusals));
    let service = retries().http().layer(client);
    let uri = common::uri(address, "/");
    let req = Request::builder().method(method).uri(uri).body(body)?;
    let res = service.oneshot(req).await?;
    let status = res.status();
    res.into_body().collect().await?;
    Ok(status)
}

#[tokio::test]
async fn the_second_attempt_receives_the_same_bytes() {
    for len in [0, 1, 5_000, CAP] {
        let (address, seen) = server().await;
        let status = send(Method::PUT, address, 0, streamed(len)).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(*seen.lock().unwrap(), [pattern(len), pattern(len)], "{len}");
    }
}

#[tokio::test]
async fn over_the_cap_there_is_one_attempt() {
    let (address, seen) = server().await;
    let status = send(Method::PUT, address, 0, streamed(CAP + 1))
        .await
        .unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(*seen.lock().unwrap(), [pattern(CAP + 1)]);
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_whatever_the_method_and_the_size() {
    for (method, len) in [
        (Method::PUT, 5_000),
        (Method::POST, 5_000),
        (Method::POST, 4 * CAP),
    ] {
        let (address, seen) = server().await;
        seen.lock().unwrap().push(Bytes::new()); // No 503 this time.
        let status = send(method, address, 2, streamed(len)).await.unwrap();
        assert_eq!(status, StatusCode::OK);
        assert_eq!(seen.lock().unwrap()[1..], [pattern(len)]);
    }
}

#[tokio::test]
async fn a_post_that_was_sent_is_not_repeated_unless_it_says_that_it_may() {
    let (address, seen) = server().await;
    let status = send(Method::POST, address, 0, streamed(10)).await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.lock().unwrap().len(), 1);

    let (address, seen) = server().await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = retries().http().layer(client);
    let req = Request::post(common::uri(address, "/"))
        .header("idempotency-key", "7c1")
        .body(streamed(10))
        .unwrap();
    assert_eq!(service.oneshot(req).await.unwrap().status(), StatusCode::OK);
    assert_eq!(*seen.lock().unwrap(), [pattern(10), pattern(10)]);
}

#[tokio::test]
async fn a_streamed_call_through_a_channel_is_repeated_after_a_refused_connection() {
    let address = serve_behind(Identity::new()).await;
    let channel = Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_with_connector_lazy(connector(address, 1));
    let stack = ServiceBuilder::new()
        .layer(retries().grpc())
        .map_request(|req: Request<ReplayBody<tonic::body::Body>>| req.map(tonic::body::Body::new))
        .service(channel);
    let mut inventory = InventoryClient::new(stack);
    let deliveries = stream::iter((1..=100).map(|count| reply("lamp", count)));
    let sum = inventory.deliver(deliveries).await.unwrap().into_inner();
    assert_eq!(sum, reply("sum", 5_050));
}

/// Sends the deliveries through a `Channel` to a server that reads the whole request, and fails the first two
/// times. What came of it, and what the server has read.
async fn deliver_to_a_failing_server(
    deliveries: u32,
) -> (
    Result<tonic::Response<StockReply>, tonic::Status>,
    Vec<Bytes>,
) {
    let (calls, bytes) = (Arc::new(AtomicU32::new(0)), Seen::default());
    let failing = {
        let (calls, bytes) = (calls.clone(), bytes.clone());
        tower::layer::layer_fn(move |inner: tonic::service::Routes| {
            let (calls, bytes) = (calls.clone(), bytes.clone());
            service_fn(move |req: Request<tonic::body::Body>| {
                let (calls, bytes, inner) = (calls.clone(), bytes.clone(), inner.clone());
                async move {
                    let (head, body) = req.into_parts();
                    let body = body.collect().await?.to_bytes();
                    bytes.lock().unwrap().push(body.clone());
                    if calls.fetch_add(1, SeqCst) < 2 {
                        let lost = tonic::Status::unavailable("lost").into_http();
                        return Ok::<_, BoxError>(lost);
                    }
                    let body = tonic::body::Body::new(http_body_util::Full::new(body));
                    Ok(inner.oneshot(Request::from_parts(head, body)).await?)
                }
            })
        })
    };
    let address = serve_behind(failing).await;
    let stack = ServiceBuilder::new()
        .layer(retries().grpc())
        .map_request(|req: Request<ReplayBody<tonic::body::Body>>| req.map(tonic::body::Body::new))
        .service(common::inventory::channel(address));
    let mut inventory = InventoryClient::new(stack);
    let deliveries = stream::iter((1..=deliveries).map(|count| reply("lamp", count)));
    let sum = inventory.deliver(deliveries).await;
    let bytes = bytes.lock().unwrap().clone();
    (sum, bytes)
}

#[tokio::test]
async fn over_the_cap_there_is_one_attempt_through_a_channel_too() {
    let (sum, bytes) = deliver_to_a_failing_server(10_000).await;
    assert_eq!(sum.unwrap_err().code(), tonic::Code::Unavailable);
    assert_eq!(bytes.len(), 1);
    assert!(bytes[0].len() > CAP);
}

#[tokio::test]
async fn a_streamed_call_through_a_channel_is_repeated_after_a_failure() {
    let (sum, bytes) = deliver_to_a_failing_server(100).await;
    assert_eq!(sum.unwrap().into_inner(), reply("sum", 5_050));
    assert_eq!(bytes.len(), 3);
    assert!(
        bytes
            .iter()
            .all(|attempt| *attempt == bytes[0] && !attempt.is_empty())
    );
}

#[tokio::test]
async fn the_server_learns_which_attempt_it_is() {
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let app = Router::new().route(
        "/",
        axum::routing::get({
            let attempts = attempts.clone();
            move |headers: http::HeaderMap| async move {
                let attempt = headers.get("x-attempt").cloned();
                attempts.lock().unwrap().push(attempt);
                StatusCode::BAD_GATEWAY
            }
        }),
    );
    let address = common::serve(app).await;
    let replay = HttpReplay::new().attempt_header(http::HeaderName::from_static("x-attempt"));
    let client = Client::builder(TokioExecutor::new()).build_http();
    let service = retries().http().replay(replay).layer(client);
    let req = Request::get(common::uri(address, "/"))
        .body(Body::empty())
        .unwrap();
    let res = service.oneshot(req).await.unwrap();
    // The real last answer.
    assert_eq!(res.status(), StatusCode::BAD_GATEWAY);
    let attempts = attempts.lock().unwrap();
    let seen: Vec<_> = attempts
        .iter()
        .map(|attempt| attempt.as_ref().map(|attempt| attempt.to_str().unwrap()))
        .collect();
    assert_eq!(seen, [None, Some("2"), Some("3")]);
}

#[tokio::test]
async fn an_endless_body_is_sent_once_and_not_kept() {
    // A request that never ends cannot be replayed; it goes out as it comes.
    let (address, seen) = server().await;
    let chunk = Bytes::from(vec![7; 16 * 1024]);
    let long = stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone())).take(64);
    let status = send(Method::PUT, address, 0, Body::from_stream(long))
        .await
        .unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(seen.lock().unwrap()[0].len(), 1024 * 1024);
}

/// Answers 503 the first time, without a look at the body.
async fn hasty(State(seen): State<Seen>, req: axum::extract::Request) -> StatusCode {
    let first = {
        let mut seen = seen.lock().unwrap();
        seen.push(Bytes::new());
        seen.len() == 1
    };
    if first {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let body = req.into_body().collect().await.unwrap().to_bytes();
    *seen.lock().unwrap().last_mut().unwrap() = body;
    StatusCode::OK
}

#[tokio::test]
async fn a_server_that_answers_before_it_has_read_gets_all_of_it_the_second_time() {
    for http2 in [false, true] {
        let seen = Seen::default();
        let app = Router::new()
            .route("/", axum::routing::put(hasty))
            .with_state(seen.clone());
        let address = common::serve(app).await;
        // The client is in the middle of the body when the answer comes.
        let (mut sender, body) = futures_channel::mpsc::channel(1);
        sender
            .try_send(Ok::<_, Infallible>(Bytes::from("first ")))
            .unwrap();
        let client = Client::builder(TokioExecutor::new())
            .http2_only(http2)
            .build_http();
        let service = retries().http().layer(client);
        let req = Request::put(common::uri(address, "/"))
            .body(Body::from_stream(body))
            .unwrap();
        let call = tokio::spawn(service.oneshot(req));
        while seen.lock().unwrap().len() < 2 {
            tokio::task::yield_now().await;
        }
        sender.try_send(Ok(Bytes::from("and second"))).unwrap();
        drop(sender);
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::OK);
        assert_eq!(*seen.lock().unwrap(), ["", "first and second"]);
    }
}
