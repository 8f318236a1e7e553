//! What a call allocates: nothing on the happy path, and the box for a refusal as `BoxError`. A clone of a service
//! allocates nothing.

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use metrics_exporter_prometheus::PrometheusBuilder;
use resilience_stack::{
    core::{Deadline, Now, Priority},
    http::{BodyTimeoutLayer, InnerRetries},
    prelude::*,
    server::ServerStack,
};
use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tower::{Layer, Service, ServiceBuilder, service_fn, util::ServiceFn};

const CALLS: u64 = 100;
const SECOND: Duration = Duration::from_secs(1);

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

/// Allocations of a hundred calls through `layer`, after one that looks up metrics and the clock's anchor. Cloning the
/// service allocates nothing.
fn count<L>(layer: &L, refused: bool) -> u64
where
    L: Layer<Echo>,
    L::Service: Service<u64, Response = u64, Error = BoxError> + Clone,
{
    let mut service = layer.layer(echo());
    let cloned = measure(|| drop(service.clone()));
    assert_eq!(cloned.count_total, 0, "a clone");
    let mut run = || assert_eq!(call(&mut service, 7).is_err(), refused);
    run();
    measure(|| (0..CALLS).for_each(|_| run())).count_total
}

/// The happy path.
fn nothing<L>(what: &str, layer: &L)
where
    L: Layer<Echo>,
    L::Service: Service<u64, Response = u64, Error = BoxError> + Clone,
{
    assert_eq!(count(layer, false), 0, "{what}");
}

/// A refusal.
fn the_box<L>(what: &str, layer: &L)
where
    L: Layer<Echo>,
    L::Service: Service<u64, Response = u64, Error = BoxError> + Clone,
{
    assert_eq!(count(layer, true), CALLS, "{what}");
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

/// Requests are their own keys.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    reason = "as `Keyed` asks"
)]
fn key(req: &u64) -> Option<u64> {
    Some(*req)
}

fn plenty() -> RateLimit {
    let limit = RateLimit::builder("a").quota(Quota::per_second(1_000_000));
    limit.build().unwrap()
}

#[test]
fn policies_allocate_nothing_on_the_happy_path() {
    with_and_without_recorder(|| {
        nothing("breaker", &Breaker::new("a").layer());
        for (what, breaker) in [
            ("of a count window", Breaker::builder("a").count_window(50)),
            (
                "of failures in a row",
                Breaker::builder("a").failure_rate(None),
            ),
            (
                "of slow calls",
                Breaker::builder("a")
                    .slow_call_duration(SECOND)
                    .slow_call_rate(0.5),
            ),
        ] {
            nothing(what, &breaker.build().unwrap().layer());
        }
        let bulkhead = Bulkhead::new("a", 5).unwrap();
        nothing("bulkhead", &bulkhead.layer());
        let by_priority = bulkhead.by_priority(|_: &u64| Priority::Sheddable);
        nothing("bulkhead by priority", &by_priority.layer());
        nothing("rate limit", &plenty().layer());
    });
}

#[test]
fn policies_per_key_allocate_nothing_for_a_known_key() {
    with_and_without_recorder(|| {
        let limits = Keyed::builder("a").key(key).quota(Quota::per_hour(1_000));
        nothing("rate limit per key", &limits.build().unwrap().layer());
        let bulkheads = Keyed::builder("a")
            .key(key)
            .each(|_| Bulkhead::new("a", 5).unwrap());
        nothing("bulkhead per key", &bulkheads.build().unwrap().layer());
        let breakers = Keyed::builder("a").key(key).each(|_| Breaker::new("a"));
        nothing("breaker per key", &breakers.build().unwrap().layer());
    });
}

#[test]
fn flows_allocate_nothing_on_the_happy_path() {
    with_and_without_recorder(|| {
        let retry = RetryLayer::builder("a").build().unwrap();
        nothing("retry", &retry);
        let boundless = RetryLayer::builder("a").no_budget().build().unwrap();
        nothing("retry without budget", &boundless);
        nothing("fallback", &FallbackLayer::value("a", 3_u64));
        let other = FallbackLayer::service("a", echo());
        nothing("fallback to a service", &other);
        let timeout = TimeoutLayer::new("a", SECOND).unwrap();
        nothing("timeout", &timeout);
        nothing("timeout with readiness", &timeout.clone().cover_readiness());
        let deadline = DeadlineLayer::builder("a").max(SECOND).build().unwrap();
        nothing("deadline", &deadline);
        let policies = || (plenty(), Bulkhead::new("a", 5).unwrap(), Breaker::new("a"));
        let fused = ServiceBuilder::new()
            .layer(FallbackLayer::value("a", 3_u64))
            .layer(deadline)
            .layer(retry.clone())
            .layer(GuardLayer::new(policies()))
            .layer(timeout.clone());
        nothing("the stack of all", &fused.into_inner());
        let (limit, bulkhead, breaker) = policies();
        let separate = ServiceBuilder::new()
            .layer(retry)
            .layer(limit.layer())
            .layer(bulkhead.layer())
            .layer(breaker.layer())
            .layer(timeout);
        nothing("the stack of single layers", &separate.into_inner());
    });
}

fn open() -> Breaker {
    let breaker = Breaker::new("a");
    breaker.force_open();
    breaker
}

fn spent() -> RateLimit {
    let quota = Quota::per_hour(1).burst(1);
    let limit = RateLimit::builder("a").quota(quota).build().unwrap();
    assert!(call(&mut limit.layer().layer(echo()), 1).is_ok());
    limit
}

#[test]
fn a_refusal_as_box_error_is_one_allocation() {
    with_and_without_recorder(|| {
        the_box("breaker", &open().layer());
        let closed = Bulkhead::new("a", 1).unwrap();
        closed.close();
        the_box("bulkhead", &closed.layer());
        let full = Bulkhead::new("a", 1).unwrap();
        let _slot = full.admit(&(), &mut Now::lazy()).unwrap();
        the_box("a full bulkhead", &full.layer());
        let by_priority = full.by_priority(|_: &u64| Priority::Sheddable);
        the_box("bulkhead by priority", &by_priority.layer());
        the_box("rate limit", &spent().layer());
        let named = Breaker::new(format!("shard-{}", 1));
        named.force_open();
        the_box("with a name made at run time", &named.layer());
    });
}

#[test]
fn a_refusal_within_a_stack_is_one_allocation() {
    with_and_without_recorder(|| {
        let limits = Keyed::builder("a")
            .key(key)
            .quota(Quota::per_hour(1).burst(1));
        let limits = limits.build().unwrap();
        assert!(call(&mut limits.layer().layer(echo()), 7).is_ok());
        the_box("rate limit per key", &limits.layer());
        let breakers = Keyed::builder("a").key(key).each(|_| open());
        the_box("breaker per key", &breakers.build().unwrap().layer());
        // The last of the policies refuses, and the others take back what they have admitted.
        let stack = ServiceBuilder::new()
            .layer(DeadlineLayer::builder("a").max(SECOND).build().unwrap())
            .layer(RetryLayer::builder("a").build().unwrap())
            .layer(GuardLayer::new((
                plenty(),
                Bulkhead::new("a", 5).unwrap(),
                open(),
            )))
            .layer(TimeoutLayer::new("a", SECOND).unwrap());
        the_box("the stack of all", &stack.into_inner());
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

    let bounded = TimeoutLayer::new("a", SECOND)
        .and_then(|limit| limit.http().body_idle(SECOND)?.body_total(SECOND));
    let bounded = http(bounded.unwrap().layer(service_fn(answer)));
    assert_eq!(bounded, bare, "the limits of head and body add none");
}

/// Among the extensions of the request it notes the deadline, and where retries further in are to be noted: that is all.
#[test]
fn a_servers_preset_allocates_what_its_notes_in_the_request_do() {
    let mut request = Request::new(());
    let notes = measure(|| {
        request.extensions_mut().insert(Deadline::within(SECOND));
        request.extensions_mut().insert(InnerRetries::default());
    });
    let bare = http(service_fn(answer));
    let stack = ServerStack::http("a").rate_limit(plenty()).build().unwrap();
    let served = http(stack.layer(service_fn(answer)));
    assert_eq!(served, bare + notes.count_total);
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
