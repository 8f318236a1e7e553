//! The presets: their order, by what it does, and their defaults on real servers and clients.

mod common;

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use common::inventory::{ask, channel, reply, serve_behind};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use inventory_proto::inventory_client::InventoryClient;
use resilience_stack::{
    breaker::{BreakerConfig, State},
    client::ClientStack,
    config::ClientConfig,
    core::clock,
    http::{Degraded, InnerRetries, ReplayBody, RetriesExhausted},
    prelude::*,
    server::ServerStack,
    timeout::TimedOut,
};
use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::time::sleep;
use tonic::Code;
use tower::{Layer, Service, ServiceExt, layer::util::Identity, service_fn};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

type Reply = Response<Full<Bytes>>;

fn replies(status: StatusCode) -> Reply {
    let mut res = Reply::default();
    *res.status_mut() = status;
    res
}

/// What becomes of a call.
#[derive(Clone, Copy)]
enum Fate {
    Hang,
    Status(u16),
}

/// A dependency that counts its calls in the first part, and does with the `n`th what the function says.
fn dependency(
    fate: impl Fn(usize) -> Fate + Clone + Send,
) -> (
    Arc<AtomicUsize>,
    impl Service<Request<ReplayBody<Empty<Bytes>>>, Response = Reply, Error = Infallible, Future: Send>
    + Clone
    + Send,
) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let service = service_fn(move |_: Request<ReplayBody<Empty<Bytes>>>| {
        let fate = fate(calls.fetch_add(1, SeqCst) + 1);
        async move {
            match fate {
                Fate::Hang => pending().await,
                Fate::Status(status) => Ok(replies(status.try_into().unwrap())),
            }
        }
    });
    (seen, service)
}

fn get_request() -> Request<Empty<Bytes>> {
    Request::new(Empty::new())
}

/// Opens for an hour after so many failures in a row, or when a fifth of 50 calls have failed.
fn breaker(failures: u32) -> Breaker {
    Breaker::builder("shop")
        .consecutive_failures(failures)
        .minimum_spread(Duration::ZERO)
        .open_for(HOUR)
        .build()
        .unwrap()
}

fn retries() -> RetryLayer<resilience_stack::http::HttpClassify, resilience_stack::http::HttpReplay>
{
    let wait = Backoff::constant(MILLI).unwrap();
    let layer = RetryLayer::builder("shop").backoff(wait).no_budget();
    layer.build().unwrap().http()
}

fn quota(calls: u32) -> RateLimit {
    let quota = Quota::per(calls, HOUR).burst(calls);
    RateLimit::builder("shop").quota(quota).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_clients_fallback_answers_for_failures_refusals_and_deadlines() {
    let stack = ClientStack::http("shop")
        .fallback(FallbackLayer::value("shop", replies(StatusCode::OK)).http())
        .deadline(SECOND)
        .without_retry()
        .build()
        .unwrap();
    for fate in [Fate::Status(500), Fate::Hang] {
        let (_, service) = dependency(move |_| fate);
        let res = stack.layer(service).oneshot(get_request()).await.unwrap();
        assert!(Degraded::of(&res).is_some());
    }
    stack.breaker().unwrap().force_open();
    let (calls, service) = dependency(|_| Fate::Status(200));
    let res = stack.layer(service).oneshot(get_request()).await.unwrap();
    assert_eq!(res.status(), StatusCode::OK);
    assert!(Degraded::of(&res).is_some());
    assert_eq!(calls.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn the_clients_deadline_bounds_all_attempts() {
    let stack = ClientStack::http("shop")
        .deadline(4 * SECOND)
        .attempt_timeout(3 * SECOND)
        .build();
    let (calls, service) = dependency(|_| Fate::Hang);
    let begun = clock::now();
    let result = stack.unwrap().layer(service).oneshot(get_request()).await;
    assert!(result.is_err());
    assert_eq!(calls.load(SeqCst), 2);
    assert!((clock::now() - begun) <= 4 * SECOND + MILLI);
}

#[tokio::test(start_paused = true)]
async fn the_clients_attempts_have_a_third_of_its_deadline_each_unless_told() {
    let twice = RetryLayer::builder("shop").attempts(2).build().unwrap();
    let stack = ClientStack::http("shop")
        .deadline(SECOND)
        .retry(twice.http())
        .breaker(breaker(2));
    let stack = stack.build().unwrap();
    let (calls, service) = dependency(|_| Fate::Hang);
    let result = stack.layer(service).oneshot(get_request()).await;
    let error = result.unwrap_err();
    let timed_out = TimedOut::find(&*error).expect("an attempt, not the call");
    assert_eq!(timed_out.limit(), SECOND / 3);
    assert_eq!(calls.load(SeqCst), 2);
    assert_eq!(stack.breaker().unwrap().state(), State::Open);
}

#[test]
fn an_attempt_that_may_take_the_whole_call_contradicts_retries() {
    let within = |limit| {
        ClientStack::http("shop")
            .deadline(SECOND)
            .attempt_timeout(limit)
    };
    let error = within(20 * SECOND).build().unwrap_err();
    let said = "policy \"shop\": `attempt_timeout` is 20s; it must be less than `deadline`, which is 1s, to leave time for a retry";
    assert_eq!(error.to_string(), said);
    assert_eq!(within(SECOND).build().unwrap_err(), {
        let grpc = ClientStack::grpc("shop").deadline(SECOND);
        grpc.attempt_timeout(SECOND).build().unwrap_err()
    });
    assert!(within(999 * MILLI).build().is_ok());
    assert!(within(SECOND).without_retry().build().is_ok());
    let once = RetryLayer::builder("shop").attempts(1).build().unwrap();
    assert!(within(SECOND).retry(once.http()).build().is_ok());
    // The shortest time that there is can be had too.
    let shortest = ClientStack::http("shop").deadline(Duration::from_nanos(1));
    assert!(shortest.build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_clients_attempts_are_limited_counted_and_timed_one_by_one() {
    // The first attempt hangs.
    let (limit, breaker) = (quota(10), breaker(10));
    let stack = ClientStack::http("shop")
        .retry(retries())
        .rate_limit(limit.clone())
        .breaker(breaker.clone())
        .attempt_timeout(SECOND)
        .build()
        .unwrap();
    let (calls, service) = dependency(|call| match call {
        1 => Fate::Hang,
        _ => Fate::Status(200),
    });
    let res = stack.layer(service).oneshot(get_request()).await.unwrap();
    assert_eq!((res.status(), calls.load(SeqCst)), (StatusCode::OK, 2));
    assert_eq!(limit.available(clock::now()), 8);
}

#[tokio::test(start_paused = true)]
async fn the_clients_breaker_sees_each_attempt_and_each_hang() {
    // Ten failures in a row: three calls, and the first attempt of a fourth.
    let (calls, service) = dependency(|_| Fate::Status(502));
    let stack = ClientStack::http("shop")
        .retry(retries())
        .breaker(breaker(10));
    let stack = stack.build().unwrap();
    for _ in 0..20 {
        let _ = stack.layer(service.clone()).oneshot(get_request()).await;
    }
    assert_eq!(stack.breaker().unwrap().state(), State::Open);
    assert_eq!(calls.load(SeqCst), 10);

    // A fifth of 50 calls, every second of which hangs.
    let (_, service) = dependency(|call| match call % 2 {
        1 => Fate::Hang,
        _ => Fate::Status(200),
    });
    let stack = ClientStack::http("shop")
        .without_retry()
        .breaker(breaker(10))
        .attempt_timeout(20 * MILLI)
        .build()
        .unwrap();
    for _ in 0..200 {
        let _ = stack.layer(service.clone()).oneshot(get_request()).await;
        sleep(10 * MILLI).await;
    }
    assert_eq!(stack.breaker().unwrap().state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn the_clients_policies_are_one_guard_shared_by_all_services() {
    let (limit, bulkhead) = (quota(10), Bulkhead::new("shop", 1).unwrap());
    let stack = ClientStack::http("shop")
        .without_retry()
        .rate_limit(limit.clone())
        .bulkhead(bulkhead)
        .build()
        .unwrap();
    let (calls, service) = dependency(|_| Fate::Hang);
    let held = tokio::spawn(stack.layer(service.clone()).oneshot(get_request()));
    sleep(MILLI).await;
    for _ in 0..9 {
        // Another service each time.
        let refused = stack.clone().layer(service.clone()).oneshot(get_request());
        let error = refused.await.unwrap_err();
        let why = Rejected::find(&*error).map(Rejected::reason);
        assert_eq!(why, Some(Reason::Concurrency));
    }
    assert_eq!(stack.bulkhead().unwrap().in_flight(), 1);
    assert_eq!(stack.rate_limit().unwrap().available(clock::now()), 9);
    assert_eq!(calls.load(SeqCst), 1);
    held.abort();
}

#[tokio::test(start_paused = true)]
async fn what_the_clients_bulkhead_refuses_does_not_wait() {
    let bulkhead = Bulkhead::new("shop", 1).unwrap();
    let stack = ClientStack::http("shop")
        .bulkhead(bulkhead)
        .build()
        .unwrap();
    let (calls, service) = dependency(|_| Fate::Hang);
    let held = tokio::spawn(stack.layer(service.clone()).oneshot(get_request()));
    sleep(MILLI).await;
    let begin = clock::now();
    let error = stack
        .layer(service)
        .oneshot(get_request())
        .await
        .unwrap_err();
    let why = Rejected::find(&*error).map(Rejected::reason);
    assert_eq!(why, Some(Reason::Concurrency));
    assert_eq!(clock::now() - begin, Duration::ZERO);
    assert_eq!(calls.load(SeqCst), 1);
    held.abort();
}

/// The failure that opens the breaker is the answer, and that of a probe; the fallback has it at once.
#[tokio::test(start_paused = true)]
async fn the_client_does_not_wait_for_a_retry_that_its_breaker_refuses() {
    let slow = || {
        let layer = RetryLayer::builder("shop").backoff(Backoff::constant(SECOND).unwrap());
        layer.build().unwrap().http()
    };
    let (mut config, mut quick) = (ClientConfig::default(), BreakerConfig::default());
    quick.consecutive_failures = Some(1);
    quick.minimum_spread = Some(Duration::ZERO);
    quick.open_for = Some(2 * MILLI);
    config.breaker = Some(quick);
    for stack in [
        ClientStack::http("shop").retry(slow()).breaker(breaker(1)),
        ClientStack::http("shop").config(config).retry(slow()),
    ] {
        let stack = stack.build().unwrap();
        for probe in [false, true] {
            let (calls, service) = dependency(|_| Fate::Status(503));
            let begin = clock::now();
            let res = stack.layer(service).oneshot(get_request()).await;
            assert_eq!(clock::now() - begin, Duration::ZERO);
            assert_eq!(stack.breaker().unwrap().state(), State::Open);
            let Ok(res) = res else {
                // The one that stays open for an hour.
                assert!(probe);
                continue;
            };
            assert_eq!(res.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(calls.load(SeqCst), 1);
            sleep(10 * MILLI).await;
        }
    }

    // While it admits, retries are made.
    let stack = ClientStack::http("shop").retry(slow()).breaker(breaker(2));
    let (calls, service) = dependency(|_| Fate::Status(503));
    let begin = clock::now();
    let stack = stack.build().unwrap();
    let res = stack.layer(service).oneshot(get_request()).await.unwrap();
    assert_eq!(res.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((clock::now() - begin, calls.load(SeqCst)), (SECOND, 2));

    // What is not known to refuse everybody is not asked.
    let other = Some(breaker(1));
    let stack = ClientStack::http("shop").retry(slow()).breaker(other);
    let (calls, service) = dependency(|_| Fate::Status(503));
    let stack = stack.build().unwrap();
    let error = stack
        .layer(service)
        .oneshot(get_request())
        .await
        .unwrap_err();
    let why = Rejected::find(&*error).map(Rejected::reason);
    assert_eq!((why, calls.load(SeqCst)), (Some(Reason::Open), 1));
}

#[test]
fn what_cannot_be_is_named() {
    for (field, result) in [
        (
            "attempt_timeout",
            ClientStack::http("shop")
                .attempt_timeout(Duration::ZERO)
                .build()
                .err(),
        ),
        (
            "deadline",
            ClientStack::http("shop")
                .deadline(Duration::MAX)
                .build()
                .err(),
        ),
        (
            "attempt_timeout",
            ClientStack::grpc("shop")
                .attempt_timeout(Duration::MAX)
                .build()
                .err(),
        ),
        (
            "deadline",
            ServerStack::http("shop")
                .deadline(Duration::ZERO)
                .build()
                .err(),
        ),
    ] {
        assert_eq!(result.expect(field).field(), field);
    }
}

#[test]
fn parts_can_be_left_out() {
    let stack = ClientStack::http("shop")
        .without_bulkhead()
        .without_breaker();
    let stack = stack.build().unwrap();
    assert!(stack.bulkhead().is_none() && stack.breaker().is_none());
    assert!(stack.rate_limit().is_none());
    let stack = ServerStack::http("shop")
        .without_bulkhead()
        .build()
        .unwrap();
    assert!(stack.bulkhead().is_none() && stack.rate_limit().is_none());
}

// On real sockets.

#[tokio::test]
async fn the_servers_defaults_serve_eight_routes_and_its_limits_are_one() {
    let stack = ServerStack::http("shop")
        .rate_limit(quota(8))
        .build()
        .unwrap()
        .exempt(|req: &Request<Body>| req.uri().path() == "/health");
    let app = (0..8).fold(Router::new(), |app, route| {
        app.route(&format!("/{route}"), get(|| async { "served" }))
    });
    let app = app.route("/health", get(|| async { "well" }));
    let address = common::serve(app.layer(stack.clone())).await;
    for route in 0..8 {
        let client = common::client(route % 2 == 1);
        let answer = common::get(&client, common::uri(address, &format!("/{route}"))).await;
        assert_eq!(
            (answer.status, &*answer.bytes),
            (StatusCode::OK, &b"served"[..])
        );
    }
    let client = common::client(false);
    let ninth = common::get(&client, common::uri(address, "/0")).await;
    assert_eq!(ninth.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(ninth.headers.contains_key("retry-after"));
    let health = common::get(&client, common::uri(address, "/health")).await;
    assert_eq!(health.status, StatusCode::OK);
    let bulkhead = stack.bulkhead().unwrap();
    assert_eq!(bulkhead.limit(), 1_000);
    bulkhead.drained().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_answers_for_handlers_that_hang() {
    let stack = ServerStack::http("shop").build().unwrap();
    let app: Router = Router::new()
        .route("/", get(pending::<()>))
        .layer(stack.clone());
    let begun = clock::now();
    let res = app.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(res.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!((clock::now() - begun).as_secs(), 30);
    assert_eq!(stack.bulkhead().unwrap().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_holds_permits_until_bodies_end() {
    let stack = ServerStack::http("shop").build().unwrap();
    let app: Router = Router::new()
        .route(
            "/",
            get(|| async { common::body_until("first", pending()) }),
        )
        .layer(stack.clone());
    let res = app.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(stack.bulkhead().unwrap().in_flight(), 1);
    drop(res);
    assert_eq!(stack.bulkhead().unwrap().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_says_when_retries_are_exhausted_but_not_of_its_own_refusals() {
    let stack = ServerStack::http("shop").bulkhead(Bulkhead::new("shop", 1).unwrap());
    let stack = stack.build().unwrap();
    let app: Router = Router::new()
        .route(
            "/",
            get(|req: Request<Body>| async move {
                // As a client's retries note it.
                req.extensions().get::<InnerRetries>().unwrap().exhaust();
                (StatusCode::BAD_GATEWAY, common::body_until("", pending()))
            }),
        )
        .layer(stack);
    let failed = app
        .clone()
        .oneshot(Request::new(Body::empty()))
        .await
        .unwrap();
    let refused = app.oneshot(Request::new(Body::empty())).await.unwrap();
    assert!(failed.headers().contains_key(RetriesExhausted::HEADER));
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!refused.headers().contains_key(RetriesExhausted::HEADER));
}

#[tokio::test]
async fn the_clients_defaults_work_around_hyper_utils_client() {
    let calls = Arc::new(AtomicUsize::new(0));
    let app = Router::new().route(
        "/",
        get(move || {
            let first = calls.fetch_add(1, SeqCst) == 0;
            async move {
                if first {
                    (StatusCode::BAD_GATEWAY, "failed")
                } else {
                    (StatusCode::OK, "served")
                }
            }
        }),
    );
    let address = common::serve(app).await;
    let client = Client::builder(TokioExecutor::new()).build_http::<ReplayBody<Empty<Bytes>>>();
    let stack = ClientStack::http("shop").build().unwrap();
    let shop = stack.layer(client);
    let req = Request::get(common::uri(address, "/")).body(Empty::new());
    let res = shop.oneshot(req.unwrap()).await.unwrap();
    assert_eq!(res.status(), StatusCode::OK);
    assert_eq!(stack.bulkhead().unwrap().in_flight(), 1);
    res.into_body().collect().await.unwrap();
    assert_eq!(stack.bulkhead().unwrap().in_flight(), 0);
    assert_eq!(stack.breaker().unwrap().state(), State::Closed);
}

#[tokio::test]
async fn the_defaults_work_around_a_channel_and_in_a_tonic_server() {
    let server = ServerStack::grpc("inventory").build().unwrap();
    let address = serve_behind(server.clone()).await;
    let stack = ClientStack::grpc("inventory")
        .breaker(breaker(3))
        .build()
        .unwrap();
    let mut inventory = InventoryClient::new(stack.layer(channel(address)));
    let unary = inventory.stock(ask("lamp")).await.unwrap();
    assert_eq!(unary.into_inner(), reply("lamp", 1));
    let mut watched = inventory.watch(ask("lamp")).await.unwrap().into_inner();
    assert_eq!(stack.bulkhead().unwrap().in_flight(), 1);
    while watched.message().await.unwrap().is_some() {}
    stack.bulkhead().unwrap().drained().await;
    server.bulkhead().unwrap().drained().await;

    // Three failing attempts of one call open the breaker; it refuses with the right code, and says so.
    let status = inventory.stock(ask("lost")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(stack.breaker().unwrap().state(), State::Open);
    let status = inventory.stock(ask("lamp")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let why = Rejected::find(&status).map(Rejected::reason);
    assert_eq!(why, Some(Reason::Open));
}

/// As over HTTP: otherwise it would be the breaker's refusal, five seconds later.
#[tokio::test]
async fn a_call_through_a_channel_does_not_wait_for_a_retry_that_its_breaker_refuses() {
    let address = serve_behind(Identity::new()).await;
    let wait = Backoff::constant(5 * SECOND).unwrap();
    let retry = RetryLayer::builder("inventory").backoff(wait);
    let stack = ClientStack::grpc("inventory")
        .retry(retry.build().unwrap().grpc())
        .breaker(breaker(1))
        .build()
        .unwrap();
    let mut inventory = InventoryClient::new(stack.layer(channel(address)));
    let status = inventory.stock(ask("lost")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "lost")
    );
    assert_eq!(stack.breaker().unwrap().state(), State::Open);
}

#[tokio::test]
async fn a_call_through_a_channel_that_hangs_is_late_with_the_right_code() {
    let address = serve_behind(Identity::new()).await;
    for late in [
        ClientStack::grpc("inventory")
            .attempt_timeout(MILLI)
            .without_retry(),
        ClientStack::grpc("inventory").deadline(MILLI),
    ] {
        let stack = late.build().unwrap();
        let mut inventory = InventoryClient::new(stack.layer(channel(address)));
        let status = inventory.stock(ask("hang")).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }
}
