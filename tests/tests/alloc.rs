//! What a call allocates: nothing on the happy path, and the box for a refusal as `BoxError`.

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use metrics_exporter_prometheus::PrometheusBuilder;
use resilience_stack::{http::BodyTimeoutLayer, prelude::*};
use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tower::{Layer, Service, ServiceBuilder, service_fn, util::ServiceFn};

const CALLS: u64 = 100;

/// Calls a service that is ready, and answers, at once.
fn call<Req, S: Service<Req>>(service: &mut S, req: Req) -> Result<S::Response, S::Error> {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(ready) = service.poll_ready(&mut cx) else {
        panic!("not ready")
    };
    ready?;
    match pin!(service.call(req)).poll(&mut cx) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("pending"),
    }
}

/// Allocations of a hundred calls through `layer`, after one that looks up metrics and the clock's anchor.
fn count<L>(layer: &L, refused: bool) -> u64
where
    L: Layer<Echo>,
    L::Service: Service<u64, Response = u64, Error = BoxError>,
{
    let mut service = layer.layer(echo());
    let mut run = || assert_eq!(call(&mut service, 7).is_err(), refused);
    run();
    measure(|| (0..CALLS).for_each(|_| run())).count_total
}

type Echo = ServiceFn<fn(u64) -> Ready<Result<u64, BoxError>>>;

fn echo() -> Echo {
    service_fn(|req| ready(Ok(req)))
}

/// Runs `test` without a recorder, and then with one.
fn with_and_without_recorder(test: impl Fn()) {
    test();
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, test);
    assert!(
        recorder.handle().render().contains("resilience_"),
        "it was used"
    );
}

#[test]
fn nothing_on_the_happy_path() {
    with_and_without_recorder(|| {
        assert_eq!(count(&Breaker::new("a").layer(), false), 0, "breaker");
        let by_time = Breaker::builder("a")
            .slow_call_duration(Duration::from_secs(1))
            .slow_call_rate(0.5);
        assert_eq!(
            count(&by_time.build().unwrap().layer(), false),
            0,
            "breaker with slow calls"
        );
        assert_eq!(
            count(&Bulkhead::new("a", 5).unwrap().layer(), false),
            0,
            "bulkhead"
        );
        let quota = Quota::per_second(1_000_000);
        let limit = RateLimit::builder("a").quota(quota).build().unwrap();
        assert_eq!(count(&limit.layer(), false), 0, "rate limit");
        let retry = RetryLayer::builder("a").build().unwrap();
        assert_eq!(count(&retry, false), 0, "retry");
        assert_eq!(
            count(&FallbackLayer::value("a", 3_u64), false),
            0,
            "fallback"
        );
        let timeout = TimeoutLayer::new("a", Duration::from_secs(1)).unwrap();
        assert_eq!(count(&timeout, false), 0, "timeout");
        let covering = timeout.clone().cover_readiness();
        assert_eq!(count(&covering, false), 0, "timeout with readiness");
        let stack = ServiceBuilder::new()
            .layer(FallbackLayer::value("a", 3_u64))
            .layer(retry)
            .layer(GuardLayer::new((
                limit,
                Bulkhead::new("a", 5).unwrap(),
                Breaker::new("a"),
            )))
            .layer(timeout);
        assert_eq!(count(&stack.into_inner(), false), 0, "the stack of all");
    });
}

#[test]
fn a_refusal_as_box_error_is_one_allocation() {
    with_and_without_recorder(|| {
        let open = Breaker::new("a");
        open.force_open();
        assert_eq!(count(&open.layer(), true), CALLS, "breaker");
        let closed = Bulkhead::new("a", 1).unwrap();
        closed.close();
        assert_eq!(count(&closed.layer(), true), CALLS, "bulkhead");
        let quota = Quota::per(1, Duration::from_secs(3_600)).burst(1);
        let spent = RateLimit::builder("a").quota(quota).build().unwrap();
        assert!(call(&mut spent.layer().layer(echo()), 1).is_ok());
        assert_eq!(count(&spent.layer(), true), CALLS, "rate limit");
        let named = Breaker::new(format!("shard-{}", 1));
        named.force_open();
        assert_eq!(
            count(&named.layer(), true),
            CALLS,
            "with a name made at run time"
        );
    });
}

/// Not a bound, but a figure: what HTTP calls through the layers allocate, beside what they do without.
#[test]
fn the_figures_for_http() {
    let bare = http(service_fn(answer));
    let guarded = GuardLayer::new((Bulkhead::new("a", 5).unwrap(), Breaker::new("a")))
        .http()
        .respond();
    let guarded = http(guarded.layer(service_fn(answer)));
    let closed = Bulkhead::new("a", 5).unwrap();
    closed.close();
    let refused = http(
        GuardLayer::new(closed)
            .http()
            .respond()
            .layer(service_fn(answer)),
    );
    println!(
        "allocations per HTTP call: bare {bare}, guarded {guarded}, refused with a response {refused}"
    );
    assert_eq!(guarded, bare, "the guard adds none");

    let second = Duration::from_secs(1);
    let bounded = TimeoutLayer::new("a", second)
        .and_then(|limit| limit.http().body_idle(second)?.body_total(second));
    let bounded = http(bounded.unwrap().layer(service_fn(answer)));
    assert_eq!(bounded, bare, "the limits of head and body add none");
}

async fn answer(_: Request<()>) -> Result<Response<Full<Bytes>>, BoxError> {
    Ok(Response::new(Full::new(Bytes::from_static(b"hello"))))
}

/// Allocations of one call, its body included.
fn http<S, B>(mut service: S) -> u64
where
    S: Service<Request<()>, Response = Response<B>, Error = BoxError>,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let mut run = || {
        let res = call(&mut service, Request::new(())).unwrap();
        let mut body = pin!(res.into_body());
        let mut frame = pin!(body.frame());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(frame.as_mut().poll(&mut cx).is_ready());
    };
    run();
    measure(run).count_total
}
