//! Timeouts over HTTP and gRPC: answers, limits that requests bring along, bodies that stand still or do not end.

#![cfg(feature = "timeout")]

mod support;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use resilience_core::{BoxError, GuardLayer, Outcome, Reason, Rejected, clock};
use resilience_http::{
    AnswerBody, AttemptTimeout, BodyTimeoutLayer, HttpLayer, RespondLayer, TimedBody,
};
use resilience_timeout::{Kind, TimedOut, TimeoutLayer};
use std::{
    convert::Infallible,
    future::{Ready, pending, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};
use support::{Event, Log};
use tokio::time::{advance, sleep};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_millis(100);
const IDLE: Duration = Duration::from_millis(40);
const TOTAL: Duration = Duration::from_millis(90);

fn layer() -> TimeoutLayer {
    TimeoutLayer::new("inventory", LIMIT).unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn plain() -> Request<()> {
    Request::new(())
}

fn grpc() -> Request<()> {
    let mut req = Request::new(());
    let value = http::HeaderValue::from_static("application/grpc+proto");
    req.headers_mut().insert(http::header::CONTENT_TYPE, value);
    req
}

/// Never answers.
async fn hang<B>(_: Request<()>) -> Result<Response<B>, Infallible> {
    pending().await
}

#[tokio::test(start_paused = true)]
async fn answers_with_504() {
    let service = layer()
        .http()
        .respond()
        .layer(service_fn(hang::<Full<Bytes>>));
    let Ok(res) = service.oneshot(plain()).await;
    assert_eq!(res.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(!res.headers().contains_key("retry-after"));
    let why = res.extensions().get::<TimedOut>().unwrap();
    assert_eq!(why, &TimedOut::new(Kind::Head, "inventory", LIMIT));
    let body = res.collect().await.unwrap().to_bytes();
    assert_eq!(body, "inventory: no response within 100ms");
}

#[tokio::test(start_paused = true)]
async fn answers_with_deadline_exceeded() {
    for layer in [layer().http(), layer().grpc()] {
        let service = layer.respond().layer(service_fn(hang::<Full<Bytes>>));
        let Ok(res) = service.oneshot(grpc()).await;
        assert_eq!(res.status(), StatusCode::OK);
        assert_eq!(res.headers()["content-type"], "application/grpc");
        assert_eq!(res.headers()["grpc-status"], "4");
        let message = "inventory: no response within 100ms";
        assert_eq!(res.headers()["grpc-message"], message);
        assert!(!res.headers().contains_key("grpc-retry-pushback-ms"));
        assert!(res.body().is_end_stream());
    }
}

#[tokio::test(start_paused = true)]
async fn a_classifier_outside_sees_a_transient_failure() {
    for req in [plain(), grpc()] {
        let log = Log::default();
        let service = GuardLayer::new(log.clone()).http().layer(
            layer()
                .http()
                .respond()
                .layer(service_fn(hang::<Full<Bytes>>)),
        );
        let res = service.oneshot(req).await.unwrap();
        let _ = res.collect().await.unwrap();
        let verdict = Outcome::TRANSIENT;
        let expected = [Event::Head(Some(verdict)), Event::Finished(verdict)];
        assert_eq!(log.events(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn without_respond_it_is_an_error() {
    let hang = service_fn(|_: Request<()>| pending::<Result<Response<String>, BoxError>>());
    let error = layer()
        .http()
        .layer(hang)
        .oneshot(plain())
        .await
        .unwrap_err();
    assert!(TimedOut::find(&*error).is_some());
}

#[cfg(feature = "tonic")]
#[tokio::test(start_paused = true)]
async fn a_tonic_client_sees_deadline_exceeded() {
    use resilience_core::{Classify, Verdict};
    use resilience_http::{HttpClassify, StatusLayer};

    fn judged<C: Classify<Request<()>, Response<()>, BoxError>>(by: &C, e: &BoxError) -> Outcome {
        by.start(&grpc()).error(e)
    }

    let hang = service_fn(|_: Request<()>| pending::<Result<Response<String>, BoxError>>());
    let layer = layer().grpc().with_status();
    let error = layer.layer(hang).oneshot(grpc()).await.unwrap_err();
    assert!(TimedOut::find(&*error).is_some());
    let outcome = judged(&HttpClassify::grpc(), &error);
    assert_eq!(outcome, Outcome::TRANSIENT);
    let status = tonic::Status::from_error(error);
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
}

/// Is never ready.
#[derive(Clone)]
struct Unready;

impl Service<Request<()>> for Unready {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_is_a_refusal() {
    let why = TimedOut::new(Kind::Ready, "inventory", LIMIT);
    let refused = Rejected::new(Reason::NotReady, "inventory");
    for (req, status, code) in [(plain(), 503, None), (grpc(), 200, Some("14"))] {
        let log = Log::default();
        // Before or after `.http()`: the same.
        let layer = match code {
            None => layer().cover_readiness().http().respond(),
            Some(_) => layer().http().respond().cover_readiness(),
        };
        let service = GuardLayer::new(log.clone())
            .http()
            .layer(layer.layer(Unready));
        let res = service.oneshot(req).await.unwrap();
        assert_eq!(res.status(), status);
        let grpc_status = res.headers().get("grpc-status");
        assert_eq!(grpc_status.map(|code| code.to_str().unwrap()), code);
        assert_eq!(res.extensions().get(), Some(&why));
        assert_eq!(res.extensions().get(), Some(&refused));
        let _ = res.collect().await.unwrap();
        let verdict = refused.outcome();
        let expected = [Event::Head(Some(verdict)), Event::Finished(verdict)];
        assert_eq!(log.events(), expected);
    }
}

#[cfg(feature = "tonic")]
#[tokio::test(start_paused = true)]
async fn a_tonic_client_sees_unavailable_when_the_service_is_not_ready() {
    use resilience_http::StatusLayer;

    let layer = layer().cover_readiness().grpc().with_status();
    let error = layer.layer(Unready).oneshot(grpc()).await.unwrap_err();
    let why = TimedOut::new(Kind::Ready, "inventory", LIMIT);
    assert_eq!(TimedOut::find(&*error), Some(&why));
    assert!(Rejected::find(&*error).is_some());
    let status = tonic::Status::from_error(error);
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(status.message(), "inventory: not ready within 100ms");
}

#[tokio::test(start_paused = true)]
async fn a_request_may_bring_its_own_limit() {
    let service = layer().http().respond().layer(service_fn(hang::<String>));
    for limit in [ms(0), ms(30), ms(300), Duration::MAX] {
        let mut req = plain();
        req.extensions_mut().insert(AttemptTimeout(limit));
        let start = clock::now();
        let Ok(res) = service.clone().oneshot(req).await;
        let limit = limit.min(resilience_core::config::LONGEST);
        assert_eq!(clock::now() - start, limit);
        let why = TimedOut::new(Kind::Head, "inventory", limit);
        assert_eq!(res.extensions().get(), Some(&why));
    }
    // Other extensions say nothing.
    let mut req = plain();
    req.extensions_mut().insert(ms(30));
    let Ok(res) = service.oneshot(req).await;
    let why = TimedOut::new(Kind::Head, "inventory", LIMIT);
    assert_eq!(res.extensions().get(), Some(&why));
}

#[cfg(feature = "retry")]
#[tokio::test(start_paused = true)]
async fn each_attempt_has_the_requests_own_limit() {
    use resilience_http::ReplayBody;
    use resilience_retry::RetryLayer;

    let limits = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = limits.clone();
    let service = service_fn(move |req: Request<ReplayBody<Full<Bytes>>>| {
        seen.lock().unwrap().push(req.extensions().get().copied());
        pending::<Result<Response<String>, BoxError>>()
    });
    let retry = RetryLayer::builder("inventory")
        .attempts(2)
        .build()
        .unwrap();
    let service = retry.http().layer(layer().http().layer(service));
    let own = AttemptTimeout(ms(30));
    let mut req = Request::new(Full::new(Bytes::new()));
    req.extensions_mut().insert(own);
    let error = service.oneshot(req).await.unwrap_err();
    assert_eq!(TimedOut::find(&*error).unwrap().limit(), own.0);
    assert_eq!(*limits.lock().unwrap(), [Some(own); 2]);
}

#[tokio::test]
async fn what_comes_in_time_passes_unchanged() {
    let answer = |_| async {
        let mut res = Response::new(Full::new(Bytes::from_static(b"hello")));
        *res.status_mut() = StatusCode::CREATED;
        Ok::<_, Infallible>(res)
    };
    let service = layer().http().respond().layer(service_fn(answer));
    let Ok(res) = service.oneshot(plain()).await;
    assert_eq!(res.status(), StatusCode::CREATED);
    assert_eq!(res.body().size_hint().exact(), Some(5));
    assert_eq!(res.collect().await.unwrap().to_bytes(), "hello");
}

/// A body that waits before each frame; not `Unpin`, and neither `Clone` nor `Sync`.
fn slow(
    frames: Vec<(Duration, Frame<Bytes>)>,
) -> impl Body<Data = Bytes, Error = Infallible> + Send {
    StreamBody::new(stream::unfold(frames.into_iter(), |mut frames| async {
        let (delay, frame) = frames.next()?;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        Some((Ok(frame), frames))
    }))
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

/// `body` behind `layer`.
async fn behind<B, L>(layer: L, body: B) -> TimedBody<B>
where
    B: Body,
    L: Layer<Once<B>>,
    L::Service: Service<Request<()>, Response = Response<TimedBody<B>>, Error = BoxError>,
{
    let service = layer.layer(Once(Some(body)));
    service.oneshot(plain()).await.unwrap().into_body()
}

/// Answers one call, with a body.
struct Once<B>(Option<B>);

impl<B> Service<Request<()>> for Once<B> {
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Ready<Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(self.0.take().expect("called once"))))
    }
}

/// `body` behind a layer that bounds its silences.
async fn bounded<B: Body>(body: B) -> TimedBody<B> {
    behind(layer().http().body_idle(IDLE).unwrap(), body).await
}

/// `body` behind a layer that bounds how long it lasts.
async fn bounded_in_all<B: Body>(body: B) -> TimedBody<B> {
    behind(layer().http().body_total(TOTAL).unwrap(), body).await
}

fn is_total(error: &BoxError) -> bool {
    TimedOut::find(&**error) == Some(&TimedOut::new(Kind::Total, "inventory", TOTAL))
}

#[tokio::test(start_paused = true)]
async fn a_body_may_take_long_but_not_stand_still() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    // Three times the limit in all, and exactly the limit before each frame.
    let frames = vec![
        (IDLE, data("a")),
        (IDLE, data("b")),
        (IDLE, Frame::trailers(trailers.clone())),
    ];
    let body = bounded(slow(frames)).await;
    let start = clock::now();
    let body = body.collect().await.unwrap();
    assert_eq!(clock::now() - start, IDLE * 3);
    assert_eq!(body.trailers(), Some(&trailers));
    assert_eq!(body.to_bytes(), "ab");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_breaks_off() {
    let frames = vec![(Duration::ZERO, data("a")), (IDLE * 100, data("b"))];
    let mut body = Box::pin(bounded(slow(frames)).await);
    assert!(body.frame().await.unwrap().unwrap().is_data());
    let start = clock::now();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(clock::now() - start, IDLE);
    let idle = TimedOut::new(Kind::Idle, "inventory", IDLE);
    assert_eq!(TimedOut::find(&*error), Some(&idle));
    assert_eq!(
        error.to_string(),
        "inventory: no frame of the body within 40ms"
    );
    #[cfg(feature = "tonic")]
    {
        let status = tonic::Status::from_error(error);
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }
    // The end.
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
}

/// Never has a frame; says when it is dropped.
struct Stuck(Arc<AtomicBool>);

impl Drop for Stuck {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

impl Body for Stuck {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(77)
    }
}

#[tokio::test(start_paused = true)]
async fn strikes_at_the_limit_and_drops_the_body_in_the_same_poll() {
    let dropped = Arc::new(AtomicBool::new(false));
    let body = bounded(Stuck(dropped.clone())).await;
    assert_eq!(body.size_hint().exact(), Some(77));
    assert!(!body.is_end_stream());
    let mut body = task::spawn(body);
    // The limit runs from the first time that the body is pending.
    advance(IDLE * 4).await;
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    advance(ms(39)).await;
    assert!(!body.is_woken());
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    assert!(!dropped.load(SeqCst));
    advance(ms(1)).await;
    assert!(body.is_woken());
    let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
    assert!(frame.unwrap().is_err());
    assert!(dropped.load(SeqCst));
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_reader_takes_does_not_count() {
    let frames = vec![
        (ms(10), data("a")),
        (ms(10), data("b")),
        (Duration::ZERO, data("c")),
    ];
    let mut body = Box::pin(bounded(slow(frames)).await);
    for _ in 0..3 {
        assert!(body.frame().await.unwrap().unwrap().is_data());
        advance(IDLE * 10).await;
    }
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_there_wins() {
    let mut body = task::spawn(bounded(slow(vec![(ms(10), data("a"))])).await);
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    // The reader comes back late; both are there by now.
    advance(IDLE * 10).await;
    let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
    assert!(frame.unwrap().unwrap().is_data());
}

/// In a runtime without time, where making a timer panics.
#[test]
fn frames_at_hand_need_no_timer() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let frames = || vec![(Duration::ZERO, data("a")), (Duration::ZERO, data("b"))];
        let body = bounded(slow(frames())).await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");
        let body = bounded_in_all(slow(frames())).await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");
    });
}

/// Spends the task's whole budget in each poll, without ever having a frame.
#[tokio::test(start_paused = true)]
async fn a_busy_body_cannot_starve_the_timer() {
    let busy = || {
        StreamBody::new(stream::once(async {
            loop {
                tokio::task::consume_budget().await;
            }
            #[expect(unreachable_code, reason = "gives the block its type")]
            Ok::<_, Infallible>(data(""))
        }))
    };
    let (idle, total) = (bounded(busy()).await, bounded_in_all(busy()).await);
    for (body, limit) in [(idle, IDLE), (total, TOTAL)] {
        let read = tokio::spawn(async move { body.collect().await.map(|_| ()) });
        tokio::task::yield_now().await;
        advance(limit).await;
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert!(read.is_finished());
        assert!(TimedOut::find(&*read.await.unwrap().unwrap_err()).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_may_stand_still_but_not_last() {
    let frames = vec![(ms(80), data("a")), (ms(10), data("b")), (ms(1), data("c"))];
    let mut body = Box::pin(bounded_in_all(slow(frames)).await);
    let start = clock::now();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    // At the limit, exactly.
    assert!(body.frame().await.unwrap().unwrap().is_data());
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(clock::now() - start, TOTAL);
    assert!(is_total(&error));
    assert_eq!(
        error.to_string(),
        "inventory: no end of the body within 90ms"
    );
    #[cfg(feature = "tonic")]
    {
        let status = tonic::Status::from_error(error);
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }
    // The end.
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_total_time_runs_from_the_head() {
    let dropped = Arc::new(AtomicBool::new(false));
    let body = bounded_in_all(Stuck(dropped.clone())).await;
    assert_eq!(body.size_hint().exact(), Some(77));
    assert!(!body.is_end_stream());
    let mut body = task::spawn(body);
    advance(ms(50)).await;
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    advance(ms(39)).await;
    assert!(!body.is_woken());
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    assert!(!dropped.load(SeqCst));
    advance(ms(1)).await;
    assert!(body.is_woken());
    let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
    assert!(is_total(&frame.unwrap().unwrap_err()));
    assert!(dropped.load(SeqCst), "in the same poll");
}

/// Always has another frame.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(Some(Ok(data("x"))))
    }
}

/// A frame that is there wins, but a reader that takes its time cannot keep the body for ever.
#[tokio::test(start_paused = true)]
async fn an_endless_body_ends_after_one_late_frame() {
    let mut body = Box::pin(bounded_in_all(Endless).await);
    let mut passed = 0;
    let error = loop {
        match body.frame().await.unwrap() {
            Ok(_) => passed += 1,
            Err(error) => break error,
        }
        advance(ms(30)).await;
    };
    // At 0, 30, 60 and 90 ms, and a late one.
    assert_eq!(passed, 5);
    assert!(is_total(&error));
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_complete_passes_late_as_it_is() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    for last in [None, Some(Frame::trailers(trailers))] {
        let with_trailers = last.is_some();
        let frames = [data("a"), data("b")].into_iter().chain(last);
        let frames = frames.map(|frame| (Duration::ZERO, frame)).collect();
        let mut body = Box::pin(bounded_in_all(slow(frames)).await);
        assert!(body.frame().await.unwrap().unwrap().is_data());
        advance(TOTAL * 10).await;
        assert!(body.frame().await.unwrap().unwrap().is_data());
        if with_trailers {
            assert!(body.frame().await.unwrap().unwrap().is_trailers());
        }
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_body_pass_late_as_they_are() {
    let failing = StreamBody::new(stream::once(async {
        sleep(ms(10)).await;
        Err::<Frame<Bytes>, BoxError>("reset".into())
    }));
    let mut body = task::spawn(bounded_in_all(failing).await);
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
    advance(TOTAL * 10).await;
    let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
    assert_eq!(frame.unwrap().unwrap_err().to_string(), "reset");
}

/// At its end, as it says at the head, but pending.
struct Ended;

impl Body for Ended {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// In a runtime without time, where making a timer panics.
#[test]
fn a_body_at_its_end_has_no_total_time() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut body = task::spawn(runtime.block_on(bounded_in_all(Ended)));
    assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
}

/// In whatever order they are asked for.
#[tokio::test(start_paused = true)]
async fn answers_and_bounds_bodies() {
    type Timed = TimedBody<AnswerBody<Stuck>>;
    let http = || layer().http();
    let layers = [
        http().body_idle(IDLE).unwrap().respond(),
        http().respond().body_idle(IDLE).unwrap(),
        http()
            .body_idle(IDLE)
            .unwrap()
            .respond()
            .body_total(TOTAL)
            .unwrap(),
        http()
            .respond()
            .body_total(TOTAL)
            .unwrap()
            .body_idle(IDLE)
            .unwrap(),
        // What is said last counts.
        http()
            .respond()
            .body_idle(TOTAL)
            .unwrap()
            .body_idle(IDLE)
            .unwrap(),
    ];
    for layer in layers {
        let Ok(late): Result<Response<Timed>, _> =
            layer.layer(service_fn(hang)).oneshot(plain()).await;
        assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
        assert!(!late.collect().await.unwrap().to_bytes().is_empty());

        let stuck = service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Stuck(Arc::default())))
        });
        let Ok(res): Result<Response<Timed>, _> = layer.layer(stuck).oneshot(plain()).await;
        let error = res.collect().await.unwrap_err();
        let idle = TimedOut::new(Kind::Idle, "inventory", IDLE);
        assert_eq!(TimedOut::find(&*error), Some(&idle));
    }
}

/// A permit outside comes back when the body breaks off, and a gRPC call has failed then.
#[tokio::test(start_paused = true)]
async fn a_permit_outside_ends_with_the_silence() {
    let log = Log::default();
    let stuck = service_fn(|_: Request<()>| async {
        Ok::<_, BoxError>(Response::new(Stuck(Arc::default())))
    });
    let bounded = layer().grpc().body_idle(IDLE).unwrap().layer(stuck);
    let service = GuardLayer::new(log.clone()).grpc().layer(bounded);
    let res = service.oneshot(grpc()).await.unwrap();
    assert_eq!(log.events(), [Event::Head(None)]);
    let mut body = Box::pin(res.into_body());
    assert!(body.frame().await.unwrap().is_err());
    let expected = [Event::Head(None), Event::Finished(Outcome::TRANSIENT)];
    assert_eq!(log.events(), expected);
}

#[test]
fn bad_limits_are_errors() {
    let too_long = resilience_core::config::LONGEST + Duration::from_nanos(1);
    for limit in [Duration::ZERO, too_long, Duration::MAX] {
        let http = || layer().http();
        let idle = http().body_idle(limit).unwrap_err();
        let total = http().body_total(limit).unwrap_err();
        let after = http()
            .body_idle(IDLE)
            .unwrap()
            .body_total(limit)
            .unwrap_err();
        assert_eq!((idle.field(), total.field()), ("body_idle", "body_total"));
        assert_eq!(after, total);
        for error in [idle, total] {
            assert_eq!(error.value(), format!("{limit:?}"));
            assert_eq!(error.expected(), "more than zero and at most 365 days");
        }
    }
}

/// A router's errors are infallible, its bodies axum's.
#[tokio::test(start_paused = true)]
async fn on_a_router() {
    use axum::{Router, routing::get};

    let layer = layer().http().respond().body_idle(IDLE).unwrap();
    let layer = layer.body_total(TOTAL).unwrap();
    let mut app: Router = Router::new()
        .route("/hang", get(|| async { pending::<&'static str>().await }))
        .route("/", get(|| async { "hello" }))
        .layer(layer);
    let mut get = |path: &str| {
        let req = Request::get(path).body(axum::body::Body::empty()).unwrap();
        Service::<Request<axum::body::Body>>::call(&mut app, req)
    };
    let (late, fine) = (get("/hang").await.unwrap(), get("/").await.unwrap());
    assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(
        fine.into_body().collect().await.unwrap().to_bytes(),
        "hello"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// The model: the frames before the first gap that is longer than the idle limit, and up to the total one, arrive,
    /// and then there is an error; or all of them arrive.
    #[test]
    fn the_first_limit_breaks_the_body_off(
        gaps in proptest::collection::vec(0u64..50, 0..8),
        idle in proptest::option::of(1u64..50),
        total in proptest::option::of(1u64..200),
    ) {
        prop_assume!(idle.is_some() || total.is_some());
        let (mut at, mut whole, mut broken) = (0, 0, None);
        for gap in &gaps {
            let idle_at = idle.map_or(u64::MAX, |idle| at + idle);
            let total_at = total.unwrap_or(u64::MAX);
            if at + gap > idle_at.min(total_at) {
                at = idle_at.min(total_at);
                broken = Some(if total_at <= idle_at { Kind::Total } else { Kind::Idle });
                break;
            }
            at += gap;
            whole += 1;
        }

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let layer = match (idle, total) {
                (Some(idle), Some(total)) => layer()
                    .http()
                    .body_idle(ms(idle))
                    .and_then(|layer| layer.body_total(ms(total))),
                (Some(idle), None) => layer().http().body_idle(ms(idle)),
                (None, total) => layer().http().body_total(ms(total.unwrap())),
            };
            let frames = gaps.iter().map(|gap| (ms(*gap), data("x"))).collect();
            let start = clock::now();
            let mut body = Box::pin(behind(layer.unwrap(), slow(frames)).await);
            for _ in 0..whole {
                assert!(body.frame().await.unwrap().unwrap().is_data());
            }
            let last = body.frame().await.transpose();
            let kind = last.err().map(|error| TimedOut::find(&*error).unwrap().kind());
            assert_eq!(kind, broken);
            assert_eq!(clock::now() - start, ms(at));
        });
    }
}
