//! Another HTTP service as the fallback: which requests it gets, with which bodies, and what the caller sees.

#![cfg(feature = "fallback")]

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use resilience_core::{BothFailed, BoxError, GuardLayer, Now, Outcome, Policy, Reason, Rejected};
use resilience_fallback::{FallbackLayer, OtherService};
use resilience_http::{
    Attempt, Degraded, FailedResponse, HttpClassify, HttpLayer, HttpMark, HttpReplay,
};
use std::{
    convert::Infallible,
    error::Error,
    future::{Future, ready},
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

/// Neither `Clone` nor `Sync`.
type AxumBody = axum::body::Body;

/// What a server got.
#[derive(Clone, Debug, PartialEq)]
struct Got {
    line: String,
    body: Bytes,
    attempt: Option<Attempt>,
    previous: Option<String>,
}

/// What a server does.
#[derive(Clone, Debug)]
struct Server {
    /// How many bytes of the body it reads, before it answers.
    reads: usize,
    answer: Result<u16, io::ErrorKind>,
    headers: HeaderMap,
    got: Arc<Mutex<Vec<Got>>>,
}

fn server(answer: Result<u16, io::ErrorKind>) -> Server {
    Server {
        reads: usize::MAX,
        answer,
        headers: HeaderMap::new(),
        got: Arc::default(),
    }
}

impl Server {
    fn reads(mut self, bytes: usize) -> Self {
        self.reads = bytes;
        self
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// The bodies of the requests that came.
    fn bodies(&self) -> Vec<Bytes> {
        self.got().into_iter().map(|got| got.body).collect()
    }
}

impl<B> Service<Request<B>> for Server
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<AxumBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AxumBody>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let (head, body) = req.into_parts();
            let mut body = Box::pin(body);
            let mut read = Vec::new();
            while read.len() < this.reads
                && let Some(frame) = body.frame().await
            {
                if let Ok(data) = frame.map_err(Into::into)?.into_data() {
                    read.extend_from_slice(&data);
                }
            }
            let previous = head.headers.get("grpc-previous-rpc-attempts");
            this.got.lock().unwrap().push(Got {
                line: format!("{} {}", head.method, head.uri),
                body: read.into(),
                attempt: head.extensions.get().copied(),
                previous: previous.map(|value| value.to_str().unwrap().to_owned()),
            });
            let mut res = Response::new(AxumBody::from("from the server"));
            *res.status_mut() = StatusCode::from_u16(this.answer.map_err(io::Error::from)?)?;
            *res.headers_mut() = this.headers;
            Ok(res)
        })
    }
}

/// A body of unknown length, in chunks of 1,000 bytes.
fn streamed(length: usize) -> impl Body<Data = Bytes, Error = Infallible> + Send + 'static {
    let chunk = Bytes::from(vec![b'x'; 1_000]);
    let whole = std::iter::repeat_n(chunk.clone(), length / 1_000);
    let frames = whole.chain([chunk.slice(..length % 1_000)]);
    let frames = frames.map(|data| Ok(Frame::data(data))).collect::<Vec<_>>();
    StreamBody::new(futures_util::stream::iter(frames))
}

fn request<B>(method: Method, body: B) -> Request<B> {
    let req = Request::builder().method(method).uri("/stock?sku=7");
    req.body(body).unwrap()
}

type Http = FallbackLayer<OtherService<Server>, HttpClassify, HttpMark, HttpReplay>;

fn fallback(other: &Server) -> Http {
    FallbackLayer::service("replica", other.clone()).http()
}

/// Calls through `layer`, in another task, so that everything is known to be `Send`.
async fn through<B>(
    layer: Http,
    primary: &Server,
    req: Request<B>,
) -> Result<(StatusCode, Option<Outcome>, Bytes), BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let call = layer.layer(primary.clone()).oneshot(req);
    let res = tokio::spawn(call).await.unwrap()?;
    let degraded = Degraded::of(&res).map(Degraded::outcome);
    let status = res.status();
    let body = res.into_body().collect().await?.to_bytes();
    Ok((status, degraded, body))
}

#[tokio::test]
async fn a_failure_is_answered_by_the_other_service_to_the_same_request() {
    let (primary, other) = (server(Ok(503)), server(Ok(200)));
    let req = request(Method::PUT, streamed(2_500));
    let answer = through(fallback(&other), &primary, req).await.unwrap();
    let text = Bytes::from("from the server");
    assert_eq!(answer, (StatusCode::OK, Some(Outcome::TRANSIENT), text));
    let body = Bytes::from(vec![b'x'; 2_500]);
    let got = |attempt| Got {
        line: "PUT /stock?sku=7".to_owned(),
        body: body.clone(),
        attempt,
        previous: None,
    };
    assert_eq!(primary.got(), [got(None)]);
    assert_eq!(other.got(), [got(Some(Attempt(2)))]);
}

#[tokio::test]
async fn what_succeeds_stays_with_the_primary() {
    for status in [200, 404] {
        let (primary, other) = (server(Ok(status)), server(Ok(200)));
        let req = request(Method::GET, Empty::new());
        let (got, degraded, _) = through(fallback(&other), &primary, req).await.unwrap();
        assert_eq!((got.as_u16(), degraded), (status, None));
        assert_eq!(other.got(), []);
    }
}

/// Whether the request was acted on is not known: the caller gets the primary's own answer.
#[tokio::test]
async fn a_post_that_was_sent_is_not_sent_elsewhere() {
    for answer in [Ok(500), Ok(503), Err(io::ErrorKind::ConnectionReset)] {
        let (primary, other) = (server(answer), server(Ok(200)));
        let req = request(Method::POST, Full::<Bytes>::from("buy"));
        let result = through(fallback(&other), &primary, req).await;
        match (answer, result) {
            (Ok(status), Ok((got, degraded, text))) => {
                assert_eq!((got.as_u16(), degraded), (status, None));
                assert_eq!(text, "from the server");
            }
            (Err(kind), Err(error)) => {
                let error: &io::Error = error.downcast_ref().expect("the error itself");
                assert_eq!(error.kind(), kind);
            }
            unexpected => panic!("{unexpected:?}"),
        }
        assert_eq!(other.got(), []);
    }
}

#[tokio::test]
async fn a_post_that_may_be_repeated_is_sent_elsewhere() {
    let (primary, other) = (server(Ok(500)), server(Ok(200)));
    let mut req = request(Method::POST, Full::<Bytes>::from("buy"));
    req.headers_mut()
        .insert("idempotency-key", "7".parse().unwrap());
    let (status, ..) = through(fallback(&other), &primary, req).await.unwrap();
    assert_eq!(status, StatusCode::OK);

    let allowing = fallback(&other).replay(HttpReplay::new().allow_if(|_| true));
    let req = request(Method::POST, Full::<Bytes>::from("buy"));
    let (status, ..) = through(allowing, &primary, req).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(other.bodies(), ["buy", "buy"]);
}

#[tokio::test]
async fn a_post_that_was_never_sent_is_sent_elsewhere() {
    // Nobody listens there, and nothing of the body was read.
    let primary = server(Err(io::ErrorKind::ConnectionRefused)).reads(0);
    let other = server(Ok(200));
    let req = request(Method::POST, streamed(100_000));
    let (status, degraded, _) = through(fallback(&other), &primary, req).await.unwrap();
    assert_eq!((status, degraded), (StatusCode::OK, Some(Outcome::Unsent)));
    assert_eq!(other.bodies()[0].len(), 100_000, "also beyond the cap");
}

/// Refuses everybody.
struct Closed;

impl<Req> Policy<Req> for Closed {
    type Permit = ();
    fn admit(&self, _: &Req, _: &mut Now) -> Result<(), Rejected> {
        Err(Rejected::new(Reason::Open, "closed"))
    }
}

#[tokio::test]
async fn a_post_that_was_refused_inside_is_sent_elsewhere() {
    let (primary, other) = (server(Ok(200)), server(Ok(200)));
    let service = ServiceBuilder::new()
        .layer(fallback(&other))
        .layer(GuardLayer::new(Closed).http())
        .service(primary.clone());
    let req = request(Method::POST, Full::<Bytes>::from("buy"));
    let res = tokio::spawn(service.oneshot(req)).await.unwrap().unwrap();
    assert_eq!(Degraded::of(&res).unwrap().outcome().label(), "refused");
    assert_eq!(
        (primary.got().len(), other.bodies()),
        (0, vec!["buy".into()])
    );
}

/// In a chain, too: that the first did not get it says nothing about the second.
#[tokio::test]
async fn a_post_that_one_service_got_is_not_sent_to_a_third() {
    for answer in [Err(io::ErrorKind::ConnectionReset), Ok(503)] {
        let (primary, replica, archive) = (server(Ok(200)), server(answer), server(Ok(200)));
        let service = ServiceBuilder::new()
            .layer(fallback(&archive))
            .layer(fallback(&replica))
            .layer(GuardLayer::new(Closed).http())
            .service(primary.clone());
        let req = request(Method::POST, Empty::<Bytes>::new());
        let result = tokio::spawn(service.oneshot(req)).await.unwrap();
        match result {
            Ok(res) => assert_eq!(res.status(), StatusCode::SERVICE_UNAVAILABLE),
            Err(error) => assert!(error.is::<BothFailed>()),
        }
        let got = [primary, replica, archive].map(|server| server.got().len());
        assert_eq!(got, [0, 1, 0]);
    }
}

/// The cap is 64 KiB, and 65 chunks of 1,000 bytes are below it.
#[tokio::test]
async fn a_body_that_was_read_beyond_the_cap_stays_with_the_primary() {
    for (method, key) in [(Method::PUT, false), (Method::POST, true)] {
        for (length, elsewhere) in [
            (65_000, true),
            (65_536, true),
            (65_537, false),
            (90_000, false),
        ] {
            let (primary, other) = (server(Ok(503)), server(Ok(200)));
            let mut req = request(method.clone(), streamed(length));
            if key {
                req.headers_mut()
                    .insert("idempotency-key", "7".parse().unwrap());
            }
            let (status, degraded, text) = through(fallback(&other), &primary, req).await.unwrap();
            assert_eq!(primary.bodies()[0].len(), length);
            if elsewhere {
                assert_eq!(
                    (status, degraded),
                    (StatusCode::OK, Some(Outcome::TRANSIENT))
                );
                assert_eq!(other.bodies(), primary.bodies());
            } else {
                assert_eq!((status, degraded), (StatusCode::SERVICE_UNAVAILABLE, None));
                assert_eq!(text, "from the server");
                assert_eq!(other.got(), []);
            }
        }
    }
    // An error passes likewise.
    let primary = server(Err(io::ErrorKind::ConnectionReset)).reads(70_000);
    let other = server(Ok(200));
    let req = request(Method::PUT, streamed(90_000));
    let error = through(fallback(&other), &primary, req).await.unwrap_err();
    assert!(error.is::<io::Error>(), "{error:?}");
    assert_eq!(other.got(), []);
    // What was not read is still there.
    let primary = server(Ok(503)).reads(40_000);
    let req = request(Method::PUT, streamed(90_000));
    let (status, ..) = through(fallback(&other), &primary, req).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(primary.bodies()[0].len(), 40_000);
    assert_eq!(other.bodies()[0].len(), 90_000);
}

#[tokio::test]
async fn when_both_fail_the_failing_response_is_described() {
    let (primary, other) = (server(Ok(502)), server(Err(io::ErrorKind::ConnectionReset)));
    let req = request(Method::GET, Empty::new());
    let error = through(fallback(&other), &primary, req).await.unwrap_err();
    let both: &BothFailed = error.downcast_ref().unwrap();
    let first: &FailedResponse = both.primary().downcast_ref().unwrap();
    assert_eq!(first.status(), StatusCode::BAD_GATEWAY);
    assert!(both.source().unwrap().is::<io::Error>());
}

#[tokio::test]
async fn grpc_calls_that_fail_in_their_head_are_sent_elsewhere() {
    let mut primary = server(Ok(200));
    primary.headers.insert("grpc-status", 14.into());
    let other = server(Ok(200));
    let layer = FallbackLayer::service("replica", other.clone()).grpc();
    // gRPC is all `POST`; its status says what may be repeated.
    let req = request(Method::POST, streamed(2_000));
    let (_, degraded, _) = through(layer, &primary, req).await.unwrap();
    assert_eq!(degraded, Some(Outcome::TRANSIENT));
    assert_eq!(other.bodies(), primary.bodies());
    assert_eq!(other.got()[0].previous.as_deref(), Some("1"));
    assert_eq!(primary.got()[0].previous, None);
}

/// Every level reads the same body, and has a body type of its own.
#[tokio::test]
async fn a_chain_over_http() {
    for (answers, expected) in [
        ([200, 503, 503], None),
        ([503, 200, 503], Some("replica")),
        ([503, 429, 200], Some("archive")),
        ([503, 500, 502], Some("last resort")),
    ] {
        let [primary, replica, archive] = answers.map(|status| server(Ok(status)));
        let service = ServiceBuilder::new()
            .layer(FallbackLayer::value("last resort", Response::new(Full::from("sorry"))).http())
            .layer(FallbackLayer::service("archive", archive.clone()).http())
            .layer(FallbackLayer::service("replica", replica.clone()).http())
            .service(primary.clone());
        let req = request(Method::PUT, streamed(2_500));
        let res = tokio::spawn(service.oneshot(req)).await.unwrap().unwrap();
        assert_eq!(res.status(), StatusCode::OK, "{answers:?}");
        let policy = Degraded::of(&res).map(|mark| mark.policy().to_string());
        assert_eq!(policy.as_deref(), expected);
        let body = res.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body == "sorry", expected == Some("last resort"));

        let asked = answers
            .iter()
            .position(|status| *status == 200)
            .unwrap_or(2);
        for (number, server) in [primary, replica, archive].iter().enumerate() {
            let bodies = server.bodies();
            assert_eq!(bodies.len(), usize::from(number <= asked), "{answers:?}");
            assert!(bodies.iter().all(|body| body.len() == 2_500));
        }
    }
}

/// The other service may be a router, whose errors are infallible, and may have another body than the first.
#[tokio::test]
async fn routers_stand_in() {
    use axum::{Router, routing};

    let router: Router = Router::new().route("/stock", routing::put(|body: String| async { body }));
    let layer = FallbackLayer::service("router", router).http();
    let primary = service_fn(|_: Request<_>| {
        let mut res = Response::new(Full::<Bytes>::default());
        *res.status_mut() = StatusCode::BAD_GATEWAY;
        ready(Ok::<_, Infallible>(res))
    });
    let req = request(Method::PUT, AxumBody::new(streamed(2_500)));
    let res = tokio::spawn(layer.layer(primary).oneshot(req))
        .await
        .unwrap();
    let res = res.unwrap();
    assert!(Degraded::of(&res).is_some());
    assert_eq!(res.status(), StatusCode::OK);
    let body = res.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 2_500);
}
