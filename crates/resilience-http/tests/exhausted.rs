//! Nested stacks: what has been retried is not retried again further out.
#![cfg(all(feature = "retry", feature = "tower-http"))]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use proptest::{collection::vec, option, prelude::*, sample::select};
use resilience_core::{
    Backoff, BoxError, Classify, Deadline, Outcome, Reason, Rejected, Verdict, clock,
};
use resilience_http::{
    EndVerdict, ExhaustedLayer, HttpClassify, HttpLayer, InnerRetries, Protocol, RetriesExhausted,
    by_head, from_tower_http, pass_on, refusal,
};
use resilience_retry::RetryLayer;
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::classify::{GrpcErrorsAsFailures, ServerErrorsAsFailures, SharedClassifier};

const PUSHBACK: &str = "grpc-retry-pushback-ms";
const GRPC: &str = "application/grpc";

type Headers<'a> = &'a [(&'static str, &'a str)];

fn request(content_type: &'static str) -> Request<()> {
    let req = Request::builder().header("content-type", content_type);
    req.body(()).unwrap()
}

fn headers(lines: Headers<'_>) -> HeaderMap {
    let lines = lines.iter().map(|&(name, value)| {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        (name.parse().unwrap(), value)
    });
    lines.collect()
}

fn response(status: u16, lines: Headers<'_>) -> Response<()> {
    let mut res = Response::new(());
    *res.status_mut() = status.try_into().unwrap();
    *res.headers_mut() = headers(lines);
    res
}

fn judged<C>(classify: &C, req: &Request<()>, res: &Response<()>) -> Option<Outcome>
where
    C: Classify<Request<()>, Response<()>, BoxError>,
{
    start(classify, req).response(res)
}

/// `start` for one type of responses and errors.
fn start<C>(classify: &C, req: &Request<()>) -> C::Call
where
    C: Classify<Request<()>, Response<()>, BoxError>,
{
    classify.start(req)
}

/// A request with a note, and the layer's view of that note.
async fn noted(write: impl FnOnce(&Request<()>)) -> bool {
    let mut write = Some(write);
    let service = ExhaustedLayer::new().layer(service_fn(move |req: Request<()>| {
        write.take().unwrap()(&req);
        async { Ok::<_, Infallible>(response(503, &[])) }
    }));
    let res = service.oneshot(request("text/plain")).await.unwrap();
    res.headers().contains_key(RetriesExhausted::HEADER)
}

/// A request for others, made for `inbound`.
fn outbound(content_type: &'static str, inbound: &Request<()>) -> Request<()> {
    let mut outbound = request(content_type);
    pass_on(inbound.extensions(), outbound.extensions_mut());
    outbound
}

/// For every classifier, with an answer that it calls transient or overload.
macro_rules! each_classifier {
    (|$classify:ident, $content_type:ident, $status:ident, $head:ident| $body:block) => {
        each_classifier!(@ |$classify, $content_type, $status, $head| $body
            (HttpClassify::new(), "text/plain", 503, &[])
            (HttpClassify::new(), GRPC, 200, &[("grpc-status", "14")])
            (by_head(|_| Outcome::OVERLOAD), "text/plain", 429, &[])
            (from_tower_http(SharedClassifier::new(ServerErrorsAsFailures::new())), "text/plain", 503, &[])
            (from_tower_http(SharedClassifier::new(GrpcErrorsAsFailures::new())), GRPC, 200, &[("grpc-status", "14")])
        )
    };
    (@ |$classify:ident, $content_type:ident, $status:ident, $head:ident| $body:block
        $(($c:expr, $t:expr, $s:expr, $h:expr))+) => {$({
        let ($classify, $content_type, $status) = ($c, $t, $s);
        let $head: Headers<'static> = $h;
        $body
    })+};
}

#[tokio::test]
async fn what_is_exhausted_further_in_is_a_permanent_failure_further_out() {
    each_classifier!(|classify, content_type, status, head| {
        let req = request(content_type);
        let res = response(status, head);
        let before = judged(&classify, &req, &res).unwrap();
        assert_eq!(before.retry_after(), None);
        assert!(
            before.is_failure() && before != Outcome::Permanent,
            "{before:?}"
        );

        let mut verdict = start(&classify, &req);
        let mut result = Ok::<_, BoxError>(res);
        verdict.exhausted(&mut result);
        let res = result.unwrap();
        assert_eq!(res.extensions().get(), Some(&RetriesExhausted));
        assert_eq!(judged(&classify, &req, &res), Some(Outcome::Permanent));
    });
}

#[tokio::test]
async fn what_a_server_says_to_be_exhausted_is_a_permanent_failure() {
    each_classifier!(|classify, content_type, status, head| {
        for sign in [
            ("x-retries-exhausted", "1"),
            ("x-retries-exhausted", ""),
            ("x-retries-exhausted", "false"),
            (PUSHBACK, "-1"),
        ] {
            // Whatever else it says of coming back.
            for advice in [None, Some(("retry-after", "3"))] {
                let lines: Vec<_> = head.iter().copied().chain([sign]).chain(advice).collect();
                let res = response(status, &lines);
                let outcome = judged(&classify, &request(content_type), &res);
                assert_eq!(outcome, Some(Outcome::Permanent), "{lines:?}");
            }
        }
    });
}

/// Whichever tier it is that has no retries left, all those further out learn of it.
#[tokio::test]
async fn the_note_is_made_by_what_is_exhausted_here_and_by_what_is_said_to_be() {
    each_classifier!(|classify, content_type, status, head| {
        let start = |inbound: &Request<()>| start(&classify, &outbound(content_type, inbound));
        let res = |sign: Option<_>| {
            let lines: Vec<_> = head.iter().copied().chain(sign).collect();
            response(status, &lines)
        };
        let exhausted = noted(|inbound| {
            start(inbound).exhausted(&mut Ok::<_, BoxError>(res(None)));
        });
        assert!(exhausted.await);
        let failed = noted(|inbound| {
            let mut result = Err::<Response<()>, BoxError>("lost".into());
            start(inbound).exhausted(&mut result);
            assert_eq!(result.unwrap_err().to_string(), "lost");
        });
        assert!(failed.await);
        let said = noted(|inbound| {
            let said = res(Some(("x-retries-exhausted", "1")));
            Verdict::<_, BoxError>::response(&mut start(inbound), &said);
        });
        assert!(said.await);
        let transient = noted(|inbound| {
            Verdict::<_, BoxError>::response(&mut start(inbound), &res(None));
        });
        assert!(!transient.await);
    });
}

#[tokio::test]
async fn a_negative_pushback_in_the_trailers_is_noted_too() {
    for (status, pushback, noted_then) in [
        ("14", "-1", true),
        ("14", "5", false),
        // No failure of the server's: nobody would retry it.
        ("0", "-1", false),
        ("5", "-1", false),
    ] {
        let trailers = headers(&[("grpc-status", status), (PUSHBACK, pushback)]);
        let ours = noted(|inbound| {
            let req = outbound(GRPC, inbound);
            let classify = HttpClassify::new();
            let mut verdict = start(&classify, &req);
            verdict.end(Some(&trailers));
        });
        assert_eq!(ours.await, noted_then, "{trailers:?}");
        let theirs = noted(|inbound| {
            let req = outbound(GRPC, inbound);
            let classify = from_tower_http(SharedClassifier::new(GrpcErrorsAsFailures::new()));
            let mut verdict = start(&classify, &req);
            assert_eq!(
                Verdict::<Response<()>, BoxError>::response(&mut verdict, &response(200, &[])),
                None
            );
            verdict.end(Some(&trailers));
        });
        // A `NOT_FOUND` is a failure to that classifier, but not one to retry.
        assert_eq!(theirs.await, noted_then, "{trailers:?}");
    }
}

#[test]
fn a_success_a_refusal_and_a_permanent_failure_stay_what_they_are() {
    let classify = HttpClassify::new();
    let req = request("text/plain");
    let sign: Headers<'_> = &[("x-retries-exhausted", "1")];
    for (status, outcome) in [
        (200, Outcome::Success),
        (404, Outcome::Success),
        (500, Outcome::Permanent),
    ] {
        let mut res = response(status, sign);
        res.extensions_mut().insert(RetriesExhausted);
        assert_eq!(judged(&classify, &req, &res), Some(outcome));
    }
    let refused = refusal::<Bytes>(Protocol::Http, Rejected::new(Reason::Open, "db"));
    let mut refused = refused.map(|_| ());
    refused.extensions_mut().insert(RetriesExhausted);
    let outcome = judged(&classify, &req, &refused);
    assert!(matches!(outcome, Some(Outcome::Refused { .. })));
}

/// The answer of a server whose handler's calls are exhausted, or not.
async fn answered(
    content_type: &'static str,
    exhausted: bool,
    res: Response<impl Body<Data = Bytes, Error = Infallible>>,
) -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let mut res = Some(res);
    let service = ExhaustedLayer::new().layer(service_fn(move |req: Request<()>| {
        if exhausted {
            req.extensions().get::<InnerRetries>().unwrap().exhaust();
        }
        let res = res.take().unwrap();
        async move { Ok::<_, Infallible>(res) }
    }));
    service.oneshot(request(content_type)).await.unwrap()
}

fn empty(res: Response<()>) -> Response<Empty<Bytes>> {
    res.map(|()| Empty::new())
}

#[tokio::test]
async fn a_failing_answer_says_that_it_is_exhausted_and_no_other_does() {
    for status in 200..600 {
        let fails = status == 408 || status == 429 || status >= 500;
        for exhausted in [false, true] {
            let res = answered("text/plain", exhausted, empty(response(status, &[]))).await;
            let said = res.headers().contains_key("x-retries-exhausted");
            assert_eq!(said, fails && exhausted, "{status} {exhausted}");
            assert!(!res.headers().contains_key(PUSHBACK));
            assert_eq!(res.status(), status);
            // The mark in an answer that a handler passes on as it is, is as good as the note.
            let mut marked = empty(response(status, &[]));
            if exhausted {
                marked.extensions_mut().insert(RetriesExhausted);
            }
            let res = answered("text/plain", false, marked).await;
            let said = res.headers().contains_key("x-retries-exhausted");
            assert_eq!(said, fails && exhausted, "{status} {exhausted}");
        }
    }
}

#[tokio::test]
async fn what_is_said_already_is_kept() {
    let res = response(
        503,
        &[("x-retries-exhausted", "inner"), ("retry-after", "9")],
    );
    let res = answered("text/plain", true, empty(res)).await;
    let expected = headers(&[("x-retries-exhausted", "inner"), ("retry-after", "9")]);
    assert_eq!(*res.headers(), expected);
}

const FAILING: [&str; 7] = ["2", "4", "8", "12", "13", "14", "15"];

/// `None`: there is no pushback.
const PUSHBACKS: [(Option<&str>, &str); 5] = [
    (None, "-1"),
    (Some("0"), "-1"),
    (Some("5000"), "-1"),
    (Some("-7"), "-7"),
    (Some("soon"), "soon"),
];

fn status_and(code: &str, pushback: Option<&str>) -> HeaderMap {
    let mut map = headers(&[("grpc-status", code)]);
    if let Some(pushback) = pushback {
        map.insert(PUSHBACK, HeaderValue::from_str(pushback).unwrap());
    }
    map
}

#[tokio::test]
async fn a_failing_grpc_answer_pushes_back_in_the_head_or_in_the_trailers() {
    for code in 0..17_u8 {
        let code = code.to_string();
        for (before, after) in PUSHBACKS {
            for exhausted in [false, true] {
                let beside = status_and(&code, before);
                let pushed = exhausted && FAILING.contains(&&*code);
                let expected = status_and(&code, if pushed { Some(after) } else { before });

                let mut head = empty(response(200, &[]));
                *head.headers_mut() = beside.clone();
                let res = answered(GRPC, exhausted, head).await;
                assert_eq!(*res.headers(), expected);

                let frames = [Frame::data(Bytes::from("message")), Frame::trailers(beside)];
                let frames = frames.map(Ok::<_, Infallible>);
                let body = StreamBody::new(futures_util::stream::iter(frames));
                let res = answered(GRPC, exhausted, response(200, &[]).map(|()| body)).await;
                assert!(res.headers().is_empty());
                let read = res.into_body().collect().await.unwrap();
                assert_eq!(read.trailers(), Some(&expected));
                assert_eq!(read.to_bytes(), "message");
            }
        }
    }
}

/// A stream may call others until it ends.
#[tokio::test]
async fn what_is_exhausted_after_the_head_counts_for_the_trailers() {
    let retries = Arc::new(Mutex::new(None));
    let service = ExhaustedLayer::new().layer(service_fn({
        let retries = retries.clone();
        move |req: Request<()>| {
            *retries.lock().unwrap() = req.extensions().get::<InnerRetries>().cloned();
            let trailers = Frame::<Bytes>::trailers(status_and("14", None));
            let body = StreamBody::new(futures_util::stream::iter([Ok::<_, Infallible>(trailers)]));
            async { Ok::<_, Infallible>(Response::new(body)) }
        }
    }));
    let res = service.oneshot(request(GRPC)).await.unwrap();
    retries.lock().unwrap().take().unwrap().exhaust();
    let read = res.into_body().collect().await.unwrap();
    assert_eq!(read.trailers(), Some(&status_and("14", Some("-1"))));
}

/// A proxy, or a router without such a service, has answered a gRPC call.
#[tokio::test]
async fn a_grpc_call_that_fails_without_a_grpc_status_gets_the_header() {
    let res = answered(GRPC, true, empty(response(503, &[]))).await;
    assert_eq!(*res.headers(), headers(&[("x-retries-exhausted", "1")]));
    let res = res.map(|_| ());
    let outcome = judged(&HttpClassify::new(), &request(GRPC), &res);
    assert_eq!(outcome, Some(Outcome::Permanent));
}

/// An error has no place for a mark, and passes as it is.
#[tokio::test]
async fn errors_pass() {
    let service = ExhaustedLayer::new().layer(service_fn(|req: Request<()>| async move {
        req.extensions().get::<InnerRetries>().unwrap().exhaust();
        Err::<Response<()>, _>("lost")
    }));
    assert_eq!(service.oneshot(request(GRPC)).await.unwrap_err(), "lost");
}

#[tokio::test]
async fn the_body_is_what_it_was() {
    let res = response(200, &[]).map(|()| Full::new(Bytes::from("0123456789")));
    let res = answered(GRPC, true, res).await;
    assert_eq!(res.body().size_hint().exact(), Some(10));
    assert!(!res.body().is_end_stream());
    assert_eq!(
        res.into_body().collect().await.unwrap().to_bytes(),
        "0123456789"
    );
    let res = answered("text/plain", true, empty(response(503, &[]))).await;
    assert!(res.body().is_end_stream());
}

/// What came of the outer call's other calls says nothing of this one, and what came of this one is told by its answer.
#[tokio::test]
async fn a_server_in_a_server_has_a_note_of_its_own() {
    let marked = noted(|inbound| {
        let inner = inbound.extensions().get::<InnerRetries>().unwrap().clone();
        inner.exhaust();
        let again = ExhaustedLayer::new().layer(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(response(503, &[]))
        }));
        let answer = again.oneshot(outbound("text/plain", inbound));
        let answer = futures_util::FutureExt::now_or_never(answer)
            .unwrap()
            .unwrap();
        assert!(!answer.headers().contains_key("x-retries-exhausted"));
    });
    assert!(marked.await);
}

#[test]
fn the_note_and_the_deadline_are_passed_on_together() {
    let mut inbound = request("text/plain");
    let deadline = Deadline::within(Duration::from_secs(1));
    inbound.extensions_mut().insert(deadline);
    inbound.extensions_mut().insert(InnerRetries::default());
    let outbound = outbound("text/plain", &inbound);
    assert_eq!(outbound.extensions().get(), Some(&deadline));
    assert!(outbound.extensions().get::<InnerRetries>().is_some());
    // Nothing is invented.
    let mut bare = request("text/plain");
    pass_on(&http::Extensions::new(), bare.extensions_mut());
    assert!(bare.extensions().is_empty());
}

/// How often, and for how long, retries try in vain, if every answer is this one.
fn tries(content_type: &'static str, answer: &Response<()>) -> (u32, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let calls = AtomicU32::new(0);
        let service = service_fn(|_: Request<_>| {
            calls.fetch_add(1, SeqCst);
            let res = empty(answer.clone());
            async { Ok::<_, BoxError>(res) }
        });
        let retries = RetryLayer::builder("test")
            .attempts(4)
            .backoff(Backoff::constant(Duration::from_millis(100)).unwrap());
        let service = retries.build().unwrap().http().layer(service);
        let req = Request::get("/").header("content-type", content_type);
        let start = clock::now();
        let req = req.body(Empty::<Bytes>::new()).unwrap();
        service.oneshot(req).await.unwrap();
        (calls.into_inner(), clock::now() - start)
    })
}

proptest! {
    /// Whoever writes it, and whatever they write: it ends retries, and delays none.
    #[test]
    fn the_header_can_only_take_retries_away(
        grpc: bool,
        status in select(vec![200_u16, 404, 408, 429, 500, 502, 503, 504]),
        code in option::of(0_u8..20),
        pushback in option::of(any::<i32>()),
        retry_after in option::of(any::<u32>()),
        values in vec(vec(any::<u8>(), 0..20), 1..4),
    ) {
        let content_type = if grpc { GRPC } else { "text/plain" };
        let mut answer = response(status, &[]);
        if let Some(code) = code {
            answer.headers_mut().insert("grpc-status", u16::from(code).into());
        }
        if let Some(millis) = pushback {
            answer.headers_mut().insert(PUSHBACK, millis.into());
        }
        if let Some(seconds) = retry_after {
            answer.headers_mut().insert("retry-after", seconds.into());
        }
        let without = tries(content_type, &answer);
        let mut signed = 0;
        for value in values {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                answer.headers_mut().append("x-retries-exhausted", value);
                signed += 1;
            }
        }
        let with = tries(content_type, &answer);
        let expected = if signed > 0 { (1, Duration::ZERO) } else { without };
        prop_assert_eq!(with, expected);
        prop_assert!(with <= without);
    }

    /// A pushback that is not a delay ends them too; one that is bounds the wait, as any advice does.
    #[test]
    fn a_pushback_can_add_no_attempt_and_no_unbounded_wait(
        value in prop_oneof![
            vec(any::<u8>(), 0..12),
            any::<i64>().prop_map(|millis| millis.to_string().into_bytes()),
        ],
    ) {
        let mut answer = response(200, &[("grpc-status", "14")]);
        let (attempts, _) = tries(GRPC, &answer);
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            answer.headers_mut().insert(PUSHBACK, value);
            let (tried, waited) = tries(GRPC, &answer);
            // The cap of advice, and the backoff on top, before each retry.
            prop_assert!(tried <= attempts && waited <= 3 * Duration::from_millis(30_100));
        }
    }
}

#[cfg(feature = "tonic")]
#[test]
fn a_status_that_is_an_error_can_ask_not_to_be_retried() {
    for pushback in ["-1", "soon"] {
        let mut status = tonic::Status::unavailable("lost");
        let mut verdict = start(&HttpClassify::grpc(), &request(GRPC));
        let mut judge = |status: &tonic::Status| {
            let error: BoxError = status.clone().into();
            Verdict::<Response<()>, BoxError>::error(&mut verdict, &error)
        };
        assert_eq!(judge(&status), Outcome::TRANSIENT);
        status
            .metadata_mut()
            .insert(PUSHBACK, pushback.parse().unwrap());
        assert_eq!(judge(&status), Outcome::Permanent);
    }
}
