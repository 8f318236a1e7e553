//! When the permit of an HTTP or gRPC call comes back, and with which outcome.

#![expect(
    clippy::unnecessary_wraps,
    reason = "frames are written as streams yield them"
)]

mod support;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use resilience_core::{BoxError, GuardLayer, Outcome};
use resilience_http::HttpLayer;
use std::convert::Infallible;
use support::{Event, Log};
use tower::{Layer, ServiceExt, service_fn};

type Frames = Vec<Result<Frame<Bytes>, &'static str>>;

fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn trailers(status: &'static str) -> Result<Frame<Bytes>, &'static str> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    Ok(Frame::trailers(trailers))
}

/// A body that shows its end only by `None`.
fn streamed(frames: Frames) -> impl Body<Data = Bytes, Error = &'static str> + Unpin {
    StreamBody::new(futures_util::stream::iter(frames))
}

fn get() -> Request<()> {
    Request::new(())
}

fn grpc() -> Request<()> {
    Request::builder()
        .header("content-type", "application/grpc+proto")
        .body(())
        .unwrap()
}

/// Sends `req` through a guard to a service that answers `res`.
async fn call<B: Body>(
    log: &Log,
    req: Request<()>,
    res: Response<B>,
) -> Response<impl Body<Data = B::Data, Error = B::Error>>
where
    B::Data: From<Bytes>,
{
    let res = std::cell::RefCell::new(Some(res));
    let inner = service_fn(move |_| {
        let res = res.borrow_mut().take().unwrap();
        async move { Ok::<_, Infallible>(res) }
    });
    let service = GuardLayer::new(log.clone()).http().layer(inner);
    service.oneshot(req).await.unwrap()
}

const OK: Outcome = Outcome::Success;

#[tokio::test]
async fn a_body_that_is_over_at_the_head_ends_the_call_there() {
    let log = Log::default();
    let _res = call(&log, get(), Response::new(Empty::<Bytes>::new())).await;
    assert_eq!(log.events(), [Event::Head(Some(OK)), Event::Finished(OK)]);
}

#[tokio::test]
async fn the_permit_lasts_until_the_last_frame_of_a_body_that_knows_its_end() {
    let log = Log::default();
    let mut res = call(&log, get(), Response::new(Full::new(Bytes::from("hello")))).await;
    assert_eq!(log.events(), [Event::Head(Some(OK))]);
    assert_eq!(res.body().size_hint().exact(), Some(5));
    res.frame().await.unwrap().unwrap();
    assert!(res.body().is_end_stream());
    assert_eq!(log.events(), [Event::Head(Some(OK)), Event::Finished(OK)]);
}

#[tokio::test]
async fn the_permit_lasts_until_the_end_of_a_stream() {
    let log = Log::default();
    let body = streamed(vec![data("a"), data("b")]);
    let mut res = call(&log, get(), Response::new(body)).await;
    for _ in 0..2 {
        res.frame().await.unwrap().unwrap();
        assert_eq!(log.events(), [Event::Head(Some(OK))]);
    }
    assert!(res.frame().await.is_none());
    assert_eq!(log.events(), [Event::Head(Some(OK)), Event::Finished(OK)]);
}

#[tokio::test]
async fn a_dropped_http_body_was_a_success_and_not_abandoned() {
    let log = Log::default();
    let res = call(&log, get(), Response::new(streamed(vec![data("a")]))).await;
    drop(res);
    assert_eq!(log.events(), [Event::Head(Some(OK)), Event::Finished(OK)]);
}

#[tokio::test]
async fn the_verdict_of_a_bad_head_stays_to_the_end() {
    let log = Log::default();
    let mut res = Response::new(streamed(vec![Err("reset")]));
    *res.status_mut() = StatusCode::BAD_GATEWAY;
    let mut res = call(&log, get(), res).await;
    assert!(res.frame().await.unwrap().is_err());
    let bad = Outcome::TRANSIENT;
    assert_eq!(log.events(), [Event::Head(Some(bad)), Event::Finished(bad)]);
}

#[tokio::test]
async fn an_upgrade_ends_the_call() {
    let log = Log::default();
    let mut res = Response::new(streamed(vec![]));
    *res.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let _res = call(&log, get(), res).await;
    assert_eq!(log.events(), [Event::Head(Some(OK)), Event::Finished(OK)]);
}

#[tokio::test]
async fn a_grpc_call_is_judged_by_its_trailers() {
    for (status, outcome) in [
        ("0", Outcome::Success),
        ("5", Outcome::Success),
        ("13", Outcome::Permanent),
        ("14", Outcome::TRANSIENT),
        ("8", Outcome::OVERLOAD),
        ("1", Outcome::Ignored),
        ("not a number", Outcome::Permanent),
    ] {
        let log = Log::default();
        let body = streamed(vec![data("a"), trailers(status)]);
        let mut res = call(&log, grpc(), Response::new(body)).await;
        res.frame().await.unwrap().unwrap();
        assert_eq!(log.events(), [Event::Head(None)]);
        let frame = res.frame().await.unwrap().unwrap();
        assert_eq!(frame.trailers_ref().unwrap()["grpc-status"], status);
        assert_eq!(log.events(), [Event::Head(None), Event::Finished(outcome)]);
    }
}

#[tokio::test]
async fn a_grpc_status_in_the_head_is_the_verdict() {
    let log = Log::default();
    let mut res = Response::new(Empty::<Bytes>::new());
    res.headers_mut()
        .insert("grpc-status", HeaderValue::from_static("14"));
    res.headers_mut()
        .insert("grpc-retry-pushback-ms", HeaderValue::from_static("-1"));
    let _res = call(&log, grpc(), res).await;
    let bad = Outcome::Permanent;
    assert_eq!(log.events(), [Event::Head(Some(bad)), Event::Finished(bad)]);
}

#[tokio::test]
async fn a_grpc_stream_without_a_status_is_a_failure() {
    let cut_off: [Frames; 3] = [vec![], vec![data("a")], vec![data("a"), Err("reset")]];
    for frames in cut_off {
        let log = Log::default();
        let res = call(&log, grpc(), Response::new(streamed(frames))).await;
        let _ = res.into_body().collect().await;
        let bad = Outcome::TRANSIENT;
        assert_eq!(log.events(), [Event::Head(None), Event::Finished(bad)]);
    }
}

#[tokio::test]
async fn a_dropped_grpc_stream_is_ignored() {
    let log = Log::default();
    let res = call(&log, grpc(), Response::new(streamed(vec![data("a")]))).await;
    drop(res);
    assert_eq!(
        log.events(),
        [Event::Head(None), Event::Finished(Outcome::Ignored)]
    );
}

#[tokio::test]
async fn a_call_without_a_head_is_abandoned() {
    let log = Log::default();
    let inner = service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Empty<Bytes>>, BoxError>>()
    });
    let service = GuardLayer::new(log.clone()).http().layer(inner);
    let mut call = tokio_test::task::spawn(service.oneshot(get()));
    assert!(call.poll().is_pending());
    assert_eq!(log.events(), []);
    drop(call);
    assert_eq!(log.events(), [Event::Abandoned]);
}
