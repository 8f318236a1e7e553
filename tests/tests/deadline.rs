//! Deadlines that travel: from tier to tier, into queues, and to the end of the work.

mod common;

use axum::{Extension, Router, body::Body, extract::Request, response::IntoResponse, routing::get};
use bytes::Bytes;
use common::{
    Answer, Counts, Ledger, body_until, client,
    inventory::{OnlyStock, ask, channel, reply, serve_behind},
    send, serve, uri,
};
use http::{Method, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use inventory_proto::{
    StockRequest, inventory_client::InventoryClient, inventory_server::InventoryServer,
};
use resilience_stack::{
    core::{Deadline, clock},
    http::{SendDeadlineLayer, pass_on},
    prelude::*,
    timeout::{DeadlineExceeded, before},
};
use std::{
    future::pending,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc};
use tonic::{Code, transport::server::TcpIncoming};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn deadline() -> DeadlineLayer {
    DeadlineLayer::builder("tier").build().unwrap()
}

/// A GET that states how much time there is.
fn stating(uri: http::Uri, value: &str) -> Request {
    let req = Request::builder().uri(uri);
    let req = req.header("x-request-timeout-ms", value);
    req.body(Body::empty()).unwrap()
}

/// Hyper's client, which says how much time is left.
fn http_client() -> BoxCloneSyncService<Request, Response<Body>, BoxError> {
    BoxCloneSyncService::new(
        ServiceBuilder::new()
            .map_response(|res: Response<_>| res.map(Body::new))
            .layer(deadline().http())
            .layer(SendDeadlineLayer::new())
            .service(Client::builder(TokioExecutor::new()).build_http()),
    )
}

mod three_tiers {
    use super::*;

    type Notes = Arc<Mutex<Vec<(&'static str, Duration)>>>;

    fn note(notes: &Notes, tier: &'static str, extensions: &http::Extensions) {
        let deadline = extensions.get::<Deadline>().expect("a deadline");
        notes.lock().unwrap().push((tier, deadline.remaining()));
    }

    async fn supplier(notes: Notes) -> SocketAddr {
        let handler = get(move |req: Request| async move {
            note(&notes, "supplier", req.extensions());
        });
        let app = Router::new().route("/", handler);
        serve(app.layer(deadline().http().respond())).await
    }

    async fn warehouse(notes: Notes, supplier: SocketAddr) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asks_supplier = OnlyStock(move |inbound: tonic::Request<StockRequest>| {
            note(&notes, "warehouse", inbound.extensions());
            let mut req = Request::new(Body::empty());
            *req.uri_mut() = uri(supplier, "/");
            pass_on(inbound.extensions(), req.extensions_mut());
            async move {
                let res = http_client().oneshot(req).await.unwrap();
                assert_eq!(res.status(), StatusCode::OK);
                Ok(tonic::Response::new(reply("lamp", 1)))
            }
        });
        let server = tonic::transport::Server::builder()
            .layer(deadline().grpc().respond())
            .add_service(InventoryServer::new(asks_supplier));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        address
    }

    async fn shop(notes: Notes, warehouse: SocketAddr) -> SocketAddr {
        let channel = ServiceBuilder::new()
            .layer(SendDeadlineLayer::new().with_status())
            .service(channel(warehouse));
        let inventory = InventoryClient::new(channel);
        let handler = get(move |req: Request| async move {
            note(&notes, "shop", req.extensions());
            let mut outbound = tonic::Request::new(ask("lamp"));
            pass_on(req.extensions(), outbound.extensions_mut());
            inventory.clone().stock(outbound).await.unwrap();
        });
        let app = Router::new().route("/", handler);
        serve(app.layer(deadline().http().respond())).await
    }

    #[tokio::test]
    async fn are_crossed_by_a_deadline_that_shrinks() {
        let notes = Notes::default();
        let supplier = supplier(notes.clone()).await;
        let warehouse = warehouse(notes.clone(), supplier).await;
        let shop = shop(notes.clone(), warehouse).await;

        let res = http_client()
            .oneshot(stating(uri(shop, "/"), "20000"))
            .await;
        assert_eq!(res.unwrap().status(), StatusCode::OK);

        let notes = notes.lock().unwrap().clone();
        let tiers: Vec<_> = notes.iter().map(|(tier, _)| *tier).collect();
        assert_eq!(tiers, ["shop", "warehouse", "supplier"]);
        let mut most = ms(20_000);
        for (tier, left) in notes {
            assert!(left < most, "{tier}: {left:?}, and {most:?} before");
            assert!(!left.is_zero());
            most = left;
        }
    }

    /// Without the layer that sends it on, the next tier starts anew.
    #[tokio::test]
    async fn start_anew_if_nobody_sends_it_on() {
        let notes = Notes::default();
        let supplier = supplier(notes.clone()).await;
        let mut req = Request::new(Body::empty());
        *req.uri_mut() = uri(supplier, "/");
        req.extensions_mut().insert(Deadline::within(ms(20_000)));
        let client = Client::builder(TokioExecutor::new()).build_http();
        client.request(req).await.unwrap();
        let left = notes.lock().unwrap()[0].1;
        assert!(left > ms(20_000) && left <= ms(30_000), "{left:?}");
    }
}

/// 100 ms of work, one at a time.
fn busy(started: &Arc<AtomicUsize>) -> Router {
    let started = started.clone();
    let handler = get(move || {
        started.fetch_add(1, SeqCst);
        tokio::time::sleep(ms(100))
    });
    let one = Bulkhead::new("busy", 1).unwrap();
    let queue = one.wait_up_to(ms(1_000)).unwrap();
    let layer = ServiceBuilder::new()
        .layer(deadline().http().respond())
        .layer(queue.layer().http().respond());
    Router::new().route("/", handler).layer(layer)
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_behind_more_work_than_it_has_time_is_never_started() {
    let started = Arc::default();
    let app = busy(&started);
    let start = clock::now();
    let call = |left| {
        let app = app.clone();
        async move {
            let res = app.oneshot(stating("/".parse().unwrap(), left)).await;
            (res.unwrap(), clock::now() - start)
        }
    };
    let (first, late, in_time) = tokio::join!(call("5000"), call("50"), call("5000"));
    assert_eq!((first.0.status(), first.1), (StatusCode::OK, ms(100)));
    assert_eq!(
        (late.0.status(), late.1),
        (StatusCode::GATEWAY_TIMEOUT, ms(50))
    );
    let why = late.0.extensions().get::<Rejected>();
    let why = why.expect("a refusal, since it was not started");
    assert_eq!(why.reason(), Reason::Deadline);
    // Nobody waits for the one that has left.
    assert_eq!((in_time.0.status(), in_time.1), (StatusCode::OK, ms(200)));
    assert_eq!(started.load(SeqCst), 2);
}

/// The same where the waiting is for a rate limit: it is known at once.
#[tokio::test(start_paused = true)]
async fn what_cannot_get_its_turn_in_time_is_refused_at_once() {
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    let handler = get(move || {
        count.fetch_add(1, SeqCst);
        async {}
    });
    let limit = RateLimit::builder("slow").quota(Quota::per_second(10).burst(1));
    let queue = limit.build().unwrap().wait_up_to(ms(1_000)).unwrap();
    let layer = ServiceBuilder::new()
        .layer(deadline().http().respond())
        .layer(queue.layer().http().respond());
    let app = Router::new().route("/", handler).layer(layer);
    let start = clock::now();
    for (left, status) in [("50", StatusCode::OK), ("50", StatusCode::GATEWAY_TIMEOUT)] {
        let req = stating("/".parse().unwrap(), left);
        assert_eq!(app.clone().oneshot(req).await.unwrap().status(), status);
    }
    assert_eq!(clock::now(), start);
    assert_eq!(started.load(SeqCst), 1);
}

/// A server that keeps to deadlines, whose handlers are watched by `ledger`.
async fn watched(ledger: &Ledger, routes: Router) -> SocketAddr {
    let layer = ServiceBuilder::new()
        .layer(deadline().http().respond())
        .layer(GuardLayer::new(ledger.clone()).http().respond());
    serve(routes.layer(layer)).await
}

async fn call(
    http2: bool,
    address: SocketAddr,
    path: &str,
    value: &str,
) -> Response<hyper::body::Incoming> {
    let client = Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .build_http::<Body>();
    client
        .request(stating(uri(address, path), value))
        .await
        .unwrap()
}

/// What nobody breaks off hangs, and is to fail.
async fn in_time<F: Future>(future: F) -> F::Output {
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, future).await.expect("hangs")
}

#[tokio::test]
async fn a_handler_stops_when_the_deadline_passes() {
    for http2 in [false, true] {
        let ledger = Ledger::default();
        let routes = Router::new().route("/", get(pending::<()>));
        let address = watched(&ledger, routes).await;
        let res = call(http2, address, "/", "20").await;
        assert_eq!(res.status(), StatusCode::GATEWAY_TIMEOUT);
        let text = res.into_body().collect().await.unwrap().to_bytes();
        assert!(
            text.starts_with(b"tier: deadline exceeded after "),
            "{text:?}"
        );
        let abandoned = Counts {
            abandoned: 1,
            ..Counts::default()
        };
        assert_eq!(
            ledger.counts(),
            abandoned,
            "the work is gone before the answer"
        );
    }
}

#[tokio::test]
async fn a_body_breaks_off_when_the_deadline_passes_and_its_source_stops() {
    for http2 in [false, true] {
        let ledger = Ledger::default();
        let endless = || async { Response::new(body_until("first", pending())) };
        let address = watched(&ledger, Router::new().route("/", get(endless))).await;
        let res = call(http2, address, "/", "300").await;
        assert_eq!(res.status(), StatusCode::OK);
        let mut body = res.into_body();
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "first"
        );
        let broken = in_time(body.frame()).await.expect("not the end");
        broken.expect_err("nobody takes it for the whole");
        assert_eq!(ledger.settled().await.finished, 1);
    }
}

/// The server's own maximum bounds the head alone.
#[tokio::test(start_paused = true)]
async fn a_body_goes_on_where_no_deadline_was_stated() {
    let (go_on, mut wait) = mpsc::channel::<()>(1);
    let until = async move { assert_eq!(wait.recv().await, None) };
    let mut body = Some(body_until("first", until));
    let handler = tower::service_fn(move |_: Request| {
        let body = body.take().unwrap();
        async { Ok::<_, std::convert::Infallible>(Response::new(body)) }
    });
    let mut service = deadline().http().respond().layer(handler);
    let res = service
        .ready()
        .await
        .unwrap()
        .call(Request::new(Body::empty()))
        .await;
    let whole = tokio::spawn(res.unwrap().into_body().collect());
    tokio::time::advance(ms(100_000)).await;
    tokio::task::yield_now().await;
    assert!(!whole.is_finished());
    drop(go_on);
    assert_eq!(whole.await.unwrap().unwrap().to_bytes(), "first");
}

/// A gRPC call by hand, that tonic's own client would break off by itself.
async fn grpc(address: SocketAddr, method: &str, product: &str, timeout: &str) -> Answer {
    let mut message = vec![0x0a, u8::try_from(product.len()).unwrap()];
    message.extend(product.as_bytes());
    let mut frame = vec![0, 0, 0, 0, u8::try_from(message.len()).unwrap()];
    frame.extend(message);
    let req = Request::post(uri(address, &format!("/inventory.Inventory/{method}")))
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", timeout)
        .body(Full::<Bytes>::from(frame));
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let (head, body) = client.request(req.unwrap()).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let mut headers = head.headers;
    headers.extend(body.trailers().cloned().unwrap_or_default());
    Answer {
        status: head.status,
        headers,
        bytes: body.to_bytes(),
    }
}

/// The inventory, behind a deadline.
async fn inventory(ledger: &Ledger) -> SocketAddr {
    let layer = ServiceBuilder::new()
        .layer(deadline().grpc().respond())
        .layer(GuardLayer::new(ledger.clone()).grpc().respond());
    serve_behind(layer.into_inner()).await
}

fn status(answer: &Answer) -> (&str, String) {
    let message = answer.headers["grpc-message"].to_str().unwrap();
    (
        answer.headers["grpc-status"].to_str().unwrap(),
        message.replace("%20", " "),
    )
}

#[tokio::test]
async fn grpc_work_stops_when_the_deadline_passes() {
    let ledger = Ledger::default();
    let address = inventory(&ledger).await;
    let answer = grpc(address, "Stock", "hang", "20m").await;
    let (code, message) = status(&answer);
    assert_eq!((code, answer.status), ("4", StatusCode::OK));
    assert_eq!(message, "tier: deadline exceeded after 20ms");
    assert_eq!(ledger.counts().abandoned, 1);
}

/// Tonic's server reads the header too, and calls what it breaks off cancelled.
#[tokio::test]
async fn tonic_alone_says_something_else() {
    let address = serve_behind(tower::layer::util::Identity::new()).await;
    let answer = grpc(address, "Stock", "hang", "20m").await;
    assert_eq!(status(&answer), ("1", "Timeout expired".into()));
}

#[tokio::test]
async fn a_grpc_stream_ends_when_the_deadline_passes() {
    let ledger = Ledger::default();
    let mut client = InventoryClient::new(channel(inventory(&ledger).await));
    let mut req = tonic::Request::new(ask("hang"));
    req.set_timeout(ms(500));
    let mut replies = client.watch(req).await.unwrap().into_inner();
    assert_eq!(replies.message().await.unwrap(), Some(reply("hang", 1)));
    let status = in_time(replies.message()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert!(status.message().starts_with("tier: deadline exceeded"));
    assert_eq!(ledger.settled().await.ignored, 1, "the stream was dropped");
}

/// Tonic's client says that it was cancelled; behind the layer, it says what it was.
#[tokio::test]
async fn a_tonic_client_learns_what_it_was() {
    let address = serve_behind(tower::layer::util::Identity::new()).await;
    let req = || {
        let mut req = tonic::Request::new(ask("hang"));
        req.set_timeout(ms(20));
        req
    };
    let alone = InventoryClient::new(channel(address)).stock(req()).await;
    assert_eq!(alone.unwrap_err().code(), Code::Cancelled);

    let layers = ServiceBuilder::new()
        .layer(deadline().grpc().with_status())
        .layer(SendDeadlineLayer::new().with_status());
    let service = layers.service(channel(address));
    let late = InventoryClient::new(service).stock(req()).await;
    assert_eq!(late.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn without_time_or_with_nonsense_nothing_is_started() {
    let ledger = Ledger::default();
    let routes = Router::new().route("/", get(|| async {}));
    let address = watched(&ledger, routes).await;
    for (value, status) in [
        ("0", StatusCode::GATEWAY_TIMEOUT),
        ("soon", StatusCode::BAD_REQUEST),
        ("-1", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(call(false, address, "/", value).await.status(), status);
    }
    assert_eq!(ledger.counts(), Counts::default());

    let address = inventory(&ledger).await;
    for (value, code) in [("0m", "4"), ("20", "3"), ("soon", "3")] {
        let answer = grpc(address, "Stock", "lamp", value).await;
        assert_eq!(status(&answer).0, code);
    }
    assert_eq!(ledger.counts(), Counts::default());
}

#[tokio::test]
async fn a_handler_reads_what_is_left_and_no_more_than_the_maximum() {
    let tell = |Extension(deadline): Extension<Deadline>| async move {
        deadline.remaining().as_millis().to_string()
    };
    let app = Router::new().route("/", get(tell));
    let address = serve(app.layer(deadline().http().respond())).await;
    for (value, most) in [("20000", 20_000), ("999999999999", 30_000)] {
        let res = call(false, address, "/", value).await;
        let text = res.into_body().collect().await.unwrap().to_bytes();
        let left: u64 = std::str::from_utf8(&text).unwrap().parse().unwrap();
        assert!((most / 2..=most).contains(&left), "{left}");
    }
    let answer = send(&client(false), Method::GET, uri(address, "/")).await;
    assert_eq!(answer.status, StatusCode::OK);
}

/// What a handler leaves behind keeps to the deadline as well.
#[tokio::test(start_paused = true)]
async fn work_that_a_handler_spawns_stops_too() {
    let (tell, mut told) = mpsc::channel::<Result<(), DeadlineExceeded>>(1);
    let spawning = get(|Extension(deadline): Extension<Deadline>| async move {
        tokio::spawn(async move { tell.send(before(deadline, pending()).await).await });
        "accepted".into_response()
    });
    let app = Router::new().route("/", spawning);
    let app = app.layer(deadline().http().respond());
    let start = clock::now();
    let req = stating("/".parse().unwrap(), "50");
    assert_eq!(app.oneshot(req).await.unwrap().status(), StatusCode::OK);
    assert_eq!(clock::now(), start);
    told.recv().await.unwrap().unwrap_err();
    assert_eq!(clock::now() - start, ms(50));
}
