//! Fallbacks over HTTP and gRPC: what they answer for, and with which bodies.

#![cfg(feature = "fallback")]

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use resilience_core::{BothFailed, BoxError, GuardLayer, Now, Outcome, Policy, Reason, Rejected};
use resilience_fallback::{Failure, FallbackLayer};
use resilience_http::{
    AnswerBody, Degraded, FailedResponse, FallbackBody, HttpLayer, RespondLayer,
};
use std::{
    convert::Infallible,
    future::{Future, ready},
    time::Duration,
};
use tower::{Layer, Service, ServiceExt, service_fn};

/// Neither `Clone` nor `Sync`.
type AxumBody = axum::body::Body;

fn get(path: &str) -> Request<()> {
    Request::get(path).body(()).unwrap()
}

/// Answers with the status that the path names, and nothing that could be cloned.
fn answer(req: &Request<()>) -> Response<AxumBody> {
    let status = req.uri().path()[1..].parse::<u16>().unwrap();
    let mut res = Response::new(AxumBody::from("whole"));
    *res.status_mut() = StatusCode::from_u16(status).unwrap();
    res
}

async fn text<B: Body<Error: std::fmt::Debug>>(res: Response<B>) -> Bytes {
    res.into_body().collect().await.unwrap().to_bytes()
}

/// Calls through `layer`, in another task, so that everything is known to be `Send`.
async fn through<L, B>(layer: L, path: &str) -> Response<B>
where
    L: Layer<
            tower::util::ServiceFn<fn(Request<()>) -> Ready>,
            Service: Service<
                Request<()>,
                Response = Response<B>,
                Error = Infallible,
                Future: Send,
            > + Send
                         + 'static,
        >,
    B: Send + 'static,
{
    let inner: fn(Request<()>) -> Ready = |req| ready(Ok(answer(&req)));
    let mut service = layer.layer(service_fn(inner));
    let call = service.call(get(path));
    let Ok(res) = tokio::spawn(call).await.unwrap();
    res
}

type Ready = std::future::Ready<Result<Response<AxumBody>, Infallible>>;

#[tokio::test]
async fn a_value_stands_in_for_failing_responses_and_is_marked() {
    // Another body than the service's.
    let empty = Response::new(Full::new(Bytes::from_static(b"[]")));
    let layer = FallbackLayer::value("list", empty).http();
    for (path, outcome) in [
        ("/500", Outcome::Permanent),
        ("/503", Outcome::TRANSIENT),
        ("/429", Outcome::OVERLOAD),
    ] {
        let res = through(layer.clone(), path).await;
        let mark = Degraded::of(&res).expect("it is degraded");
        assert_eq!((&**mark.policy(), mark.outcome()), ("list", outcome));
        assert_eq!(res.status(), StatusCode::OK);
        assert_eq!(res.body().size_hint().exact(), Some(2));
        assert_eq!(text(res).await, "[]");
    }
    for path in ["/200", "/204", "/404"] {
        let res = through(layer.clone(), path).await;
        assert!(Degraded::of(&res).is_none());
        assert_eq!(res.status().as_str(), &path[1..]);
        assert_eq!(res.body().size_hint().exact(), Some(5));
        assert_eq!(text(res).await, "whole");
    }
}

#[tokio::test]
async fn a_function_may_answer_with_any_body() {
    type Failed = Failure<Response<AxumBody>, Infallible>;
    async fn check<D, F>(function: F, expected: &'static str)
    where
        F: Fn(Failed) -> Response<D> + Send + Sync + 'static,
        D: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let layer = FallbackLayer::function("f", function).http();
        let res = through(layer.clone(), "/503").await;
        assert!(Degraded::of(&res).is_some());
        assert_eq!(text(res).await, expected);
        let res = through(layer, "/200").await;
        assert_eq!(text(res).await, "whole");
    }
    check(|_: Failed| Response::new(String::from("string")), "string").await;
    check(|_: Failed| Response::new(Full::from("full")), "full").await;
    check(|_: Failed| Response::new(Empty::new()), "").await;
    check(|_: Failed| Response::new(AxumBody::from("axum")), "axum").await;
    // The failing response itself.
    check(
        |failure: Failed| {
            let Ok(res) = failure.into_result();
            res
        },
        "whole",
    )
    .await;
    #[cfg(feature = "tonic")]
    check(
        |_: Failed| Response::new(tonic::body::Body::new(Full::from("tonic"))),
        "tonic",
    )
    .await;
}

/// The bodies that real clients and servers have, of either side.
#[test]
fn bodies_of_all_kinds_fit() {
    fn fits<B: Body<Data = Bytes, Error: Into<BoxError>> + Send>() {}
    fits::<FallbackBody<AxumBody, Full<Bytes>>>();
    fits::<FallbackBody<AnswerBody<AxumBody>, String>>();
    fits::<FallbackBody<FallbackBody<AxumBody, String>, AxumBody>>();
    #[cfg(feature = "tonic")]
    fits::<FallbackBody<tonic::body::Body, Empty<Bytes>>>();
    #[cfg(feature = "tonic")]
    fits::<FallbackBody<AnswerBody<tonic::body::Body>, tonic::body::Body>>();
}

/// Refuses everybody.
struct Closed;

impl<Req> Policy<Req> for Closed {
    type Permit = ();
    fn admit(&self, _: &Req, _: &mut Now) -> Result<(), Rejected> {
        Err(Rejected::new(Reason::Open, "closed").retry_after(Duration::from_secs(3)))
    }
}

/// Whether the layer inside refuses with an error or with a response.
#[tokio::test]
async fn refusals_are_answered_for() {
    #[expect(
        clippy::needless_pass_by_value,
        reason = "what a fallback's function gets"
    )]
    fn name<R>(failure: Failure<R, BoxError>) -> Response<String> {
        let why = failure.rejected().expect("a refusal").clone();
        Response::new(format!("{}: {:?}", why.policy(), failure.outcome()))
    }
    let expected = format!(
        "closed: {:?}",
        Rejected::new(Reason::Open, "closed")
            .retry_after(Duration::from_secs(3))
            .outcome()
    );
    let inner = || service_fn(|req| ready(Ok::<_, BoxError>(answer(&req))));
    let guard = || GuardLayer::new(Closed).http();
    let fallback = FallbackLayer::function("f", name).http();
    let res = fallback.layer(guard().layer(inner())).oneshot(get("/200"));
    let res = res.await.unwrap();
    assert!(Degraded::of(&res).is_some());
    assert_eq!(text(res).await, expected);

    let fallback = FallbackLayer::function("f", name).http();
    let responding = guard().respond().layer(inner());
    let res = fallback.layer(responding).oneshot(get("/200"));
    let res = res.await.unwrap();
    assert!(Degraded::of(&res).is_some());
    assert_eq!(text(res).await, expected);
}

fn failed_twice(error: &BoxError) -> &BothFailed {
    error.downcast_ref().expect("both have failed")
}

#[tokio::test]
async fn when_the_fallback_fails_the_failing_response_is_described() {
    type Failed = Failure<Response<AnswerBody<AxumBody>>, BoxError>;
    async fn fail(_: Failed) -> Result<Response<String>, &'static str> {
        Err("nothing here either")
    }
    let layer = || FallbackLayer::async_function("f", fail);
    let inner = || {
        service_fn(|req: Request<()>| async move {
            let res = match req.uri().path() {
                "/grpc" => {
                    let head = Response::builder().header("grpc-status", "14");
                    head.body(AxumBody::empty()).unwrap()
                }
                _ => answer(&req),
            };
            Ok::<_, BoxError>(res.map(AnswerBody::inner))
        })
    };

    let error = layer().http().layer(inner()).oneshot(get("/502")).await;
    let error = error.unwrap_err();
    let both = failed_twice(&error);
    let first: &FailedResponse = both.primary().downcast_ref().unwrap();
    assert_eq!(
        (first.status(), first.code()),
        (StatusCode::BAD_GATEWAY, None)
    );
    assert_eq!(
        error.to_string(),
        "nothing here either, after: response with status 502 Bad Gateway"
    );

    let error = layer().grpc().layer(inner()).oneshot(get("/grpc")).await;
    let error = error.unwrap_err();
    assert_eq!(
        failed_twice(&error).primary().to_string(),
        "response with gRPC status Unavailable"
    );
}

#[tokio::test]
async fn when_the_fallback_fails_a_refusing_response_is_the_refusal() {
    let fallback = FallbackLayer::async_function("f", |failure: Failure<_, BoxError>| async move {
        drop::<Failure<Response<_>, _>>(failure);
        Err::<Response<String>, _>("nothing here either")
    });
    let inner = service_fn(|req| ready(Ok::<_, BoxError>(answer(&req))));
    let guard = GuardLayer::new(Closed).http().respond().layer(inner);
    let error = fallback.http().layer(guard).oneshot(get("/200")).await;
    let error = error.unwrap_err();
    let found = Rejected::find(&*error).expect("the first failure was a refusal");
    assert_eq!(&**found.policy(), "closed");
}

#[cfg(feature = "timeout")]
#[tokio::test(start_paused = true)]
async fn a_timeout_inside_is_answered_for_and_found() {
    use resilience_timeout::{DeadlineExceeded, DeadlineLayer, TimedOut, TimeoutLayer};

    let hang =
        service_fn(|_: Request<()>| std::future::pending::<Result<Response<AxumBody>, BoxError>>());
    let timeout = TimeoutLayer::new("attempt", Duration::from_millis(5)).unwrap();
    let late = timeout.http().respond().layer(hang);
    let deadline = DeadlineLayer::builder("call").max(Duration::from_millis(5));
    let too_late = deadline.build().unwrap().http().respond().layer(hang);
    let fails = |status: StatusCode| {
        assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
        std::future::ready(Err::<Response<String>, _>("nothing here either"))
    };
    let fallback = FallbackLayer::async_function("f", |failed: Failure<Response<_>, BoxError>| {
        fails(failed.response().unwrap().status())
    });
    let error = fallback.http().layer(late).oneshot(get("/200")).await;
    let error = error.unwrap_err();
    assert_eq!(&**TimedOut::find(&*error).unwrap().policy(), "attempt");

    let fallback = FallbackLayer::async_function("f", |failed: Failure<Response<_>, BoxError>| {
        fails(failed.response().unwrap().status())
    });
    let error = fallback.http().layer(too_late).oneshot(get("/200")).await;
    let error = error.unwrap_err();
    let found = DeadlineExceeded::find(&*error).unwrap();
    assert_eq!(&**found.policy(), "call");
}

/// A gRPC call that fails in its head is degraded; one that fails in its trailers has passed.
#[tokio::test]
async fn grpc_calls_are_judged_by_their_head() {
    let layer = FallbackLayer::function("f", |_: Failure<Response<AxumBody>, Infallible>| {
        Response::new(String::from("degraded"))
    });
    let inner = service_fn(|req: Request<()>| async move {
        let mut res = answer(&get("/200"));
        if req.uri().path() == "/head" {
            res.headers_mut().insert("grpc-status", 14.into());
        }
        Ok(res)
    });
    let service = layer.grpc().layer(inner);
    let Ok(res) = service.clone().oneshot(get("/head")).await;
    assert!(Degraded::of(&res).is_some());
    let Ok(res) = service.oneshot(get("/trailers")).await;
    assert!(Degraded::of(&res).is_none());
}

/// A router's errors are infallible, its bodies axum's.
#[tokio::test]
async fn on_a_router() {
    use axum::{Router, routing};

    let layer = FallbackLayer::function("page", |_: Failure<_, Infallible>| {
        Response::new(Full::from("please come back"))
    });
    let broken = || async { StatusCode::INTERNAL_SERVER_ERROR };
    let mut app: Router = Router::new()
        .route("/broken", routing::get(broken))
        .route("/", routing::get(|| async { "hello" }))
        .layer(layer.http());
    let mut get = |path: &str| -> Box<dyn Future<Output = _> + Unpin> {
        let req = Request::get(path).body(AxumBody::empty()).unwrap();
        Box::new(Service::<Request<AxumBody>>::call(&mut app, req))
    };
    let (broken, fine) = (get("/broken"), get("/"));
    let res: Response<AxumBody> = broken.await.unwrap();
    assert!(Degraded::of(&res).is_some());
    assert_eq!(text(res).await, "please come back");
    let res: Response<AxumBody> = fine.await.unwrap();
    assert_eq!(text(res).await, "hello");
}
