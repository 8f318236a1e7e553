//! The client, on real sockets.
#![cfg(feature = "client")]

use axum::{
    Router,
    body::Body as AxumBody,
    extract::State,
    http::{HeaderMap, Method, StatusCode},
    response::IntoResponse,
    routing::{any, get},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use resilience_core::{
    Backoff, BothFailed, BoxError, Budget, Classify, Deadline, Outcome, Priority, Reason, Rejected,
    Verdict,
};
use resilience_http::{
    Client, Degraded, HttpClassify,
    client::{Abandoned, Body, ClientBuilder, Error, Origin, RequestBuilder, error_for_status},
};
use resilience_timeout::TimedOut;
use std::{
    io::{Read, Write},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};
use tokio::net::TcpListener;
use tower::{Service, ServiceExt};

const HOUR: Duration = Duration::from_secs(3600);

/// Where nothing should depend on the default times.
fn builder() -> ClientBuilder {
    Client::builder("test")
        .backoff(Backoff::constant(Duration::from_millis(1)).unwrap())
        .timeout(2 * HOUR)
        .attempt_timeout(HOUR)
        .body_idle(HOUR)
        .connect_timeout(HOUR)
}

/// Serves `app`, and counts the connections.
async fn serve(app: Router) -> (String, Arc<AtomicU32>) {
    use axum::serve::ListenerExt;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicU32::new(0));
    let counted = connections.clone();
    let listener = listener.tap_io(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), connections)
}

/// Answers with each of `statuses` in turn, and then with 200; and how many calls there were.
async fn flaky(
    statuses: &'static [u16],
    headers: &'static [(&'static str, &'static str)],
) -> (String, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let answer = move |State(calls): State<Arc<AtomicU32>>| async move {
        let call = calls.fetch_add(1, Ordering::Relaxed) as usize;
        let mut res = Response::new(AxumBody::from(format!("call {}", call + 1)));
        if let Some(status) = statuses.get(call) {
            *res.status_mut() = StatusCode::from_u16(*status).unwrap();
            for (name, value) in headers {
                res.headers_mut().insert(*name, value.parse().unwrap());
            }
        }
        res
    };
    let app = Router::new()
        .route("/", any(answer))
        .with_state(calls.clone());
    (serve(app).await.0, calls)
}

/// Never answers.
async fn silent() -> String {
    let app = Router::new().route("/", any(std::future::pending::<&'static str>));
    serve(app).await.0
}

/// Where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn origin(uri: &str) -> Origin {
    Origin::of(&uri.parse().unwrap()).unwrap()
}

async fn echo(method: Method, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let mut echoed = format!("{method} ").into_bytes();
    echoed.extend_from_slice(&body);
    let test = headers.get("x-test").cloned();
    (test.map(|value| [("x-test", value)]), echoed)
}

#[tokio::test]
async fn sends_every_method_over_both_versions() {
    let (uri, _) = serve(Router::new().route("/", any(echo))).await;
    for http2 in [false, true] {
        let client = builder().http2_only(http2).build().unwrap();
        let sent = [
            (client.get(&uri), "GET "),
            (client.delete(&uri), "DELETE "),
            (client.post(&uri, "text"), "POST text"),
            (client.put(&uri, vec![b'v']), "PUT v"),
            (client.patch(&uri, String::from("s")), "PATCH s"),
            (client.request(Method::OPTIONS, &uri), "OPTIONS "),
        ];
        for (request, expected) in sent {
            let res = request.header("X-Test", "1").send().await.unwrap();
            assert_eq!(res.status(), 200);
            assert_eq!(res.headers()["x-test"], "1");
            assert_eq!(res.version() == http::Version::HTTP_2, http2);
            assert_eq!(res.into_body().text().await.unwrap(), expected);
        }
        let res = client.head(&uri).send().await.unwrap();
        assert_eq!(res.into_body().bytes().await.unwrap(), "");
    }
}

#[tokio::test]
async fn takes_any_body_and_is_a_service() {
    let (uri, _) = serve(Router::new().route("/", any(echo))).await;
    let mut client = builder().build().unwrap();
    let request = || Request::post(&uri).body(Full::new(Bytes::from("full")));
    let res = client.send(request().unwrap()).await.unwrap();
    assert_eq!(res.into_body().text().await.unwrap(), "POST full");
    let service = ServiceExt::<Request<Full<Bytes>>>::ready(&mut client).await;
    let res = service.unwrap().call(request().unwrap()).await.unwrap();
    assert_eq!(res.into_body().text().await.unwrap(), "POST full");
}

mod connections {
    use super::*;

    #[tokio::test]
    async fn are_used_again_and_shared_by_clones() {
        for http2 in [false, true] {
            let (uri, connections) = serve(Router::new().route("/", any(echo))).await;
            let client = builder().http2_only(http2).build().unwrap();
            for _ in 0..3 {
                let res = client.clone().get(&uri).send().await.unwrap();
                res.into_body().bytes().await.unwrap();
            }
            assert_eq!(connections.load(Ordering::Relaxed), 1);
        }
    }

    #[tokio::test]
    async fn are_not_kept_without_a_pool() {
        let (uri, connections) = serve(Router::new().route("/", any(echo))).await;
        let client = builder().pool_max_idle_per_host(0).build().unwrap();
        for _ in 0..2 {
            let res = client.get(&uri).send().await.unwrap();
            res.into_body().bytes().await.unwrap();
        }
        assert_eq!(connections.load(Ordering::Relaxed), 2);
    }

    /// Answers one request on each connection, and closes it when it is told to, though it has not said that it would. Tells
    /// what it has read, once the connection is closed.
    fn one_each() -> (SocketAddr, mpsc::Sender<()>, mpsc::Receiver<String>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::channel();
        let (close, closed) = mpsc::channel();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut read = Vec::new();
                while !read.ends_with(b"body") {
                    let mut chunk = [0; 1024];
                    match connection.read(&mut chunk) {
                        Ok(0) | Err(_) => break,
                        Ok(length) => read.extend_from_slice(&chunk[..length]),
                    }
                }
                let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                let asked = closed.recv();
                drop(connection);
                let told = tell.send(String::from_utf8(read).unwrap());
                if asked.is_err() || told.is_err() {
                    return;
                }
            }
        });
        (address, close, told)
    }

    /// Two calls. The connection of the first is closed in the moment that the second begins: after the pool has given it
    /// out, and before it has begun to send.
    fn stale(client: ClientBuilder) -> (Result<Response<Body>, Error>, usize) {
        let (address, close, told) = one_each();
        let client = client.attempts(1).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // The runtime looks at the sockets after each task.
            .event_interval(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let request = || client.post(format!("http://{address}/"), "body").send();
            let res = request().await.unwrap();
            assert_eq!(res.into_body().text().await.unwrap(), "ok");
            close.send(()).unwrap();
            told.recv().unwrap();
            // The task of the connection comes after this one, and after a look at the sockets.
            tokio::spawn(std::future::ready(()));
            let mut second = tokio_test::task::spawn(request());
            assert!(second.poll().is_pending());
            let result = second.await;
            let mut requests = 1;
            if result.is_ok() {
                close.send(()).unwrap();
                let again = told.recv().unwrap();
                assert!(again.starts_with("POST / HTTP/1.1\r\n"), "{again}");
                assert!(again.ends_with("\r\n\r\nbody"), "{again}");
                requests += 1;
            }
            (result, requests + told.try_iter().count())
        })
    }

    #[test]
    fn that_were_closed_meanwhile_are_replaced_at_once() {
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = attempts.clone();
        let budget = Budget::builder()
            .ratio(0.5)
            .floor_per_second(0.0)
            .build()
            .unwrap();
        // Begins the budget. What is noted here and the two calls to come earn two retries.
        budget.available(resilience_core::clock::now());
        budget.deposit();
        budget.deposit();
        let client = builder().budget(budget.clone()).on_start(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let (result, requests) = stale(client);
        assert_eq!(result.unwrap().status(), 200);
        assert_eq!((requests, attempts.load(Ordering::Relaxed)), (2, 2));
        let left = budget.available(resilience_core::clock::now());
        assert_eq!(left, 1, "one of them is spent");
    }

    #[tokio::test]
    async fn that_cannot_be_made_are_not_tried_again_at_once() {
        let budget = Budget::builder()
            .ratio(1.0)
            .floor_per_second(0.0)
            .build()
            .unwrap();
        budget.available(resilience_core::clock::now());
        let client = builder().attempts(1).budget(budget.clone());
        let client = client.build().unwrap();
        let error = client.post(nobody(), "body").send().await.unwrap_err();
        assert!(error.is_connect());
        assert_eq!(budget.available(resilience_core::clock::now()), 1);
    }

    /// A body that nobody has read, because it is empty, proves nothing: the head was sent.
    #[tokio::test]
    async fn that_close_when_they_have_the_request_are_not_replaced() {
        use tokio::io::AsyncReadExt;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicU32::new(0));
        let counted = requests.clone();
        tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                if connection.read(&mut [0; 1024]).await.unwrap() > 0 {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let client = builder().attempts(1).build().unwrap();
        let error = client.post(&uri, "").send().await.unwrap_err();
        assert!(!error.is_connect() && !error.is_request(), "{error:?}");
        assert_eq!(requests.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn are_replaced_within_the_budget_only() {
        let budget = Budget::builder()
            .ratio(0.01)
            .floor_per_second(0.0)
            .build()
            .unwrap();
        let (result, requests) = stale(builder().budget(budget));
        let error = result.unwrap_err();
        assert!(!error.is_connect() && !error.is_timeout(), "{error}");
        assert_eq!(requests, 1);
    }
}

mod retries {
    use super::*;

    #[tokio::test]
    async fn come_after_failures_that_may_pass() {
        let (uri, calls) = flaky(&[503, 502], &[]).await;
        let client = builder().build().unwrap();
        let res = client.get(&uri).send().await.unwrap();
        assert_eq!(res.status(), 200);
        assert_eq!(res.into_body().text().await.unwrap(), "call 3");
        let (uri, _) = flaky(&[500], &[]).await;
        let res = client.get(&uri).send().await.unwrap();
        assert_eq!(res.status(), 500, "would fail again");
        assert_eq!(calls.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn wait_as_long_as_the_server_asks_up_to_the_cap() {
        let (uri, calls) = flaky(&[503], &[("retry-after", "3600")]).await;
        let cap = Duration::from_millis(20);
        let client = builder().advice_cap(cap).build().unwrap();
        let start = resilience_core::clock::now();
        let res = client.get(&uri).send().await.unwrap();
        assert_eq!(res.status(), 200);
        assert!(resilience_core::clock::now() - start >= cap);
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn are_not_made_of_what_may_have_been_done() {
        let (uri, calls) = flaky(&[503, 503], &[]).await;
        let client = builder().build().unwrap();
        let res = client.post(&uri, "body").send().await.unwrap();
        assert_eq!(res.status(), 503);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        let post = client.post(&uri, "body").idempotency_key("7");
        assert_eq!(post.send().await.unwrap().status(), 200);
        assert_eq!(calls.load(Ordering::Relaxed), 3);

        let (uri, calls) = flaky(&[503], &[]).await;
        let res = client.get(&uri).no_retry().send().await.unwrap();
        assert_eq!(res.status(), 503);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn stay_within_the_budget() {
        let (uri, calls) = flaky(&[503; 10], &[]).await;
        let budget = Budget::builder()
            .ratio(0.1)
            .floor_per_second(0.0)
            .build()
            .unwrap();
        let client = builder().budget(budget).build().unwrap();
        let res = client.get(&uri).send().await.unwrap();
        assert_eq!(res.status(), 503);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}

mod hosts {
    use super::*;

    #[tokio::test]
    async fn have_a_breaker_each() {
        let (good, _) = flaky(&[], &[]).await;
        let bad = nobody();
        let client = builder()
            .attempts(1)
            .breaker(|breaker| {
                breaker
                    .consecutive_failures(2)
                    .minimum_spread(Duration::ZERO)
                    .open_for(HOUR)
            })
            .build()
            .unwrap();
        assert!(client.breaker(&origin(&bad)).is_none(), "nobody has called");
        for _ in 0..2 {
            let error = client.get(&bad).send().await.unwrap_err();
            assert!(error.is_connect() && !error.is_refused(), "{error:?}");
        }
        let error = client.clone().get(&bad).send().await.unwrap_err();
        let why = Rejected::find(&error).unwrap();
        assert_eq!((why.reason(), &**why.policy()), (Reason::Open, "test"));
        assert_eq!(error.rejected(), Some(why));
        assert!(error.is_refused() && !error.is_connect() && !error.is_timeout());
        let said = "the call was refused by policy \"test\" (open): GET http://";
        assert!(error.to_string().starts_with(said), "{error}");
        assert_eq!(client.get(&good).send().await.unwrap().status(), 200);
        assert_eq!(client.hosts().len(), 2);

        client.breaker(&origin(&bad)).unwrap().reset();
        assert!(client.get(&bad).send().await.unwrap_err().is_connect());
    }

    #[tokio::test]
    async fn have_a_bulkhead_each_to_the_end_of_the_body() {
        let stream = || async {
            let first = futures_util::stream::iter([Ok::<_, BoxError>("first")]);
            let rest = futures_util::stream::pending();
            AxumBody::from_stream(futures_util::StreamExt::chain(first, rest))
        };
        let app = Router::new()
            .route("/stream", get(stream))
            .route("/", get(|| async {}));
        let (busy, _) = serve(app.clone()).await;
        let (idle, _) = serve(app).await;
        let client = builder().max_in_flight_per_host(1).build().unwrap();
        let stream = client.get(format!("{busy}/stream")).send().await.unwrap();
        let error = client.get(&busy).send().await.unwrap_err();
        let reason = error.rejected().map(Rejected::reason);
        assert_eq!(reason, Some(Reason::Concurrency), "{error:?}");
        assert_eq!(client.get(&idle).send().await.unwrap().status(), 200);
        assert_eq!(client.bulkhead(&origin(&busy)).unwrap().in_flight(), 1);
        drop(stream);
        assert_eq!(client.bulkhead(&origin(&busy)).unwrap().in_flight(), 0);
        assert_eq!(client.get(&busy).send().await.unwrap().status(), 200);
    }

    #[test]
    fn are_told_apart_by_scheme_name_and_port() {
        assert_eq!(
            origin("http://a.example/x?y"),
            origin("http://A.example:80/z")
        );
        assert_eq!(origin("https://a.example:443"), origin("https://a.example"));
        assert_eq!(origin("http://u:p@a.example"), origin("http://a.example"));
        assert_eq!(origin("http://u@a.example:1"), origin("http://a.example:1"));
        assert_eq!(origin("http://[::1]:80"), origin("http://[::1]"));
        // What connects to the same place is the same host, however it is written.
        assert_eq!(origin("http://a.example:"), origin("http://a.example"));
        assert_eq!(origin("http://a.example:0080"), origin("http://a.example"));
        assert_eq!(
            origin("http://a.example:0081"),
            origin("http://a.example:81")
        );
        assert_ne!(origin("http://a.example:443"), origin("http://a.example"));
        assert_ne!(origin("https://a.example"), origin("http://a.example"));
        assert_eq!(
            origin("http://a.example:81").to_string(),
            "http://a.example:81"
        );
    }
}

mod time {
    use super::*;

    /// Real, since the clock of a paused runtime runs ahead of its sockets.
    const SHORT: Duration = Duration::from_millis(30);

    #[tokio::test]
    async fn of_an_attempt_is_bounded() {
        let uri = silent().await;
        let client = builder()
            .attempts(1)
            .attempt_timeout(SHORT)
            .build()
            .unwrap();
        let error = client.get(&uri).send().await.unwrap_err();
        assert!(error.is_timeout() && !error.is_refused(), "{error:?}");
        assert_eq!(client.bulkhead(&origin(&uri)).unwrap().in_flight(), 0);

        let patient = builder().attempts(1).build().unwrap();
        let request = patient.get(&uri).attempt_timeout(SHORT);
        assert!(request.send().await.unwrap_err().is_timeout());
    }

    #[tokio::test]
    async fn of_a_call_is_bounded() {
        let uri = silent().await;
        let client = builder().attempts(1).timeout(SHORT).build().unwrap();
        assert!(client.get(&uri).send().await.unwrap_err().is_timeout());

        let patient = builder().build().unwrap();
        let error = patient.get(&uri).timeout(SHORT).send().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");

        // A deadline that the request has brought along is not made longer.
        let request = patient.get(&uri).extension(Deadline::within(SHORT));
        let error = request.timeout(HOUR).send().await.unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
    }

    #[test]
    fn is_passed_on_with_all_that_belongs_to_a_call() {
        let mut inbound = http::Extensions::new();
        let deadline = Deadline::within(HOUR);
        inbound.insert(deadline);
        inbound.insert(Priority::Sheddable);
        let client = builder().build().unwrap();
        let request = client.get("http://host/").pass_on(&inbound).build();
        let request = request.unwrap();
        assert_eq!(request.extensions().get(), Some(&deadline));
        assert_eq!(request.extensions().get(), Some(&Priority::Sheddable));
        // What it says itself may be less.
        let request = client.get("http://host/").timeout(SHORT).pass_on(&inbound);
        let own = request
            .build()
            .unwrap()
            .extensions()
            .get::<Deadline>()
            .copied();
        assert!(own.unwrap().remaining() <= SHORT);
    }

    #[tokio::test]
    async fn of_an_attempt_is_a_third_of_that_of_the_call() {
        let uri = silent().await;
        let client = Client::builder("test").attempts(1).timeout(3 * SHORT);
        let error = client.build().unwrap().get(&uri).send().await.unwrap_err();
        let timed_out = TimedOut::find(&error).expect("not the call");
        assert_eq!(timed_out.limit(), SHORT);
    }

    #[tokio::test]
    async fn of_a_call_is_not_made_longer_by_what_was_passed_on() {
        let uri = silent().await;
        let client = builder().attempts(1).timeout(SHORT).build().unwrap();
        let passed_on: [fn(RequestBuilder) -> RequestBuilder; 3] = [
            |request| request.header("x-request-timeout-ms", "3600000"),
            |request| request.extension(Deadline::within(HOUR).head_only()),
            |request| {
                let request = request.header("x-request-timeout-ms", "18446744073709551615");
                request.extension(Deadline::within(HOUR).head_only())
            },
        ];
        for pass_on in passed_on {
            let call = pass_on(client.get(&uri)).send();
            let error = tokio::time::timeout(HOUR / 60, call)
                .await
                .unwrap()
                .unwrap_err();
            assert!(error.is_timeout(), "{error:?}");
        }

        let patient = builder().build().unwrap();
        let request = patient.get(&uri).header("x-request-timeout-ms", "30");
        assert!(request.send().await.unwrap_err().is_timeout());
    }

    #[tokio::test]
    async fn that_is_left_is_told() {
        let told = |headers: HeaderMap| async move {
            let left = headers.get("x-request-timeout-ms");
            left.map_or("0".to_owned(), |left| left.to_str().unwrap().to_owned())
        };
        let (uri, _) = serve(Router::new().route("/", get(told))).await;
        let client = builder().build().unwrap();
        let left = async |request: RequestBuilder| {
            let res = request.send().await.unwrap();
            let left = res.into_body().text().await.unwrap();
            Duration::from_millis(left.parse().unwrap())
        };
        let minute = Duration::from_secs(60);
        let of_client = left(client.get(&uri)).await;
        assert_eq!(of_client, Duration::ZERO, "it is not for the body");
        let own = left(client.get(&uri).timeout(2 * minute)).await;
        assert!(own <= 2 * minute && own > minute, "{own:?}");
        let hasty = builder().attempts(1).timeout(minute).build().unwrap();
        let longer = left(hasty.get(&uri).timeout(2 * minute)).await;
        assert!(longer > minute, "who asks for more gets it: {longer:?}");
    }

    #[tokio::test]
    async fn of_a_silence_in_a_body_is_bounded() {
        let stream = || async {
            AxumBody::from_stream(futures_util::stream::pending::<Result<Bytes, BoxError>>())
        };
        let (uri, _) = serve(Router::new().route("/", get(stream))).await;
        let client = builder().body_idle(SHORT).build().unwrap();
        let res = client.get(&uri).send().await.unwrap();
        let error = res.into_body().bytes().await.unwrap_err();
        assert!(error.is_body() && error.is_timeout(), "{error:?}");

        // A deadline of the request bounds the body too.
        let client = builder().build().unwrap();
        let res = client.get(&uri).timeout(SHORT).send().await.unwrap();
        let error = res.into_body().bytes().await.unwrap_err();
        assert!(error.is_body() && error.is_timeout(), "{error:?}");
    }
}

mod fallbacks {
    use super::*;

    #[tokio::test]
    async fn answer_in_place_of_failures() {
        let client = builder()
            .attempts(1)
            .fallback(|failed, target| {
                let outcome = failed.outcome();
                Response::new(Body::from(format!("{target}: {outcome:?}")))
            })
            .build()
            .unwrap();
        let (uri, _) = flaky(&[500, 404], &[]).await;
        let res = client.get(format!("{uri}/?secret")).send().await.unwrap();
        assert_eq!(Degraded::of(&res).unwrap().outcome(), Outcome::Permanent);
        let text = res.into_body().text().await.unwrap();
        assert_eq!(text, format!("GET {uri}/: Permanent"));
        let res = client.get(&uri).send().await.unwrap();
        assert_eq!((res.status().as_u16(), Degraded::of(&res)), (404, None));

        let uri = nobody();
        let res = client.get(&uri).send().await.unwrap();
        let text = res.into_body().text().await.unwrap();
        assert_eq!(text, format!("GET {uri}/: Unsent"));
    }

    #[tokio::test]
    async fn may_fail_too() {
        let client = builder()
            .attempts(1)
            .fallback_async(|_, _| async { Err::<_, BoxError>("no disk".into()) })
            .build()
            .unwrap();
        let error = client.get(nobody()).send().await.unwrap_err();
        assert!(error.is_connect(), "the first of the two");
        assert!(resilience_core::find_cause::<BothFailed>(&error).is_some());
    }
}

mod hooks {
    use super::*;

    type Log = Arc<Mutex<Vec<String>>>;

    fn logging(client: ClientBuilder) -> (Client, Log) {
        let log = Log::default();
        let write = |log: &Log| {
            let log = log.clone();
            move |line: String| log.lock().unwrap().push(line)
        };
        let (start, end, error) = (write(&log), write(&log), write(&log));
        let client = client
            .on_start(move |attempt| {
                let (method, path) = (attempt.method(), attempt.path());
                let debug = format!("{attempt:?}");
                assert!(!debug.contains("secret"), "{debug}");
                start(format!("start {} {method} {path}", attempt.attempt));
            })
            .on_end(move |event| {
                let (number, status) = (event.attempt.attempt, event.status.as_u16());
                end(format!(
                    "end {number} {status} {:?}",
                    event.outcome.unwrap()
                ));
            })
            .on_error(move |event| {
                let abandoned = event.error.is::<Abandoned>();
                let number = event.attempt.attempt;
                error(format!("error {number} {:?} {abandoned}", event.outcome));
            });
        (client.build().unwrap(), log)
    }

    fn lines(log: &Log) -> Vec<String> {
        std::mem::take(&mut log.lock().unwrap())
    }

    #[tokio::test]
    async fn are_told_of_each_attempt() {
        let (uri, _) = flaky(&[502], &[]).await;
        let (client, log) = logging(builder());
        let res = client.get(format!("{uri}/?secret")).send().await.unwrap();
        assert_eq!(res.status(), 200);
        let expected = [
            "start 1 GET /",
            "end 1 502 Transient { retry_after: None }",
            "start 2 GET /",
            "end 2 200 Success",
        ];
        assert_eq!(lines(&log), expected);
    }

    #[tokio::test]
    async fn are_told_of_errors_and_of_calls_that_are_given_up() {
        let (client, log) = logging(builder().attempts(1));
        client.get(nobody()).send().await.unwrap_err();
        assert_eq!(lines(&log), ["start 1 GET /", "error 1 Unsent false"]);

        let uri = silent().await;
        let mut call = tokio_test::task::spawn(client.get(uri).send());
        assert!(call.poll().is_pending());
        assert_eq!(lines(&log), ["start 1 GET /"]);
        drop(call);
        assert_eq!(lines(&log), ["error 1 Ignored true"]);
    }

    #[tokio::test]
    async fn may_panic() {
        let (uri, _) = flaky(&[], &[]).await;
        let client = builder()
            .on_start(|_| panic!("start"))
            .on_end(|_| panic!("end"))
            .build()
            .unwrap();
        for _ in 0..2 {
            assert_eq!(client.get(&uri).send().await.unwrap().status(), 200);
        }
    }
}

mod bodies {
    use super::*;

    #[tokio::test]
    async fn are_read_up_to_a_limit() {
        let app = Router::new()
            .route("/sized", get(|| async { "12345" }))
            .route(
                "/chunked",
                get(|| async {
                    let chunks = ["123", "45"].map(Ok::<_, BoxError>);
                    AxumBody::from_stream(futures_util::stream::iter(chunks))
                }),
            )
            .route("/binary", get(|| async { vec![0xff] }));
        let (uri, _) = serve(app).await;
        let client = builder().build().unwrap();
        let body = async |path: &str| {
            let res = client.get(format!("{uri}{path}")).send().await.unwrap();
            res.into_body()
        };
        for path in ["/sized", "/chunked"] {
            assert_eq!(body(path).await.bytes_limited(5).await.unwrap(), "12345");
            let error = body(path).await.bytes_limited(4).await.unwrap_err();
            assert!(error.is_too_large() && error.is_body(), "{error:?}");
            let error = body(path).await.text_limited(4).await.unwrap_err();
            assert!(error.to_string().contains("more than 4 bytes"), "{error}");
        }
        let error = body("/binary").await.text().await.unwrap_err();
        assert!(error.is_body() && !error.is_too_large(), "{error:?}");
    }

    /// Says that it is large, and cannot be read.
    struct Large;

    impl http_body::Body for Large {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
            panic!("read")
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(5)
        }
    }

    #[tokio::test]
    async fn are_not_read_if_they_say_that_they_are_too_large() {
        let error = Body::new(Large).bytes_limited(4).await.unwrap_err();
        assert!(error.is_too_large());
    }

    #[tokio::test]
    async fn keep_their_size() {
        let length = |headers: HeaderMap| async move {
            headers["content-length"].to_str().unwrap().to_owned()
        };
        let (uri, _) = serve(Router::new().route("/", any(length))).await;
        let client = builder().build().unwrap();
        let request = Request::post(&uri).body(Full::new(Bytes::from("full")));
        let res = client.send(request.unwrap()).await.unwrap();
        assert_eq!(http_body::Body::size_hint(res.body()).exact(), Some(1));
        assert_eq!(res.into_body().text().await.unwrap(), "4");
    }

    #[tokio::test]
    async fn are_boxed_once() {
        let body = Body::new(Body::from("bytes"));
        assert_eq!(
            format!("{body:?}"),
            "Body { at_least: 5, at_most: Some(5) }"
        );
        assert_eq!(body.bytes().await.unwrap(), "bytes");
    }
}

mod errors {
    use super::*;

    #[tokio::test]
    async fn say_what_is_wrong_with_a_request() {
        let client = builder().build().unwrap();
        let https = if cfg!(feature = "client-rustls") {
            None
        } else {
            Some((client.get("https://host/"), "client-rustls"))
        };
        let wrong = [
            (client.get("/path"), "no scheme"),
            (client.get(""), "URI cannot be read"),
            (client.get("http://a b/"), "URI cannot be read"),
            (client.get("ftp://host/"), "scheme is `ftp`"),
            (client.get("http://user:word@host/"), "`authorization`"),
            (
                client.get("http://host/").header("a b", "c"),
                "\"a b\" is no name",
            ),
            (
                client.get("http://host/").header("x-token", "se\ncret"),
                "the value of the header `x-token`",
            ),
            (client.get("http://host/").timeout(Duration::ZERO), "time"),
        ];
        for (request, expected) in wrong.into_iter().chain(https) {
            let debug = format!("{request:?}");
            assert!(
                !debug.contains("cret") && !debug.contains("word"),
                "{debug}"
            );
            let error = request.send().await.unwrap_err();
            assert!(error.is_request() && !error.is_connect(), "{error:?}");
            let mut judge =
                Classify::<_, Response<()>, Error>::start(&HttpClassify::new(), &Request::new(()));
            let outcome = Verdict::<Response<()>, Error>::error(&mut judge, &error);
            assert_eq!(outcome, Outcome::Ignored, "for layers around the client");
            assert!(error.to_string().contains(expected), "{error}");
            let all = format!("{error} {error:?}");
            assert!(!all.contains("cret") && !all.contains("word"), "{all}");
        }
    }

    #[tokio::test]
    async fn are_made_of_statuses_on_demand() {
        let (uri, _) = flaky(&[404], &[]).await;
        let client = builder().build().unwrap();
        let res = client.get(format!("{uri}/?secret")).send().await.unwrap();
        let error = error_for_status(res).unwrap_err();
        assert_eq!(error.status_code(), Some(StatusCode::NOT_FOUND));
        let expected = format!("the response has the status 404 Not Found: GET {uri}/");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.target().unwrap().uri().query(), Some("secret"));
        assert!(!format!("{error:?}").contains("secret"));
        let res = client.get(&uri).send().await.unwrap();
        assert!(error_for_status(res).is_ok());
    }

    #[test]
    fn name_an_attempt_timeout_that_leaves_no_time_for_retries() {
        let second = Duration::from_secs(1);
        let within = |limit| builder().timeout(second).attempt_timeout(limit);
        let error = within(2 * second).build().unwrap_err();
        assert_eq!(error.field(), "attempt_timeout");
        let said = "policy \"test\": `attempt_timeout` is 2s; it must be less than `timeout`, which is 1s, to leave time for a retry";
        assert_eq!(error.to_string(), said);
        assert!(within(second).build().is_err());
        assert!(within(second).attempts(1).build().is_ok());
        assert!(within(second / 2).build().is_ok());
    }

    #[test]
    fn name_the_setting_that_cannot_be() {
        let wrong = [
            (builder().timeout(Duration::ZERO), "timeout"),
            (builder().attempts(0), "attempts"),
            (builder().advice_cap(Duration::ZERO), "advice_cap"),
            (
                builder().max_in_flight_per_host(0),
                "max_in_flight_per_host",
            ),
            (builder().max_hosts(0), "max_hosts"),
            (builder().host_idle(Duration::ZERO), "host_idle"),
            (builder().breaker(|breaker| breaker.probes(0)), "probes"),
            (builder().attempt_timeout(Duration::MAX), "attempt_timeout"),
            (builder().body_idle(Duration::ZERO), "body_idle"),
            (builder().connect_timeout(Duration::ZERO), "connect_timeout"),
            (builder().tcp_keepalive(Duration::ZERO), "tcp_keepalive"),
            (
                builder().http2_keep_alive(Duration::ZERO),
                "http2_keep_alive",
            ),
            (
                builder().pool_idle_timeout(Duration::ZERO),
                "pool_idle_timeout",
            ),
        ];
        for (builder, field) in wrong {
            assert_eq!(builder.build().unwrap_err().field(), field);
        }
    }
}
