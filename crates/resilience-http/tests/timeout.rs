//! Timeouts over HTTP and gRPC: answers, limits that requests bring along, bodies that stand still or do not end.

#![cfg(feature = "timeout")]

mod support;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use resilience_core::{BoxError, GuardLayer, Outcome, clock};
use resilience_http::{AnswerBody, BodyTimeoutLayer, HttpLayer, RespondLayer, TimedBody};
use resilience_timeout::{Kind, TimedOut, TimeoutLayer};
use std::{
    convert::Infallible,
    future::pending,
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

/// `body` behind a layer that bounds its silences.
async fn bounded<B: Body>(body: B) -> TimedBody<B> {
    let mut body = Some(body);
    let mut service =
        layer()
            .http()
            .body_idle(IDLE)
            .unwrap()
            .layer(service_fn(move |_: Request<()>| {
                std::future::ready(Ok::<_, BoxError>(Response::new(body.take().unwrap())))
            }));
    service.call(plain()).await.unwrap().into_body()
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
        let frames = vec![(Duration::ZERO, data("a")), (Duration::ZERO, data("b"))];
        let body = bounded(slow(frames)).await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "ab");
    });
}

/// Spends the task's whole budget in each poll, without ever having a frame.
#[tokio::test(start_paused = true)]
async fn a_busy_body_cannot_starve_the_timer() {
    let busy = StreamBody::new(stream::once(async {
        loop {
            tokio::task::consume_budget().await;
        }
        #[expect(unreachable_code, reason = "gives the block its type")]
        Ok::<_, Infallible>(data(""))
    }));
    let body = bounded(busy).await;
    let read = tokio::spawn(async move { body.collect().await.map(|_| ()) });
    tokio::task::yield_now().await;
    advance(IDLE).await;
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert!(read.is_finished());
    assert!(TimedOut::find(&*read.await.unwrap().unwrap_err()).is_some());
}

/// In whatever order the two are asked for.
#[tokio::test(start_paused = true)]
async fn answers_and_bounds_bodies() {
    type Timed = TimedBody<AnswerBody<Stuck>>;
    let before = layer().http().body_idle(IDLE).unwrap().respond();
    let after = layer().http().respond().body_idle(IDLE).unwrap();
    for layer in [before, after] {
        let Ok(late): Result<Response<Timed>, _> =
            layer.layer(service_fn(hang)).oneshot(plain()).await;
        assert_eq!(late.status(), StatusCode::GATEWAY_TIMEOUT);
        assert!(!late.collect().await.unwrap().to_bytes().is_empty());

        let stuck = service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(Stuck(Arc::default())))
        });
        let Ok(res): Result<Response<Timed>, _> = layer.layer(stuck).oneshot(plain()).await;
        let error = res.collect().await.unwrap_err();
        assert!(TimedOut::find(&*error).is_some());
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
        let error = layer().http().body_idle(limit).unwrap_err();
        assert_eq!(error.field(), "body_idle");
        assert_eq!(error.value(), format!("{limit:?}"));
        assert_eq!(error.expected(), "more than zero and at most 365 days");
    }
}

/// A router's errors are infallible, its bodies axum's.
#[tokio::test(start_paused = true)]
async fn on_a_router() {
    use axum::{Router, routing::get};

    let layer = layer().http().respond().body_idle(IDLE).unwrap();
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
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The model: the frames before the first gap that is longer than the limit arrive, and then there is an error;
    /// or all of them arrive.
    #[test]
    fn the_first_gap_breaks_the_body_off(gaps in proptest::collection::vec(0u64..50, 0..8)) {
        let limit = u64::try_from(IDLE.as_millis()).unwrap();
        let whole = gaps.iter().take_while(|gap| **gap <= limit).count();
        let took: u64 = gaps[..whole].iter().sum();
        let broken = whole < gaps.len();

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let frames = gaps.iter().map(|gap| (ms(*gap), data("x"))).collect();
            let mut body = Box::pin(bounded(slow(frames)).await);
            let start = clock::now();
            for _ in 0..whole {
                assert!(body.frame().await.unwrap().unwrap().is_data());
            }
            let last = body.frame().await;
            assert_eq!(matches!(last, Some(Err(_))), broken);
            assert_eq!(last.is_none(), !broken);
            let wait = if broken { IDLE } else { Duration::ZERO };
            assert_eq!(clock::now() - start, ms(took) + wait);
        });
    }
}
