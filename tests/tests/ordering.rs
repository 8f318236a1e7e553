//! What goes wrong in the orders that `docs/ordering.md` warns of, and that it does not in the right one.

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use resilience_stack::{breaker::State, core::clock, http::SendDeadlineLayer, prelude::*};
use std::{
    convert::Infallible,
    future::{Ready, pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::time::sleep;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

type Answer = Result<&'static str, BoxError>;

/// Counts the calls that have begun.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Calls {
    /// The number of this call, from 1.
    fn next(&self) -> usize {
        self.0.fetch_add(1, SeqCst) + 1
    }

    fn seen(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// A dependency that does with its `n`th call what `work` says.
fn dependency<F, W>(
    calls: &Calls,
    work: W,
) -> impl Service<&'static str, Response = &'static str, Error = BoxError, Future = F> + Clone + use<F, W>
where
    F: Future<Output = Answer>,
    W: Fn(usize) -> F + Clone,
{
    let calls = calls.clone();
    service_fn(move |_: &'static str| work(calls.next()))
}

fn fail() -> Ready<Answer> {
    ready(Err("reset".into()))
}

/// Fails the first time.
async fn flaky(call: usize) -> Answer {
    if call == 1 { fail().await } else { Ok("whole") }
}

fn retries(wait: Duration) -> RetryLayer {
    RetryLayer::builder("test")
        .backoff(Backoff::constant(wait).unwrap())
        .no_budget()
        .build()
        .unwrap()
}

fn degraded() -> FallbackLayer<resilience_stack::fallback::Value<&'static str>> {
    FallbackLayer::value("test", "degraded")
}

fn timeout(limit: Duration) -> TimeoutLayer {
    TimeoutLayer::new("test", limit).unwrap()
}

fn deadline(max: Duration) -> DeadlineLayer {
    DeadlineLayer::builder("test").max(max).build().unwrap()
}

/// Opens for an hour after so many failures in a row, or when a fifth of 50 calls have failed.
fn breaker(failures: u32) -> Breaker {
    Breaker::builder("test")
        .consecutive_failures(failures)
        .minimum_spread(Duration::ZERO)
        .open_for(HOUR)
        .build()
        .unwrap()
}

fn bulkhead(limit: usize) -> Bulkhead {
    Bulkhead::new("test", limit).unwrap()
}

/// So many calls, and no more within the hour.
fn quota(calls: u32) -> RateLimit {
    let quota = Quota::per(calls, HOUR).burst(calls);
    RateLimit::builder("test").quota(quota).build().unwrap()
}

fn reason(answer: &Answer) -> Option<Reason> {
    let error = answer.as_ref().err()?;
    Rejected::find(&**error).map(Rejected::reason)
}

/// Calls one after the other.
async fn one_by_one<S>(service: &S, calls: usize, pause: Duration) -> Vec<Answer>
where
    S: Service<&'static str, Response = &'static str, Error = BoxError> + Clone,
{
    let mut answers = Vec::new();
    for _ in 0..calls {
        answers.push(service.clone().oneshot("").await);
        sleep(pause).await;
    }
    answers
}

/// Calls all at once.
async fn at_once<S>(service: &S, calls: usize) -> Vec<Answer>
where
    S: Service<&'static str, Response = &'static str, Error = BoxError> + Clone,
{
    join_all((0..calls).map(|_| service.clone().oneshot(""))).await
}

/// Whether each answer is the whole one.
fn all_whole(answers: &[Answer]) -> bool {
    answers.iter().all(|answer| matches!(answer, Ok("whole")))
}

#[tokio::test(start_paused = true)]
async fn fallback_inside_retries_answers_before_they_have_tried() {
    let wrong = (retries(MILLI), degraded()).layer(dependency(&Calls::default(), flaky));
    assert_eq!(wrong.oneshot("").await.unwrap(), "degraded");

    let right = (degraded(), retries(MILLI)).layer(dependency(&Calls::default(), flaky));
    assert_eq!(right.oneshot("").await.unwrap(), "whole");
}

#[tokio::test(start_paused = true)]
async fn fallback_inside_the_breaker_keeps_it_closed_and_its_callers_unanswered() {
    let (calls, closed) = (Calls::default(), breaker(10));
    let wrong = (closed.layer(), degraded()).layer(dependency(&calls, |_| fail()));
    one_by_one(&wrong, 20, MILLI).await;
    assert_eq!((closed.state(), calls.seen()), (State::Closed, 20));
    closed.force_open();
    assert_eq!(reason(&wrong.oneshot("").await), Some(Reason::Open));

    let (calls, open) = (Calls::default(), breaker(10));
    let right = (degraded(), open.layer()).layer(dependency(&calls, |_| fail()));
    let answers = one_by_one(&right, 20, MILLI).await;
    assert_eq!((open.state(), calls.seen()), (State::Open, 10));
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Ok("degraded")))
    );
}

#[tokio::test(start_paused = true)]
async fn fallback_inside_the_deadline_does_not_answer_for_it() {
    let hanging = || dependency(&Calls::default(), |_| pending());
    let wrong = (deadline(SECOND), degraded()).layer(hanging());
    assert!(wrong.oneshot("").await.is_err());

    let right = (degraded(), deadline(SECOND)).layer(hanging());
    assert_eq!(right.oneshot("").await.unwrap(), "degraded");
}

#[tokio::test(start_paused = true)]
async fn deadline_inside_retries_begins_anew_with_every_attempt() {
    let hanging = |calls: &Calls| dependency(calls, |_| pending());
    let (calls, begun) = (Calls::default(), clock::now());
    let wrong = (retries(MILLI), deadline(SECOND)).layer(hanging(&calls));
    assert!(wrong.oneshot("").await.is_err());
    assert!((clock::now() - begun) >= 3 * SECOND);
    assert_eq!(calls.seen(), 3);

    let (calls, begun) = (Calls::default(), clock::now());
    let right = (deadline(SECOND), retries(MILLI)).layer(hanging(&calls));
    assert!(right.oneshot("").await.is_err());
    assert!((clock::now() - begun) < SECOND + 10 * MILLI);
    assert_eq!(calls.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn retries_inside_the_breaker_hide_failures_from_it() {
    // Every second attempt fails: too much for the breaker's window.
    let every_second = |call: usize| async move {
        if call % 2 == 1 {
            fail().await
        } else {
            Ok("whole")
        }
    };
    let closed = breaker(10);
    let wrong = (closed.layer(), retries(MILLI)).layer(dependency(&Calls::default(), every_second));
    one_by_one(&wrong, 200, 10 * MILLI).await;
    assert_eq!(closed.state(), State::Closed);

    let open = breaker(10);
    let right = (retries(MILLI), open.layer()).layer(dependency(&Calls::default(), every_second));
    one_by_one(&right, 200, 10 * MILLI).await;
    assert_eq!(open.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn retries_inside_the_breaker_multiply_what_it_takes_to_open() {
    let (calls, open) = (Calls::default(), breaker(10));
    let wrong = (open.layer(), retries(MILLI)).layer(dependency(&calls, |_| fail()));
    one_by_one(&wrong, 20, MILLI).await;
    assert_eq!((open.state(), calls.seen()), (State::Open, 30));

    let (calls, open) = (Calls::default(), breaker(10));
    let right = (retries(MILLI), open.layer()).layer(dependency(&calls, |_| fail()));
    one_by_one(&right, 20, MILLI).await;
    assert_eq!((open.state(), calls.seen()), (State::Open, 10));
}

#[tokio::test(start_paused = true)]
async fn retries_inside_the_rate_limit_exceed_it() {
    let calls = Calls::default();
    let wrong = (quota(10).layer(), retries(MILLI)).layer(dependency(&calls, |_| fail()));
    one_by_one(&wrong, 20, MILLI).await;
    assert_eq!(calls.seen(), 30);

    let calls = Calls::default();
    let right = (retries(MILLI), quota(10).layer()).layer(dependency(&calls, |_| fail()));
    one_by_one(&right, 20, MILLI).await;
    assert_eq!(calls.seen(), 10);
}

#[tokio::test(start_paused = true)]
async fn retries_inside_the_bulkhead_hold_a_slot_while_they_wait() {
    let wrong = (bulkhead(1).layer(), retries(SECOND)).layer(dependency(&Calls::default(), flaky));
    let (waiting, other) = tokio::join!(wrong.clone().oneshot(""), async {
        sleep(MILLI).await;
        wrong.clone().oneshot("").await
    });
    assert_eq!(waiting.unwrap(), "whole");
    assert_eq!(reason(&other), Some(Reason::Concurrency));

    let right = (retries(SECOND), bulkhead(1).layer()).layer(dependency(&Calls::default(), flaky));
    let (waiting, other) = tokio::join!(right.clone().oneshot(""), async {
        sleep(MILLI).await;
        right.clone().oneshot("").await
    });
    assert_eq!((waiting.unwrap(), other.unwrap()), ("whole", "whole"));
}

#[tokio::test(start_paused = true)]
async fn retries_that_do_not_know_the_breaker_wait_to_be_refused() {
    let open = breaker(1);
    let wrong = (degraded(), retries(SECOND), open.layer());
    let begin = clock::now();
    let answer = wrong
        .layer(dependency(&Calls::default(), |_| fail()))
        .oneshot("")
        .await;
    assert_eq!(answer.unwrap(), "degraded");
    assert_eq!(clock::now() - begin, SECOND);

    let open = breaker(1);
    let told = retries(SECOND).unless_refusing(open.clone());
    let right = (degraded(), told, open.layer());
    let begin = clock::now();
    let answer = right
        .layer(dependency(&Calls::default(), |_| fail()))
        .oneshot("")
        .await;
    assert_eq!(answer.unwrap(), "degraded");
    assert_eq!(clock::now() - begin, Duration::ZERO);
}

/// Answers all requests so, and counts them.
fn answers<B>(
    calls: &Calls,
    answer: impl Fn() -> Result<Reply, BoxError> + Clone,
) -> impl Service<Request<B>, Response = Reply, Error = BoxError> + Clone {
    let calls = calls.clone();
    service_fn(move |_: Request<B>| {
        calls.next();
        ready(answer())
    })
}

#[tokio::test(start_paused = true)]
async fn retries_without_their_form_for_http_repeat_what_must_not_happen_twice() {
    let request = |method| {
        let req = Request::builder().method(method);
        req.body(Full::<Bytes>::default()).unwrap()
    };
    let (plain, http, grpc) = (Calls::default(), Calls::default(), Calls::default());
    let stack = ServiceBuilder::new;

    // Whether it was received, nobody knows.
    let reset = || Err("reset".into());
    let wrong = stack()
        .retries(retries(SECOND))
        .service(answers(&plain, reset));
    let right = stack()
        .retries_http(retries(SECOND))
        .service(answers(&http, reset));
    wrong.oneshot(request(Method::POST)).await.unwrap_err();
    right.oneshot(request(Method::POST)).await.unwrap_err();
    assert_eq!((plain.seen(), http.seen()), (3, 1));

    let (plain, http) = (Calls::default(), Calls::default());
    let unavailable = || {
        let mut res = Reply::default();
        *res.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok(res)
    };
    let wrong = stack()
        .retries(retries(SECOND))
        .service(answers(&plain, unavailable));
    let right = stack()
        .retries_http(retries(SECOND))
        .service(answers(&http, unavailable));
    wrong.oneshot(request(Method::GET)).await.unwrap();
    right.oneshot(request(Method::GET)).await.unwrap();
    assert_eq!((plain.seen(), http.seen()), (1, 3));

    let http = Calls::default();
    let unavailable = || {
        let mut res = Reply::default();
        res.headers_mut()
            .insert("grpc-status", HeaderValue::from_static("14"));
        Ok(res)
    };
    let wrong = stack()
        .retries_http(retries(SECOND))
        .service(answers(&http, unavailable));
    let right = stack()
        .retries_grpc(retries(SECOND))
        .service(answers(&grpc, unavailable));
    wrong.oneshot(request(Method::POST)).await.unwrap();
    right.oneshot(request(Method::POST)).await.unwrap();
    assert_eq!((http.seen(), grpc.seen()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn attempt_timeout_around_retries_leaves_no_time_for_a_second_attempt() {
    let hangs_once = |call: usize| async move {
        if call == 1 {
            pending().await
        } else {
            Ok("whole")
        }
    };
    let wrong = (timeout(SECOND), retries(MILLI)).layer(dependency(&Calls::default(), hangs_once));
    assert!(wrong.oneshot("").await.is_err());

    let right = (retries(MILLI), timeout(SECOND)).layer(dependency(&Calls::default(), hangs_once));
    assert_eq!(right.oneshot("").await.unwrap(), "whole");
}

#[tokio::test(start_paused = true)]
async fn attempt_timeout_around_the_breaker_hides_hangs_from_it() {
    // Every second call hangs.
    let every_second = |call: usize| async move {
        if call % 2 == 1 {
            pending().await
        } else {
            Ok("whole")
        }
    };
    let limit = timeout(20 * MILLI);
    let closed = breaker(10);
    let wrong = (limit.clone(), closed.layer()).layer(dependency(&Calls::default(), every_second));
    one_by_one(&wrong, 200, 10 * MILLI).await;
    assert_eq!(closed.state(), State::Closed);
    // Ten in a row, and nothing but hangs: that it does see.
    let hanging = dependency(&Calls::default(), |_| pending());
    let wrong = (limit.clone(), closed.layer()).layer(hanging);
    one_by_one(&wrong, 10, 10 * MILLI).await;
    assert_eq!(closed.state(), State::Open);

    let open = breaker(10);
    let right = (open.layer(), limit).layer(dependency(&Calls::default(), every_second));
    one_by_one(&right, 200, 10 * MILLI).await;
    assert_eq!(open.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn queue_inside_the_breaker_sends_what_it_holds_after_the_breaker_has_opened() {
    let slow_failure = |_| async {
        sleep(10 * MILLI).await;
        fail().await
    };
    let (calls, open) = (Calls::default(), breaker(3));
    let queue = bulkhead(1).wait_up_to(SECOND).unwrap();
    let wrong = (open.layer(), queue.layer()).layer(dependency(&calls, slow_failure));
    at_once(&wrong, 20).await;
    assert_eq!((open.state(), calls.seen()), (State::Open, 20));

    let (calls, open) = (Calls::default(), breaker(3));
    let queue = bulkhead(1).wait_up_to(SECOND).unwrap();
    let right = (queue.layer(), open.layer()).layer(dependency(&calls, slow_failure));
    at_once(&right, 20).await;
    assert_eq!((open.state(), calls.seen()), (State::Open, 3));
}

#[tokio::test(start_paused = true)]
async fn queue_inside_the_breaker_makes_a_quick_dependency_slow() {
    let quick = |_| async {
        sleep(20 * MILLI).await;
        Ok("whole")
    };
    let slow_calls = || {
        Breaker::builder("test")
            .count_window(20)
            .slow_call_duration(100 * MILLI)
            .slow_call_rate(0.5)
            .open_for(HOUR)
            .build()
            .unwrap()
    };
    let open = slow_calls();
    let queue = bulkhead(1).wait_up_to(SECOND).unwrap();
    let wrong = (open.layer(), queue.layer()).layer(dependency(&Calls::default(), quick));
    at_once(&wrong, 20).await;
    assert_eq!(open.state(), State::Open);

    let closed = slow_calls();
    let queue = bulkhead(1).wait_up_to(SECOND).unwrap();
    let right = (queue.layer(), closed.layer()).layer(dependency(&Calls::default(), quick));
    assert!(all_whole(&at_once(&right, 20).await));
    assert_eq!(closed.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn queue_inside_the_attempt_timeout_is_charged_to_the_dependency() {
    let quick = |_| async {
        sleep(20 * MILLI).await;
        Ok("whole")
    };
    let limit = timeout(50 * MILLI);
    let open = breaker(10);
    let queue = bulkhead(1).wait_up_to(SECOND).unwrap();
    let wrong =
        (open.layer(), limit.clone(), queue.layer()).layer(dependency(&Calls::default(), quick));
    assert!(!all_whole(&at_once(&wrong, 20).await));
    assert_eq!(open.state(), State::Open);

    let closed = breaker(10);
    let queue = bulkhead(1).wait_up_to(SECOND).unwrap();
    let right = (queue.layer(), closed.layer(), limit).layer(dependency(&Calls::default(), quick));
    assert!(all_whole(&at_once(&right, 20).await));
    assert_eq!(closed.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_rate_inside_the_bulkhead_takes_slots_from_nobodys_calls() {
    // One call a second. Nobody is at work while two wait for their turn.
    let whole = |_| async { Ok("whole") };
    let turns = || {
        let limit = RateLimit::builder("test")
            .quota(Quota::per_second(1))
            .build();
        limit.unwrap().wait_up_to(10 * SECOND).unwrap()
    };
    let slots = bulkhead(2);
    let wrong = (slots.layer(), turns().layer()).layer(dependency(&Calls::default(), whole));
    let answers = at_once(&wrong, 4).await;
    let refused = answers
        .iter()
        .filter(|answer| reason(answer) == Some(Reason::Concurrency));
    assert_eq!(refused.count(), 1);

    let slots = bulkhead(2);
    let right = (turns().layer(), slots.layer()).layer(dependency(&Calls::default(), whole));
    assert!(all_whole(&at_once(&right, 4).await));
}

#[tokio::test(start_paused = true)]
async fn two_layers_instead_of_a_tuple_spend_the_rate_on_calls_that_are_not_made() {
    let hangs = |_| pending();
    let (limit, full) = (quota(10), bulkhead(1));
    let wrong = (limit.layer(), full.layer()).layer(dependency(&Calls::default(), hangs));
    let held = tokio::spawn(wrong.clone().oneshot(""));
    sleep(MILLI).await;
    one_by_one(&wrong, 9, Duration::ZERO).await;
    assert_eq!(limit.available(clock::now()), 0);
    held.abort();

    let (limit, full) = (quota(10), bulkhead(1));
    let tuple = GuardLayer::new((limit.clone(), full));
    let right = tuple.layer(dependency(&Calls::default(), hangs));
    let held = tokio::spawn(right.clone().oneshot(""));
    sleep(MILLI).await;
    one_by_one(&right, 9, Duration::ZERO).await;
    assert_eq!(limit.available(clock::now()), 9);
    held.abort();
}

#[tokio::test(start_paused = true)]
async fn queue_outside_the_rate_limit_gives_its_places_to_those_who_exceed_it() {
    let per_tenant = || {
        Keyed::builder("test")
            .key(|tenant: &&'static str| Some(*tenant))
            .quota(Quota::per(1, HOUR).burst(1))
            .build()
            .unwrap()
    };
    let line = || {
        let queue = bulkhead(1).wait_up_to(10 * SECOND).unwrap();
        queue.max_waiting(1).unwrap().layer()
    };
    let work = |_| async {
        sleep(SECOND).await;
        Ok("whole")
    };
    // The flooding tenant's first call is at work, its second exceeds its rate; then somebody else comes.
    let wrong = (line(), per_tenant().layer()).layer(dependency(&Calls::default(), work));
    let (_, _, other) = tokio::join!(
        wrong.clone().oneshot("flood"),
        wrong.clone().oneshot("flood"),
        wrong.clone().oneshot("other")
    );
    assert_eq!(reason(&other), Some(Reason::Concurrency));

    let right = (per_tenant().layer(), line()).layer(dependency(&Calls::default(), work));
    let (_, second, other) = tokio::join!(
        right.clone().oneshot("flood"),
        right.clone().oneshot("flood"),
        right.clone().oneshot("other")
    );
    assert_eq!(reason(&second), Some(Reason::Rate));
    assert_eq!(other.unwrap(), "whole");
}

// Over HTTP.

type Reply = Response<Full<Bytes>>;

/// Answers with `status`, after a time.
fn server<B>(
    calls: &Calls,
    status: StatusCode,
    after: Duration,
) -> impl Service<Request<B>, Response = Reply, Error = Infallible, Future: Send> + Clone + use<B> {
    let calls = calls.clone();
    service_fn(move |_: Request<B>| {
        calls.next();
        async move {
            sleep(after).await;
            let mut res = Reply::default();
            *res.status_mut() = status;
            Ok(res)
        }
    })
}

fn request(timeout_ms: Option<u64>) -> Request<Full<Bytes>> {
    let mut req = Request::new(Full::default());
    if let Some(timeout) = timeout_ms {
        req.headers_mut()
            .insert("x-request-timeout-ms", timeout.into());
    }
    req
}

#[tokio::test(start_paused = true)]
async fn deadline_inside_the_queue_begins_after_the_wait() {
    // Behind 100 ms of work, a call that has 50 ms.
    let queue = || {
        bulkhead(1)
            .wait_up_to(SECOND)
            .unwrap()
            .layer()
            .http()
            .respond()
    };
    let ok = StatusCode::OK;
    let calls = Calls::default();
    let wrong = (queue(), deadline(SECOND).http().respond()).layer(server(&calls, ok, 100 * MILLI));
    let (first, late) = tokio::join!(
        wrong.clone().oneshot(request(None)),
        wrong.clone().oneshot(request(Some(50)))
    );
    assert_eq!(first.unwrap().status(), ok);
    assert_eq!(late.unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(calls.seen(), 2);

    let (calls, begun) = (Calls::default(), clock::now());
    let right = (deadline(SECOND).http().respond(), queue()).layer(server(&calls, ok, 100 * MILLI));
    let (first, late) = tokio::join!(right.clone().oneshot(request(None)), async {
        let res = right.clone().oneshot(request(Some(50))).await;
        (res.unwrap(), (clock::now() - begun))
    });
    assert_eq!(first.unwrap().status(), ok);
    let (res, after) = late;
    assert_eq!(res.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(after <= 51 * MILLI, "{after:?}");
    assert_eq!(calls.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn sending_the_deadline_outside_retries_states_time_that_has_passed() {
    type Stated = Arc<Mutex<Vec<u64>>>;
    fn unavailable<B>(
        stated: &Stated,
    ) -> impl Service<Request<B>, Response = Reply, Error = Infallible, Future: Send> + Clone + use<B>
    {
        let stated = stated.clone();
        service_fn(move |req: Request<B>| {
            let left = req.headers()["x-request-timeout-ms"].to_str().unwrap();
            stated.lock().unwrap().push(left.parse().unwrap());
            async {
                sleep(400 * MILLI).await;
                let mut res = Reply::default();
                *res.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                Ok(res)
            }
        })
    }
    let (retry, whole) = (retries(MILLI).http(), deadline(SECOND).http());
    let send = SendDeadlineLayer::new();
    let stated = Stated::default();
    let wrong = (whole.clone(), send.clone(), retry.clone()).layer(unavailable(&stated));
    let _ = wrong.oneshot(request(Some(1_000))).await;
    assert_eq!(*stated.lock().unwrap(), [1_000; 3]);

    let stated = Stated::default();
    let right = (whole, retry, send).layer(unavailable(&stated));
    let _ = right.oneshot(request(Some(1_000))).await;
    let stated = stated.lock().unwrap();
    assert_eq!(stated[0], 1_000);
    assert!(stated[1] < 600 && stated[2] < 200, "{stated:?}");
}

#[tokio::test(start_paused = true)]
async fn responding_without_http_sees_no_failures() {
    let failing = |calls: &Calls| server(calls, StatusCode::INTERNAL_SERVER_ERROR, MILLI);
    let (calls, closed) = (Calls::default(), breaker(10));
    let wrong = closed.layer().respond().layer(failing(&calls));
    for _ in 0..20 {
        let _ = wrong.clone().oneshot(request(None)).await;
    }
    assert_eq!((closed.state(), calls.seen()), (State::Closed, 20));

    let (calls, open) = (Calls::default(), breaker(10));
    let right = open.layer().http().respond().layer(failing(&calls));
    for _ in 0..20 {
        let _ = right.clone().oneshot(request(None)).await;
    }
    assert_eq!((open.state(), calls.seen()), (State::Open, 10));
}

#[tokio::test(start_paused = true)]
async fn responding_without_http_gives_permits_back_while_bodies_still_stream() {
    // A response whose body has not been read.
    let calls = Calls::default();
    let with_body = |calls: &Calls| {
        server(calls, StatusCode::OK, MILLI)
            .map_response(|res: Reply| res.map(|_| Full::new(Bytes::from("long"))))
    };
    let slots = bulkhead(1);
    let wrong = slots.layer().respond().layer(with_body(&calls));
    let unread = wrong.oneshot(request(None)).await.unwrap();
    assert_eq!(slots.in_flight(), 0);
    drop(unread);

    let slots = bulkhead(1);
    let right = slots.layer().http().respond().layer(with_body(&calls));
    let unread = right.oneshot(request(None)).await.unwrap();
    assert_eq!(slots.in_flight(), 1);
    drop(unread);
    assert_eq!(slots.in_flight(), 0);
}

/// The page names a test for each warning.
#[test]
fn the_page_names_tests_that_exist() {
    let (page, tests) = (
        include_str!("../../docs/ordering.md"),
        include_str!("ordering.rs"),
    );
    let named: Vec<_> = page
        .split('`')
        .filter_map(|code| code.strip_prefix("ordering::"))
        .collect();
    for test in &named {
        assert!(tests.contains(&format!("async fn {test}()")), "{test}");
    }
    let there = tests.matches("#[tokio::test(").count();
    // This function has the pattern in it too.
    assert_eq!(named.len(), there - 1, "a test that the page does not name");
}
