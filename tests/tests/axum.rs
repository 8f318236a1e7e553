//! One layer on one `Router`, behind `axum::serve`: the limits hold over all routes and connections.

mod common;

use axum::{
    Json, Router,
    body::Body,
    http::{Method, StatusCode},
    response::{IntoResponse, Sse, sse::Event},
    routing::get,
};
use common::{Ledger, client, get as fetch, send, serve, uri};
use futures_util::{StreamExt, future::join_all, stream};
use resilience_stack::{breaker::State, prelude::*};
use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

const ROUTES: usize = 8;
const CONNECTIONS: usize = 100;

/// Eight routes, all answered by `handler`.
fn eight_routes<H, F>(handler: H) -> Router
where
    H: FnOnce() -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Body> + Send + 'static,
{
    (0..ROUTES).fold(Router::new(), |app, route| {
        let handler = handler.clone();
        app.route(&format!("/{route}"), get(handler))
    })
}

/// One request on each of a hundred connections, half of them HTTP/1, half HTTP/2, over all routes.
async fn hundred(address: SocketAddr) -> Vec<common::Answer> {
    join_all((0..CONNECTIONS).map(|i| async move {
        let client = client(i % 2 == 1);
        fetch(&client, uri(address, &format!("/{}", i / 2 % ROUTES))).await
    }))
    .await
}

fn with_status(answers: &[common::Answer], status: StatusCode) -> usize {
    answers
        .iter()
        .filter(|answer| answer.status == status)
        .count()
}

/// Counts those who are at work, and the most there have been at once.
#[derive(Clone, Default)]
struct AtWork {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

struct Worker(AtWork);

impl AtWork {
    fn begin(&self) -> Worker {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        Worker(self.clone())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}

/// Waits for a condition that other tasks bring about.
async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_bulkhead_of_five_holds_over_routes_and_connections() {
    for in_body in [false, true] {
        let bulkhead = Bulkhead::new("shop", 5).unwrap();
        let layer = GuardLayer::new(bulkhead.clone()).http().respond();
        let (at_work, done) = (AtWork::default(), Arc::new(Semaphore::new(0)));
        let app = {
            let (at_work, done) = (at_work.clone(), done.clone());
            eight_routes(move || {
                let worker = at_work.begin();
                let done = done.clone();
                async move {
                    let work = async move {
                        done.acquire().await.unwrap().forget();
                        drop(worker);
                    };
                    if in_body {
                        return common::body_until("working", work);
                    }
                    work.await;
                    Body::from("worked")
                }
            })
        };
        let address = serve(app.layer(layer)).await;

        let answers = tokio::spawn(hundred(address));
        // The five who are in stay until all others have been refused.
        until(|| at_work.now.load(SeqCst) == 5).await;
        assert_eq!(bulkhead.in_flight(), 5);
        let sixth = fetch(&client(false), uri(address, "/0")).await;
        assert_eq!(sixth.status, StatusCode::SERVICE_UNAVAILABLE);
        done.add_permits(CONNECTIONS);
        let answers = answers.await.unwrap();

        assert!(at_work.most.load(SeqCst) <= 5, "more than five at once");
        let refused = with_status(&answers, StatusCode::SERVICE_UNAVAILABLE);
        let served = with_status(&answers, StatusCode::OK);
        assert_eq!(refused + served, CONNECTIONS);
        assert!(served >= 5);
        for answer in answers
            .iter()
            .filter(|answer| answer.status != StatusCode::OK)
        {
            assert_eq!(answer.headers["retry-after"], "1");
            assert_eq!(answer.bytes, "shop: too many calls in flight");
        }
        bulkhead.drained().await;
        assert_eq!(bulkhead.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_rate_limit_holds_over_routes_and_connections() {
    let quota = Quota::per(10, Duration::from_secs(3_600)).burst(10);
    let limit = RateLimit::builder("shop").quota(quota).build().unwrap();
    let app = eight_routes(|| async { Body::from("served") });
    let address = serve(app.layer(GuardLayer::new(limit).http().respond())).await;

    let answers = hundred(address).await;
    assert_eq!(with_status(&answers, StatusCode::OK), 10);
    assert_eq!(with_status(&answers, StatusCode::TOO_MANY_REQUESTS), 90);
    for answer in answers
        .iter()
        .filter(|answer| answer.status != StatusCode::OK)
    {
        let seconds: u64 = answer.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        // One call every six minutes.
        assert!((300..=360).contains(&seconds), "{seconds}");
    }
}

#[tokio::test]
async fn one_breaker_is_open_for_all_routes_and_connections() {
    let breaker = Breaker::builder("shop")
        .consecutive_failures(10)
        .minimum_spread(Duration::ZERO)
        .open_for(Duration::from_secs(30))
        .build()
        .unwrap();
    let (handled, failing) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let app = eight_routes({
        let handled = handled.clone();
        move || {
            handled.fetch_add(1, SeqCst);
            async { Body::from("fine") }
        }
    })
    .route(
        "/failing",
        get({
            let failing = failing.clone();
            move || async move {
                failing.fetch_add(1, SeqCst);
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }),
    );
    let address = serve(app.layer(GuardLayer::new(breaker.clone()).http().respond())).await;

    for i in 0..10 {
        let answer = fetch(&client(i % 2 == 0), uri(address, "/failing")).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    assert_eq!(breaker.state(), State::Open);
    let answers = hundred(address).await;
    assert_eq!(
        with_status(&answers, StatusCode::SERVICE_UNAVAILABLE),
        CONNECTIONS
    );
    for answer in &answers {
        let seconds: u64 = answer.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
    }
    assert_eq!((handled.load(SeqCst), failing.load(SeqCst)), (0, 10));
}

#[tokio::test]
async fn every_kind_of_answer_is_finished_and_none_abandoned() {
    let ledger = Ledger::default();
    let bulkhead = Bulkhead::new("shop", 5).unwrap();
    let limits = (ledger.clone(), bulkhead.clone(), Breaker::new("shop"));
    let app = Router::new()
        .route("/text", get(|| async { "text" }))
        .route("/json", get(|| async { Json([1, 2, 3]) }))
        .route("/none", get(|| async { StatusCode::NO_CONTENT }))
        .route("/cached", get(|| async { StatusCode::NOT_MODIFIED }))
        .route(
            "/chunked",
            get(|| async { common::body_until("a chunk", async {}) }),
        )
        .route("/sse", get(events))
        .route(
            "/missing",
            get(|| async { (StatusCode::NOT_FOUND, "no").into_response() }),
        )
        .layer(GuardLayer::new(limits).http().respond());
    let address = serve(app).await;

    let mut calls = 0;
    for http2 in [false, true] {
        let client = client(http2);
        for path in [
            "/text", "/json", "/none", "/cached", "/chunked", "/sse", "/missing",
        ] {
            for method in [Method::GET, Method::HEAD] {
                let answer = send(&client, method.clone(), uri(address, path)).await;
                assert!(!answer.status.is_server_error());
                let bodiless = method == Method::HEAD || matches!(path, "/none" | "/cached");
                assert_eq!(answer.bytes.is_empty(), bodiless, "{method} {path}");
                if path == "/text" {
                    assert_eq!(
                        answer.headers["content-length"], "4",
                        "it has kept its length"
                    );
                }
                calls += 1;
            }
        }
    }
    let counts = ledger.settled().await;
    assert_eq!(
        (counts.finished, counts.abandoned),
        (calls, 0),
        "{counts:?}"
    );
    bulkhead.drained().await;
}

async fn events() -> Sse<impl stream::Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::iter(["one", "two"]).map(|text| Ok(Event::default().data(text))))
}

#[tokio::test]
async fn health_probes_pass_a_full_bulkhead() {
    let bulkhead = Bulkhead::new("shop", 1).unwrap();
    let layer = GuardLayer::new(bulkhead.clone())
        .http()
        .respond()
        .exempt(|req: &axum::extract::Request| req.uri().path() == "/health");
    let release = Arc::new(Semaphore::new(0));
    let app = {
        let release = release.clone();
        Router::new()
            .route(
                "/",
                get(move || async move { release.acquire().await.map(drop).map_err(|_| ()).unwrap() }),
            )
            .route("/health", get(|| async { "up" }))
            .layer(layer)
    };
    let address = serve(app).await;
    let held = tokio::spawn(async move { fetch(&client(false), uri(address, "/")).await });
    until(|| bulkhead.in_flight() == 1).await;

    let refused = fetch(&client(false), uri(address, "/")).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let healthy = fetch(&client(false), uri(address, "/health")).await;
    assert_eq!(healthy.status, StatusCode::OK);
    release.add_permits(1);
    assert_eq!(held.await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_hangs_up_gives_its_permit_back() {
    let (ledger, bulkhead) = (Ledger::default(), Bulkhead::new("shop", 1).unwrap());
    let layer = GuardLayer::new((ledger.clone(), bulkhead.clone()))
        .http()
        .respond();
    let app = Router::new()
        .route("/hang", get(std::future::pending::<()>))
        .route(
            "/stream",
            get(|| async { common::body_until("a", std::future::pending()) }),
        )
        .layer(layer);
    let address = serve(app).await;

    let call = tokio::spawn(async move { fetch(&client(false), uri(address, "/hang")).await });
    until(|| bulkhead.in_flight() == 1).await;
    call.abort();
    bulkhead.drained().await;
    assert_eq!(ledger.settled().await.abandoned, 1, "before the head");

    let client = client(false);
    let res = client.get(uri(address, "/stream")).await.unwrap();
    assert_eq!(bulkhead.in_flight(), 1);
    drop((res, client));
    bulkhead.drained().await;
    let counts = ledger.settled().await;
    assert_eq!(
        (counts.abandoned, counts.finished),
        (1, 1),
        "after a good head"
    );
}
