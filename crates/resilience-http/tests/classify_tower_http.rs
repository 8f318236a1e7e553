//! Classifiers of `tower-http`, as they are: what their failures are to the family's layers.

#![cfg(feature = "tower-http")]

mod support;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use resilience_core::{BoxError, Classify, GuardLayer, Outcome, Reason, Rejected, Verdict};
use resilience_http::{EndVerdict, HttpClassify, HttpLayer, from_tower_http};
use std::{convert::Infallible, fmt, future::ready, io, time::Duration};
use support::{Event, Log};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::classify::{
    ClassifiedResponse, ClassifyEos, ClassifyResponse, GrpcCode, GrpcErrorsAsFailures,
    GrpcFailureClass, MakeClassifier, NeverClassifyEos, ServerErrorsAsFailures,
    ServerErrorsFailureClass, SharedClassifier, StatusInRangeAsFailures,
};

fn start<C: Classify<Request<()>, Response<()>, BoxError>>(classify: &C) -> C::Call {
    classify.start(&Request::new(()))
}

fn head<C>(classify: &C, res: &Response<()>) -> Option<Outcome>
where
    C: Classify<Request<()>, Response<()>, BoxError>,
{
    start(classify).response(res)
}

fn error<C>(classify: &C, error: impl Into<BoxError>) -> Outcome
where
    C: Classify<Request<()>, Response<()>, BoxError>,
{
    start(classify).error(&error.into())
}

fn response(status: u16, headers: &[(&'static str, &str)]) -> Response<()> {
    let mut res = Response::builder().status(status);
    for (name, value) in headers {
        res = res.header(*name, *value);
    }
    res.body(()).unwrap()
}

fn trailers(headers: &[(&'static str, &str)]) -> HeaderMap {
    response(200, headers).into_parts().0.headers
}

fn transient(seconds: u64) -> Outcome {
    Outcome::Transient {
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

fn overload(seconds: u64) -> Outcome {
    Outcome::Overload {
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

/// Where the classifier sees a failure, it is the same as ours; elsewhere it is none.
#[test]
fn server_errors_are_what_they_are_to_our_own_classifier() {
    let theirs = from_tower_http(ServerErrorsAsFailures::make_classifier());
    let after = |seconds| [("retry-after", seconds)];
    for status in 100..1_000 {
        for headers in [&[][..], &after("7"), &after("no number")] {
            let res = response(status, headers);
            let expected = match status {
                500..600 => head(&HttpClassify::new(), &res),
                _ => Some(Outcome::Success),
            };
            assert_eq!(head(&theirs, &res), expected, "{res:?}");
        }
    }
}

#[test]
fn what_is_no_failure_to_us_would_fail_again() {
    let theirs = StatusInRangeAsFailures::new_for_client_and_server_errors();
    let theirs = from_tower_http(theirs.into_make_classifier());
    let of = |status| head(&theirs, &response(status, &[])).unwrap();
    assert_eq!(of(302), Outcome::Success);
    assert_eq!(of(404), Outcome::Permanent);
    assert_eq!(of(408), Outcome::TRANSIENT);
    assert_eq!(of(429), Outcome::OVERLOAD);
    assert_eq!(of(500), Outcome::Permanent);
    assert_eq!(of(503), Outcome::TRANSIENT);
    let after = [("retry-after", "7")];
    assert_eq!(head(&theirs, &response(429, &after)), Some(overload(7)));
    assert_eq!(head(&theirs, &response(408, &after)), Some(transient(7)));
    let not_found = head(&theirs, &response(404, &after));
    assert_eq!(not_found, Some(Outcome::Permanent));
}

/// As [`HttpClassify`] does it, but for the codes that it takes for the caller's mistakes.
#[test]
fn grpc_codes_count_in_the_head_and_in_the_trailers() {
    let theirs = from_tower_http(GrpcErrorsAsFailures::make_classifier());
    for code in 0..=17 {
        for push in [None, Some("2000"), Some("-1")] {
            let code = code.to_string();
            let mut headers = vec![("grpc-status", code.as_str())];
            headers.extend(push.map(|push| ("grpc-retry-pushback-ms", push)));
            let res = response(200, &headers);
            let expected = match head(&HttpClassify::grpc(), &res).unwrap() {
                Outcome::Success if code != "0" => Outcome::Permanent,
                outcome => outcome,
            };
            assert_eq!(head(&theirs, &res), Some(expected), "{res:?}");

            let mut late = start(&theirs);
            assert_eq!(
                Verdict::<_, BoxError>::response(&mut late, &response(200, &[])),
                None
            );
            assert_eq!(late.end(Some(&trailers(&headers))), expected);
        }
    }
    let pushed = [("grpc-status", "14"), ("grpc-retry-pushback-ms", "2000")];
    assert_eq!(head(&theirs, &response(200, &pushed)), Some(transient(2)));
}

#[test]
fn the_classifier_says_whether_a_call_has_failed() {
    let lenient = GrpcErrorsAsFailures::new().with_success(GrpcCode::Unavailable);
    let theirs = from_tower_http(SharedClassifier::new(lenient));
    let unavailable = response(200, &[("grpc-status", "14")]);
    assert_eq!(head(&theirs, &unavailable), Some(Outcome::Success));
}

fn open<C>(classify: &C) -> C::Call
where
    C: Classify<Request<()>, Response<()>, BoxError>,
{
    let mut verdict = start(classify);
    assert_eq!(verdict.response(&response(200, &[])), None);
    verdict
}

#[test]
fn streams_end_in_many_ways() {
    let theirs = from_tower_http(GrpcErrorsAsFailures::make_classifier());
    // To this classifier, a missing status is a success, other than to ours.
    assert_eq!(open(&theirs).end(None), Outcome::Success);
    assert_eq!(open(&theirs).end(Some(&HeaderMap::new())), Outcome::Success);
    assert_eq!(open(&theirs).broken(), Outcome::TRANSIENT);
    assert_eq!(open(&theirs).dropped(), Outcome::Ignored);

    let seen = theirs.outcome(|class| match class {
        GrpcFailureClass::Error(text) => {
            assert_eq!(text, "the response body broke off");
            Outcome::Permanent
        }
        other => panic!("{other}"),
    });
    assert_eq!(open(&seen).broken(), Outcome::Permanent);

    // Where the head has told, the end has nothing to add.
    let theirs = from_tower_http(ServerErrorsAsFailures::make_classifier());
    let mut verdict = start(&theirs);
    assert_eq!(
        Verdict::<_, BoxError>::response(&mut verdict, &response(500, &[])),
        Some(Outcome::Permanent)
    );
    assert_eq!(verdict.end(None), Outcome::Success);
}

#[test]
fn errors() {
    let theirs = from_tower_http(ServerErrorsAsFailures::make_classifier());
    let io = |kind| io::Error::from(kind);
    assert_eq!(error(&theirs, "anything"), Outcome::TRANSIENT);
    let unsent = error(&theirs, io(io::ErrorKind::ConnectionRefused));
    assert_eq!(unsent, Outcome::Unsent);
    let reset = error(&theirs, io(io::ErrorKind::ConnectionReset));
    assert_eq!(reset, Outcome::TRANSIENT);
    // The class has the last word.
    let theirs = theirs.outcome(|class| match class {
        ServerErrorsFailureClass::Error(text) if text == "hopeless" => Outcome::Permanent,
        ServerErrorsFailureClass::Error(_) => Outcome::OVERLOAD,
        ServerErrorsFailureClass::StatusCode(status) => panic!("{status}"),
    });
    assert_eq!(error(&theirs, "hopeless"), Outcome::Permanent);
    let told = error(&theirs, io(io::ErrorKind::ConnectionRefused));
    assert_eq!(told, Outcome::OVERLOAD);
}

#[cfg(feature = "tonic")]
#[test]
fn statuses_as_errors() {
    let theirs = from_tower_http(GrpcErrorsAsFailures::make_classifier());
    let of = |status: tonic::Status| error(&theirs, status);
    assert_eq!(of(tonic::Status::unavailable("")), Outcome::TRANSIENT);
    assert_eq!(of(tonic::Status::resource_exhausted("")), Outcome::OVERLOAD);
    assert_eq!(of(tonic::Status::internal("")), Outcome::Permanent);
    // A success to ours; but an error is a failure to theirs.
    assert_eq!(of(tonic::Status::not_found("")), Outcome::Permanent);
    assert_eq!(of(tonic::Status::cancelled("")), Outcome::Ignored);
}

/// Not to be asked.
#[derive(Clone)]
struct Untouched;

impl ClassifyResponse for Untouched {
    type FailureClass = ();
    type ClassifyEos = NeverClassifyEos<()>;

    fn classify_response<B>(self, _: &Response<B>) -> ClassifiedResponse<(), Self::ClassifyEos> {
        panic!("asked")
    }

    fn classify_error<E: fmt::Display + 'static>(self, _: &E) {
        panic!("asked")
    }
}

#[test]
fn refusals_are_recognised_before_the_classifier_is_asked() {
    let theirs = from_tower_http(SharedClassifier::new(Untouched));
    let refused = Rejected::new(Reason::Open, "inner").retry_after(Duration::from_secs(1));
    let mut res = response(503, &[("retry-after", "1")]);
    res.extensions_mut().insert(refused.clone());
    assert_eq!(head(&theirs, &res), Some(refused.outcome()));
    assert_eq!(error(&theirs, refused.clone()), refused.outcome());
}

/// Takes 404 for a failure where something should have been there, and has a class of its own.
#[derive(Clone)]
struct ByMethod;

#[derive(Clone)]
struct OfMethod(Method);

#[derive(Debug, PartialEq)]
enum Mine {
    Gone,
    Slow,
    Broken,
}

impl MakeClassifier for ByMethod {
    type Classifier = OfMethod;
    type FailureClass = Mine;
    type ClassifyEos = EndOfMethod;

    fn make_classifier<B>(&self, req: &Request<B>) -> OfMethod {
        OfMethod(req.method().clone())
    }
}

struct EndOfMethod;

impl ClassifyResponse for OfMethod {
    type FailureClass = Mine;
    type ClassifyEos = EndOfMethod;

    fn classify_response<B>(self, res: &Response<B>) -> ClassifiedResponse<Mine, EndOfMethod> {
        match (res.status(), self.0) {
            (StatusCode::NOT_FOUND, Method::DELETE) => ClassifiedResponse::Ready(Ok(())),
            (StatusCode::NOT_FOUND, _) => ClassifiedResponse::Ready(Err(Mine::Gone)),
            _ => ClassifiedResponse::RequiresEos(EndOfMethod),
        }
    }

    fn classify_error<E: fmt::Display + 'static>(self, error: &E) -> Mine {
        match error.to_string().as_str() {
            "slow" => Mine::Slow,
            _ => Mine::Broken,
        }
    }
}

impl ClassifyEos for EndOfMethod {
    type FailureClass = Mine;

    fn classify_eos(self, trailers: Option<&HeaderMap>) -> Result<(), Mine> {
        match trailers {
            Some(trailers) if trailers.contains_key("checksum") => Ok(()),
            Some(_) => Err(Mine::Slow),
            None => Err(Mine::Broken),
        }
    }

    fn classify_error<E: fmt::Display + 'static>(self, _: &E) -> Mine {
        Mine::Gone
    }
}

#[test]
fn classifiers_see_the_request_and_have_classes_of_their_own() {
    let judge = |method: Method, status, classify: &dyn Fn(&Request<()>, &Response<()>) -> _| {
        let req = Request::builder().method(method).body(()).unwrap();
        classify(&req, &response(status, &[("retry-after", "3")]))
    };
    let plain = from_tower_http(ByMethod);
    let default = |req: &Request<()>, res: &Response<()>| {
        let mut verdict = Classify::<_, Response<()>, Infallible>::start(&plain, req);
        Verdict::<_, Infallible>::response(&mut verdict, res)
    };
    assert_eq!(judge(Method::DELETE, 404, &default), Some(Outcome::Success));
    assert_eq!(judge(Method::GET, 404, &default), Some(transient(3)));
    assert_eq!(judge(Method::GET, 200, &default), None);

    let own = from_tower_http(ByMethod).outcome(|class| match class {
        Mine::Gone => Outcome::Permanent,
        Mine::Slow => Outcome::OVERLOAD,
        Mine::Broken => Outcome::TRANSIENT,
    });
    let mapped = |req: &Request<()>, res: &Response<()>| {
        let mut verdict = Classify::<_, Response<()>, Infallible>::start(&own, req);
        Verdict::<_, Infallible>::response(&mut verdict, res)
    };
    assert_eq!(judge(Method::GET, 404, &mapped), Some(Outcome::Permanent));
    assert_eq!(error(&own, "slow"), Outcome::OVERLOAD);
    assert_eq!(error(&own, "else"), Outcome::TRANSIENT);
    assert_eq!(
        open(&own).end(Some(&trailers(&[("checksum", "1")]))),
        Outcome::Success
    );
    let late = trailers(&[("retry-after", "3")]);
    assert_eq!(open(&own).end(Some(&late)), overload(3));
    assert_eq!(open(&own).end(None), Outcome::TRANSIENT);
    assert_eq!(open(&own).broken(), Outcome::Permanent);
}

/// Through a guard: the permit is held until the trailers, and gets their verdict.
#[tokio::test]
async fn on_a_layer() {
    type Frames = Vec<Result<Frame<Bytes>, io::Error>>;
    async fn events(frames: Frames) -> Vec<Event> {
        let log = Log::default();
        let classifier = GrpcErrorsAsFailures::make_classifier();
        let layer = GuardLayer::new(log.clone()).grpc();
        let service = layer.classify(from_tower_http(classifier));
        let mut body = Some(StreamBody::new(futures_util::stream::iter(frames)));
        let inner = service_fn(move |_: Request<()>| {
            ready(Ok::<_, BoxError>(Response::new(body.take().unwrap())))
        });
        let call = service.layer(inner).oneshot(Request::new(()));
        // Spawned, so that all of it is `Send`.
        let res = tokio::spawn(call).await.unwrap().unwrap();
        assert_eq!(log.events(), [Event::Head(None)]);
        let _ = res.into_body().collect().await;
        log.events()
    }
    let data = || Ok(Frame::data(Bytes::from("data")));
    let status = |code: &str| Ok(Frame::trailers(trailers(&[("grpc-status", code)])));
    for (end, outcome) in [
        (status("0"), Outcome::Success),
        (status("14"), Outcome::TRANSIENT),
        (status("13"), Outcome::Permanent),
        (Err(io::Error::other("lost")), Outcome::TRANSIENT),
    ] {
        let ended = events(vec![data(), data(), end]).await;
        assert_eq!(ended, [Event::Head(None), Event::Finished(outcome)]);
    }
}

/// One classifier for every layer that judges.
#[cfg(all(feature = "fallback", feature = "retry"))]
#[tokio::test(start_paused = true)]
async fn fits_all_layers() {
    use resilience_fallback::FallbackLayer;
    use resilience_retry::RetryLayer;

    let theirs = StatusInRangeAsFailures::new(404..=404).into_make_classifier();
    let classify = from_tower_http(theirs).outcome(|_| Outcome::TRANSIENT);
    let log = Log::default();
    let none = Response::new(Full::<Bytes>::from("none"));
    let service = tower::ServiceBuilder::new()
        .layer(
            FallbackLayer::value("list", none)
                .http()
                .classify(classify.clone()),
        )
        .layer(
            RetryLayer::builder("list")
                .build()
                .unwrap()
                .http()
                .classify(classify.clone()),
        )
        .layer(GuardLayer::new(log.clone()).http().classify(classify))
        .service(service_fn(|_: Request<_>| {
            let mut res = Response::new(Full::<Bytes>::default());
            *res.status_mut() = StatusCode::NOT_FOUND;
            ready(Ok::<_, Infallible>(res))
        }));
    let req = Request::new(Full::<Bytes>::default());
    let res = tokio::spawn(service.oneshot(req)).await.unwrap().unwrap();
    assert_eq!(res.status(), StatusCode::OK);
    let attempt = [
        Event::Head(Some(Outcome::TRANSIENT)),
        Event::Finished(Outcome::TRANSIENT),
    ];
    assert_eq!(log.events(), [attempt; 3].concat());
}
