//! Deadlines over HTTP and gRPC: what requests state, what callers are told, what becomes of bodies, what is sent on.

#![cfg(feature = "timeout")]

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use resilience_core::{
    BoxError, Classify, Deadline, Outcome, Priority, Reason, Rejected, Verdict, clock,
};
use resilience_http::{
    HttpClassify, HttpDeadline, HttpLayer, HttpVerdict, RespondLayer, SendDeadlineLayer,
    format_grpc_timeout, format_millis, parse_grpc_timeout, parse_millis, pass_on,
};
use resilience_timeout::{DeadlineBuilder, DeadlineExceeded, DeadlineLayer, MalformedDeadline};
use std::{
    convert::Infallible,
    future::{pending, ready},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{advance, sleep};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, ServiceExt, service_fn};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn builder() -> DeadlineBuilder {
    DeadlineLayer::builder("api").max(ms(1_000))
}

/// A request with headers, over gRPC or not.
fn request(grpc: bool, headers: &[(&'static str, &[u8])]) -> Request<()> {
    let mut req = Request::new(());
    if grpc {
        let value = HeaderValue::from_static("application/grpc+proto");
        req.headers_mut().insert(CONTENT_TYPE, value);
    }
    for &(name, value) in headers {
        let value = HeaderValue::from_bytes(value).unwrap();
        req.headers_mut().append(name, value);
    }
    req
}

/// A request that states `millis`.
fn stating(grpc: bool, millis: u64) -> Request<()> {
    let (name, unit) = if grpc {
        ("grpc-timeout", "m")
    } else {
        ("x-request-timeout-ms", "")
    };
    request(grpc, &[(name, format!("{millis}{unit}").as_bytes())])
}

/// Answers with the milliseconds that are left.
async fn tell(req: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    let deadline = req.extensions().get::<Deadline>().expect("noted");
    let left = deadline.remaining().as_millis();
    Ok(Response::new(Full::from(left.to_string())))
}

async fn hang(_: Request<()>) -> Result<Response<Full<Bytes>>, Infallible> {
    pending().await
}

/// Status, gRPC status and message; or the text of a plain answer.
async fn said<B: Body<Data = Bytes, Error: std::fmt::Debug>>(res: Response<B>) -> String {
    let (head, body) = res.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let header = |name| {
        head.headers
            .get(name)
            .map(|value: &HeaderValue| value.to_str().unwrap())
    };
    match header("grpc-status") {
        Some(code) => format!(
            "{} {code} {}",
            head.status.as_u16(),
            header("grpc-message").unwrap()
        ),
        None => format!("{} {text}", head.status.as_u16()),
    }
}

mod read {
    use super::*;

    /// Over gRPC or not, the headers, and the answer.
    type Case = (bool, &'static [(&'static str, &'static [u8])], &'static str);

    async fn ask(layer: DeadlineLayer, carry: HttpDeadline, req: Request<()>) -> String {
        let service = layer.http().carry(carry).respond().layer(service_fn(tell));
        said(service.oneshot(req).await.unwrap()).await
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_protocol_has() {
        let table: [Case; 10] = [
            (false, &[], "200 1000"),
            (false, &[("x-request-timeout-ms", b"250")], "200 250"),
            (
                false,
                &[("x-request-timeout-ms", b"99999999999999999999999")],
                "200 1000",
            ),
            (
                false,
                &[
                    ("x-request-timeout-ms", b"250"),
                    ("x-request-timeout-ms", b"0250"),
                ],
                "200 250",
            ),
            // The other protocol's.
            (false, &[("grpc-timeout", b"250m")], "200 1000"),
            (true, &[], "200 1000"),
            (true, &[("grpc-timeout", b"250m")], "200 250"),
            (true, &[("grpc-timeout", b"99999999H")], "200 1000"),
            (
                true,
                &[("grpc-timeout", b"250m"), ("grpc-timeout", b"250000u")],
                "200 250",
            ),
            (true, &[("x-request-timeout-ms", b"250")], "200 1000"),
        ];
        for (grpc, headers, expected) in table {
            let layer = builder().build().unwrap();
            let got = ask(layer, HttpDeadline::new(), request(grpc, headers)).await;
            assert_eq!(got, expected, "{grpc} {headers:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_in_the_extensions_too() {
        for (carried, stated, expected) in [
            (40, None, "200 40"),
            (40, Some(250), "200 40"),
            (250, Some(40), "200 40"),
        ] {
            let mut req = stated.map_or_else(|| request(true, &[]), |stated| stating(true, stated));
            req.extensions_mut().insert(Deadline::within(ms(carried)));
            let layer = builder().build().unwrap();
            assert_eq!(ask(layer, HttpDeadline::new(), req).await, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_header_if_told_so() {
        const ENVOY: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
        let carry = HttpDeadline::new().header(ENVOY);
        let headers: &[(_, &[u8])] = &[
            ("x-envoy-expected-rq-timeout-ms", b"250"),
            ("x-request-timeout-ms", b"nonsense"),
        ];
        let layer = builder().build().unwrap();
        assert_eq!(ask(layer, carry, request(false, headers)).await, "200 250");
    }

    const MALFORMED: [Case; 8] = [
        (
            false,
            &[("x-request-timeout-ms", b"")],
            "400 `x-request-timeout-ms` is \"\"; it must be whole milliseconds: decimal digits and nothing else",
        ),
        (
            false,
            &[("x-request-timeout-ms", b"-1")],
            "400 `x-request-timeout-ms` is \"-1\"; it must be whole milliseconds: decimal digits and nothing else",
        ),
        (
            false,
            &[("x-request-timeout-ms", b"2 5")],
            "400 `x-request-timeout-ms` is \"2 5\"; it must be whole milliseconds: decimal digits and nothing else",
        ),
        (
            false,
            &[("x-request-timeout-ms", b"1\xff")],
            "400 `x-request-timeout-ms` is \"1\u{fffd}\"; it must be whole milliseconds: decimal digits and nothing else",
        ),
        (
            false,
            &[
                ("x-request-timeout-ms", b"1"),
                ("x-request-timeout-ms", b"2"),
            ],
            "400 `x-request-timeout-ms` is \"2\"; it must be the same wherever it is repeated",
        ),
        (
            true,
            &[("grpc-timeout", b"250")],
            "200 3 `grpc-timeout` is \"250\"; it must be 1 to 8 decimal digits and a unit: H, M, S, m, u or n",
        ),
        (
            true,
            &[("grpc-timeout", b"123456789n")],
            "200 3 `grpc-timeout` is \"123456789n\"; it must be 1 to 8 decimal digits and a unit: H, M, S, m, u or n",
        ),
        (
            true,
            &[("grpc-timeout", b"1S"), ("grpc-timeout", b"1M")],
            "200 3 `grpc-timeout` is \"1M\"; it must be the same wherever it is repeated",
        ),
    ];

    #[tokio::test(start_paused = true)]
    async fn what_is_malformed_is_a_bad_request_and_nobody_is_called() {
        for (grpc, headers, expected) in MALFORMED {
            let never = service_fn(|_: Request<()>| async { unreachable!("called") });
            let never = never.map_result(|never: Result<Response<Full<Bytes>>, Infallible>| never);
            let layer = builder().build().unwrap().http().respond();
            let res = layer.layer(never).oneshot(request(grpc, headers)).await;
            let res = res.unwrap();
            assert!(res.extensions().get::<MalformedDeadline>().is_some());
            let mut verdict = verdict();
            let outcome = Verdict::<_, BoxError>::response(&mut verdict, &res);
            assert_eq!(outcome, Some(Outcome::Ignored), "nobody was called");
            assert_eq!(said(res).await, expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_malformed_is_ignored_if_told_so() {
        for (grpc, headers, _) in MALFORMED {
            let layer = builder().ignore_malformed(true).build().unwrap();
            let got = ask(layer, HttpDeadline::new(), request(grpc, headers)).await;
            assert_eq!(got, "200 1000");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_time_the_answer_says_so_and_the_refusal_is_in_it() {
    for (grpc, expected) in [
        (false, "504 api: deadline exceeded"),
        (true, "200 4 api: deadline exceeded"),
    ] {
        let service = builder().build().unwrap().http().respond();
        let service = service.layer(service_fn(hang));
        let res = service.oneshot(stating(grpc, 0)).await.unwrap();
        let why = res.extensions().get::<Rejected>().expect("a refusal");
        assert_eq!(why.reason(), Reason::Deadline);
        assert_eq!(said(res).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn when_it_passes_the_answer_says_so() {
    for (grpc, expected) in [
        (false, "504 api: deadline exceeded after 50ms"),
        (true, "200 4 api: deadline exceeded after 50ms"),
    ] {
        let service = builder().build().unwrap().grpc().respond();
        let start = clock::now();
        let res = service
            .layer(service_fn(hang))
            .oneshot(stating(grpc, 50))
            .await;
        assert_eq!(clock::now() - start, ms(50));
        let res = res.unwrap();
        let why = DeadlineExceeded::new("api", ms(50));
        assert_eq!(res.extensions().get(), Some(&why));
        assert!(res.extensions().get::<Rejected>().is_none());
        assert_eq!(said(res).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_are_boxed_where_no_answer_is_asked_for() {
    let hang = service_fn(|_: Request<()>| pending::<Result<Response<Full<Bytes>>, BoxError>>());
    let service = builder().build().unwrap().http().layer(hang);
    let error = service
        .clone()
        .oneshot(stating(false, 50))
        .await
        .unwrap_err();
    assert!(DeadlineExceeded::find(&*error).is_some());
    assert_eq!(judge(&error), Outcome::TRANSIENT);

    let nonsense = request(false, &[("x-request-timeout-ms", b"soon")]);
    let error = service.oneshot(nonsense).await.unwrap_err();
    assert!(error.is::<MalformedDeadline>());
    assert_eq!(judge(&error), Outcome::Ignored, "nobody was called");
}

fn verdict() -> HttpVerdict {
    Classify::<_, Response<()>, BoxError>::start(&HttpClassify::new(), &Request::new(()))
}

fn judge(error: &BoxError) -> Outcome {
    Verdict::<Response<()>, BoxError>::error(&mut verdict(), error)
}

mod body {
    use super::*;

    /// Sets a flag when it is dropped.
    struct Flag(Arc<AtomicBool>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "as streams have it")]
    fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    /// One frame, then nothing, ever.
    fn stuck(
        gone: &Arc<AtomicBool>,
    ) -> Response<impl Body<Data = Bytes, Error = BoxError> + use<>> {
        let flag = Flag(gone.clone());
        let frames = stream::unfold((flag, true), |(flag, first)| async move {
            if !first {
                pending::<()>().await;
            }
            Some((data("first"), (flag, false)))
        });
        Response::new(StreamBody::new(Box::pin(frames)))
    }

    /// The body of a response to `req`.
    async fn body_of<B>(
        builder: DeadlineBuilder,
        req: Request<()>,
        res: Response<B>,
    ) -> Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>>
    where
        B: Body<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        let mut res = Some(res);
        let inner =
            service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(res.take().unwrap())));
        let service = builder.build().unwrap().http().respond().layer(inner);
        Box::pin(service.oneshot(req).await.unwrap().into_body())
    }

    #[tokio::test(start_paused = true)]
    async fn breaks_off_when_a_stated_deadline_passes() {
        let gone = Arc::default();
        let mut body = body_of(builder(), stating(false, 50), stuck(&gone)).await;
        assert!(body.frame().await.unwrap().unwrap().is_data());
        let start = clock::now();
        let mut next = task::spawn(body.frame());
        assert_pending!(next.poll());
        advance(ms(49)).await;
        assert!(!next.is_woken());
        advance(ms(1)).await;
        assert!(next.is_woken());
        let error = assert_ready!(next.poll()).unwrap().unwrap_err();
        drop(next);
        assert_eq!(clock::now() - start, ms(50));
        assert_eq!(
            DeadlineExceeded::find(&*error),
            Some(&DeadlineExceeded::new("api", ms(50)))
        );
        assert!(gone.load(SeqCst), "the inner body is gone with the error");
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn ends_with_trailers_over_grpc() {
        let gone = Arc::default();
        let body = body_of(builder(), stating(true, 50), stuck(&gone)).await;
        let whole = body.collect().await.expect("no error");
        let trailers = whole.trailers().expect("trailers").clone();
        assert_eq!(trailers["grpc-status"], "4");
        assert_eq!(
            trailers["grpc-message"],
            "api: deadline exceeded after 50ms"
        );
        assert_eq!(trailers.len(), 2, "{trailers:?}");
        assert_eq!(whole.to_bytes(), "first");
        assert!(gone.load(SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn goes_on_where_nobody_has_stated_a_deadline() {
        for grpc in [false, true] {
            let gone = Arc::default();
            let mut body = body_of(builder(), request(grpc, &[]), stuck(&gone)).await;
            body.frame().await.unwrap().unwrap();
            let mut next = task::spawn(body.frame());
            assert_pending!(next.poll());
            advance(ms(100_000)).await;
            assert!(!next.is_woken());
            assert_pending!(next.poll());
        }
        let gone = Arc::default();
        let bounded = builder().unstated_bounds_bodies(true);
        let mut body = body_of(bounded, request(false, &[]), stuck(&gone)).await;
        body.frame().await.unwrap().unwrap();
        let start = clock::now();
        body.frame().await.unwrap().unwrap_err();
        assert_eq!(clock::now() - start, ms(1_000));
    }

    /// One frame of data each time.
    fn endless() -> Response<impl Body<Data = Bytes, Error = BoxError>> {
        let frames = stream::repeat_with(|| data("more"));
        Response::new(StreamBody::new(frames))
    }

    #[tokio::test(start_paused = true)]
    async fn that_never_pauses_breaks_off_too() {
        let mut body = body_of(builder(), stating(false, 50), endless()).await;
        for _ in 0..5 {
            assert!(body.frame().await.unwrap().unwrap().is_data());
            advance(ms(9)).await;
        }
        advance(ms(5)).await;
        let late = body.frame().await.unwrap().unwrap();
        assert!(late.is_data(), "it is there");
        body.frame().await.unwrap().unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn whose_frame_was_there_in_time_is_read_late() {
        for grpc in [false, true] {
            let slow = stream::once(async {
                sleep(ms(10)).await;
                data("whole")
            });
            let res = Response::new(StreamBody::new(slow));
            let mut body = task::spawn(body_of(builder(), stating(grpc, 50), res).await);
            assert_pending!(body.enter(|cx, body| body.poll_frame(cx)));
            // The reader comes back late, as one does whose own reader is slow; the end is there too.
            advance(ms(500)).await;
            let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
            assert!(frame.unwrap().unwrap().is_data());
            assert!(assert_ready!(body.enter(|cx, body| body.poll_frame(cx))).is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_at_its_end_wins() {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let frames = vec![data("all"), Ok(Frame::trailers(trailers))];
        let res = Response::new(StreamBody::new(stream::iter(frames)));
        let mut body = body_of(builder(), stating(true, 50), res).await;
        body.frame().await.unwrap().unwrap();
        advance(ms(60)).await;
        let trailers = body
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_trailers()
            .unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert!(body.frame().await.is_none());

        let res = Response::new(StreamBody::new(stream::iter(vec![
            data("all"),
            Err("broken".into()),
        ])));
        let mut body = body_of(builder(), stating(true, 50), res).await;
        body.frame().await.unwrap().unwrap();
        advance(ms(60)).await;
        assert_eq!(
            body.frame().await.unwrap().unwrap_err().to_string(),
            "broken"
        );
    }

    /// A body that uses up the task's whole budget in each poll, and never has a frame.
    struct Busy(Arc<AtomicUsize>);

    impl Body for Busy {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            while let Poll::Ready(spent) = tokio::task::coop::poll_proceed(cx) {
                spent.made_progress();
                self.0.fetch_add(1, SeqCst);
            }
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn that_is_busy_cannot_starve_the_timer() {
        let rounds = Arc::new(AtomicUsize::new(0));
        let res = Response::new(Busy(rounds.clone()));
        let mut body = body_of(builder(), stating(false, 50), res).await;
        let reader = tokio::spawn(async move { body.frame().await });
        tokio::task::yield_now().await;
        assert!(rounds.load(SeqCst) > 100, "it spends the budget");
        advance(ms(50)).await;
        tokio::task::yield_now().await;
        assert!(reader.is_finished());
        reader.await.unwrap().unwrap().unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_what_is_known_of_it() {
        for req in [stating(false, 50), request(false, &[])] {
            let inner = service_fn(|_: Request<()>| {
                ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(
                    "all",
                ))))
            });
            let service = builder().build().unwrap().http().respond().layer(inner);
            let mut body = Box::pin(service.oneshot(req).await.unwrap().into_body());
            assert_eq!(body.size_hint().exact(), Some(3));
            assert!(!body.is_end_stream());
            body.frame().await.unwrap().unwrap();
            assert!(body.is_end_stream());
        }
    }

    /// Outside of any runtime.
    #[test]
    fn that_is_at_hand_needs_no_timer() {
        let inner = service_fn(|_: Request<()>| {
            ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(
                "all",
            ))))
        });
        let service = builder().build().unwrap().http().respond().layer(inner);
        let res = assert_ready!(task::spawn(service.oneshot(stating(false, 50))).poll()).unwrap();
        let whole = assert_ready!(task::spawn(res.into_body().collect()).poll()).unwrap();
        assert_eq!(whole.to_bytes(), "all");
    }
}

mod sent {
    use super::*;

    /// What a request with `left` and these headers says when it is sent, and the reason if it is not.
    async fn sent(
        layer: SendDeadlineLayer,
        left: Option<Duration>,
        mut req: Request<()>,
    ) -> Result<Vec<String>, Reason> {
        let name = if req.headers().contains_key(CONTENT_TYPE) {
            "grpc-timeout"
        } else {
            "x-request-timeout-ms"
        };
        if let Some(left) = left {
            req.extensions_mut().insert(Deadline::within(left));
        }
        let tell = service_fn(move |req: Request<()>| {
            let values = req.headers().get_all(name).into_iter();
            let values: Vec<_> = values
                .map(|value| value.to_str().unwrap().to_owned())
                .collect();
            ready(Ok::<_, BoxError>(Response::new(values)))
        });
        let res = layer.layer(tell).oneshot(req).await;
        res.map(Response::into_body)
            .map_err(|error| Rejected::find(&*error).expect("a refusal").reason())
    }

    #[expect(clippy::unnecessary_wraps, reason = "beside refusals")]
    fn values(values: &[&str]) -> Result<Vec<String>, Reason> {
        Ok(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn is_what_is_left_and_never_more() {
        let layer = SendDeadlineLayer::new;
        let http = |value: &'static [u8]| request(false, &[("x-request-timeout-ms", value)]);
        let grpc = |value: &'static [u8]| request(true, &[("grpc-timeout", value)]);
        let micros = Duration::from_micros(250_999);
        for (left, req, expected) in [
            (None, request(false, &[]), values(&[])),
            (None, http(b"70"), values(&["70"])),
            (None, http(b"nonsense"), values(&["nonsense"])),
            (Some(micros), request(false, &[]), values(&["250"])),
            (Some(micros), http(b"70"), values(&["70"])),
            (Some(micros), http(b"300"), values(&["250"])),
            (Some(micros), http(b"nonsense"), values(&["250"])),
            (
                Some(Duration::from_micros(999)),
                request(false, &[]),
                Err(Reason::Deadline),
            ),
            (
                Some(Duration::ZERO),
                request(false, &[]),
                Err(Reason::Deadline),
            ),
            (None, grpc(b"70m"), values(&["70m"])),
            (Some(micros), request(true, &[]), values(&["250999u"])),
            (Some(micros), grpc(b"70m"), values(&["70m"])),
            (Some(micros), grpc(b"1S"), values(&["250999u"])),
            (
                Some(Duration::from_nanos(1)),
                request(true, &[]),
                values(&["1n"]),
            ),
            (
                Some(Duration::ZERO),
                request(true, &[]),
                Err(Reason::Deadline),
            ),
        ] {
            let shown = format!("{left:?} {:?}", req.headers());
            assert_eq!(sent(layer(), left, req).await, expected, "{shown}");
        }
        // Repeated ones become one.
        let twice = request(true, &[("grpc-timeout", b"1S"), ("grpc-timeout", b"2S")]);
        assert_eq!(
            sent(layer(), Some(ms(5)), twice).await,
            values(&["5000000n"])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn is_nothing_where_the_body_may_go_on() {
        let within = |left: u64| {
            let mut req = request(true, &[]);
            let deadline = Deadline::within(ms(left)).head_only();
            req.extensions_mut().insert(deadline);
            req
        };
        let layer = SendDeadlineLayer::new;
        assert_eq!(sent(layer(), None, within(50)).await, values(&[]));
        assert_eq!(sent(layer(), None, within(0)).await, Err(Reason::Deadline));
        // Below the layer for whole calls: what a call has stated is sent on, what it has not is not.
        for (headers, expected) in [
            (&[][..], values(&[])),
            (&[("grpc-timeout", &b"30m"[..])][..], values(&["30m"])),
        ] {
            let tell = service_fn(async |req: Request<()>| {
                let told = sent(SendDeadlineLayer::new(), None, req).await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("{told:?}")))))
            });
            let whole = builder().build().unwrap().http().respond().layer(tell);
            let res = whole.oneshot(request(true, headers)).await.unwrap();
            assert_eq!(said(res).await, format!("200 {expected:?}"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn is_capped() {
        let layer = || SendDeadlineLayer::new().cap(ms(80)).unwrap();
        for (left, expected) in [(None, "80"), (Some(ms(70)), "70"), (Some(ms(90)), "80")] {
            assert_eq!(
                sent(layer(), left, request(false, &[])).await,
                values(&[expected])
            );
        }
        for wrong in [Duration::ZERO, Duration::MAX] {
            let error = SendDeadlineLayer::new().cap(wrong).unwrap_err();
            assert_eq!(error.field(), "cap");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn goes_into_another_header_if_told_so() {
        const TIMEOUT: HeaderName = HeaderName::from_static("x-timeout");
        let layer = SendDeadlineLayer::new().header(TIMEOUT).cap(ms(9)).unwrap();
        let tell = service_fn(|req: Request<()>| {
            assert_eq!(req.headers()["x-timeout"], "9");
            ready(Ok::<_, BoxError>(Response::new(())))
        });
        layer
            .layer(tell)
            .oneshot(request(false, &[]))
            .await
            .unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_what_the_layer_is_told_to_make_of_it() {
        let service = SendDeadlineLayer::new().respond().layer(service_fn(hang));
        let mut req = request(false, &[]);
        req.extensions_mut()
            .insert(Deadline::within(Duration::ZERO));
        let res = service.oneshot(req).await.unwrap();
        assert_eq!(res.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(said(res).await, "504 send deadline: deadline exceeded");
    }

    /// Within retries: the extensions are kept over the attempts, and each states what is left of the whole.
    #[cfg(feature = "retry")]
    #[tokio::test(start_paused = true)]
    async fn shrinks_from_attempt_to_attempt() {
        use resilience_core::Backoff;
        use resilience_retry::RetryLayer;
        use std::sync::Mutex;

        let stated = Arc::new(Mutex::new(Vec::new()));
        let notes = stated.clone();
        let failing = service_fn(move |req: Request<_>| {
            notes
                .lock()
                .unwrap()
                .push(req.headers()["x-request-timeout-ms"].clone());
            async {
                tokio::time::sleep(ms(10)).await;
                let mut res = Response::new(Full::<Bytes>::default());
                *res.status_mut() = StatusCode::BAD_GATEWAY;
                Ok::<_, BoxError>(res)
            }
        });
        let retry = RetryLayer::builder("api")
            .attempts(9)
            .no_budget()
            .backoff(Backoff::constant(ms(100)).unwrap())
            .build()
            .unwrap();
        let client = tower::ServiceBuilder::new()
            .layer(builder().build().unwrap().http())
            .layer(retry.http())
            .layer(SendDeadlineLayer::new())
            .service(failing);
        let start = clock::now();
        let mut req = Request::new(Full::<Bytes>::from("question"));
        req.extensions_mut().insert(Deadline::within(ms(300)));
        let res = client.oneshot(req).await.unwrap();
        assert_eq!(*stated.lock().unwrap(), ["300", "190", "80"]);
        // The next wait would pass the deadline.
        assert_eq!(clock::now() - start, ms(230));
        assert_eq!(res.status(), StatusCode::BAD_GATEWAY);
    }
}

#[tokio::test(start_paused = true)]
async fn the_earlier_deadline_is_passed_on() {
    let [earlier, later] = [50, 90].map(|left| Deadline::within(ms(left)));
    for (inbound, outbound, expected) in [
        (None, None, None),
        (Some(earlier), None, Some(earlier)),
        (None, Some(later), Some(later)),
        (Some(earlier), Some(later), Some(earlier)),
        (Some(later), Some(earlier), Some(earlier)),
    ] {
        let [from, mut to] = [inbound, outbound].map(|deadline: Option<Deadline>| {
            let mut extensions = http::Extensions::new();
            if let Some(deadline) = deadline {
                extensions.insert(deadline);
            }
            extensions
        });
        pass_on(&from, &mut to);
        assert_eq!(to.get(), expected.as_ref());
    }
}

#[test]
fn the_lower_priority_is_passed_on() {
    use Priority::{Critical, Normal, Sheddable};
    for (inbound, outbound, expected) in [
        (None, None, None),
        (Some(Critical), None, Some(Critical)),
        (None, Some(Critical), Some(Critical)),
        // A prefetch on behalf of a payment is a prefetch.
        (Some(Critical), Some(Sheddable), Some(Sheddable)),
        // Nobody becomes important by calling others.
        (Some(Sheddable), Some(Critical), Some(Sheddable)),
        (Some(Normal), Some(Critical), Some(Normal)),
    ] {
        let [from, mut to] = [inbound, outbound].map(|priority: Option<Priority>| {
            let mut extensions = http::Extensions::new();
            if let Some(priority) = priority {
                extensions.insert(priority);
            }
            extensions
        });
        pass_on(&from, &mut to);
        assert_eq!(to.get(), expected.as_ref());
    }
}

#[cfg(feature = "tonic")]
mod status {
    use super::*;
    use resilience_core::find_cause;
    use resilience_http::StatusLayer;
    use tonic::{Code, Status};

    async fn code(req: Request<()>, inner: Option<BoxError>) -> (Code, BoxError) {
        let mut inner = inner;
        let inner = service_fn(move |_: Request<()>| {
            let error = inner.take();
            async move {
                match error {
                    Some(error) => Err::<Response<Full<Bytes>>, _>(error),
                    None => pending().await,
                }
            }
        });
        let service = builder().build().unwrap().grpc().with_status().layer(inner);
        let error = service.oneshot(req).await.unwrap_err();
        (
            find_cause::<Status>(&*error).expect("a status").code(),
            error,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn tells_tonics_clients() {
        let (exceeded, error) = code(stating(true, 50), None).await;
        assert_eq!(exceeded, Code::DeadlineExceeded);
        assert!(DeadlineExceeded::find(&*error).is_some());
        let (refused, error) = code(stating(true, 0), None).await;
        assert_eq!(refused, Code::DeadlineExceeded);
        assert!(Rejected::find(&*error).is_some());
        let (malformed, error) = code(request(true, &[("grpc-timeout", b"1")]), None).await;
        assert_eq!(malformed, Code::InvalidArgument);
        assert_eq!(judge(&error), Outcome::Ignored, "nobody was called");
    }

    /// Of layers within.
    #[tokio::test(start_paused = true)]
    async fn is_given_to_what_inner_layers_say() {
        let exceeded = DeadlineExceeded::new("inner", ms(5));
        let malformed = MalformedDeadline::new("ms", "?", "a number");
        let by_tonic = tonic::TimeoutExpired(());
        for (inner, expected) in [
            (BoxError::from(exceeded), Code::DeadlineExceeded),
            (malformed.into(), Code::InvalidArgument),
            (by_tonic.into(), Code::DeadlineExceeded),
        ] {
            assert_eq!(code(request(true, &[]), Some(inner)).await.0, expected);
        }
    }
}

mod header {
    use super::*;

    fn times() -> impl Strategy<Value = Duration> {
        // Of all magnitudes.
        (any::<u64>(), 0..64_u32, 0..1_000_000_000_u32)
            .prop_map(|(secs, shift, nanos)| Duration::new(secs >> shift, nanos))
    }

    /// The specification's grammar, read naively.
    fn naive(value: &str) -> Option<u128> {
        let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
        let nanos = match unit {
            "H" => 3_600_000_000_000,
            "M" => 60_000_000_000,
            "S" => 1_000_000_000,
            "m" => 1_000_000,
            "u" => 1_000,
            "n" => 1,
            _ => return None,
        };
        let fits = (1..=8).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit());
        Some(digits.parse::<u128>().ok().filter(|_| fits)? * nanos)
    }

    proptest! {
        #[test]
        fn a_round_trip_never_gains_time(left in times()) {
            let value = format_grpc_timeout(left);
            prop_assert!((2..=9).contains(&value.len()), "{}", value);
            let read = parse_grpc_timeout(value.as_bytes()).expect("our own");
            prop_assert!(read <= left);
            // It loses at most one part in a hundred thousand, where the hours fit.
            if left <= Duration::from_secs(99_999_999 * 3_600) {
                prop_assert!(left.saturating_sub(read).as_nanos() * 100_000 <= left.as_nanos());
            } else {
                prop_assert_eq!(value, "99999999H");
            }

            let value = format_millis(left);
            let read = parse_millis(value.as_bytes()).expect("our own");
            prop_assert!(read <= left);
            let fits = left.as_millis() <= u64::MAX.into();
            prop_assert!(left.saturating_sub(read) < ms(1) || !fits);
        }

        #[test]
        fn grpc_timeouts_are_read_as_the_grammar_has_it(value in "[0-9+. -]{0,10}[HMSmunx]?") {
            let read = parse_grpc_timeout(value.as_bytes());
            prop_assert_eq!(read.map(|read| read.as_nanos()), naive(&value));
        }

        #[test]
        fn millis_are_digits_and_nothing_else(value in "[0-9]{0,24}[+. x-]?[0-9]{0,3}") {
            let digits = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit());
            let expected = digits.then(|| value.parse().unwrap_or(u64::MAX)).map(ms);
            prop_assert_eq!(parse_millis(value.as_bytes()), expected);
        }
    }

    #[test]
    fn grpc_timeouts_take_the_finest_unit_that_fits() {
        for (left, expected) in [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (ms(100), "100000u"),
            (Duration::from_secs(30), "30000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(86_400 * 365), "31536000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::from_secs(60 * 100_000_000), "1666666H"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(format_grpc_timeout(left), expected);
        }
    }
}
