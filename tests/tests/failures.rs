//! What can go wrong with a call over HTTP and gRPC, and what becomes of it: [`TABLE`].
//!
//! Every row is played on real sockets, through retries, policies and timeouts. To read what has come out:
//! `cargo test -p resilience-tests --test failures -- --nocapture`.

mod common;

use axum::{
    Router,
    body::Body,
    http::{Method, Request, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use common::{
    Ending::{self, Abandoned, Finished},
    Ledger,
    inventory::{answer, question, serve_behind},
    stacks::{self, Client, GRPC},
};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use resilience_stack::{breaker::State, http::BodyTimeoutLayer, prelude::*, retry::machine::Stop};
use std::{
    fmt,
    future::{Future, pending, ready},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Notify,
};
use tower::{ServiceBuilder, ServiceExt};

use Effect::{Failure, Ignored, Run, Success};
use Fault::*;
use Moment::{Drop, End, Error, Head};
use Over::{Grpc, Http1, Http2};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// All is well, for comparison.
    Nothing,
    /// Nobody listens.
    ConnectRefused,
    /// The server refuses the stream, with `REFUSED_STREAM`.
    StreamRefused,
    /// The server resets the connection when it has read the request.
    ResetBeforeHead,
    /// The server resets the connection when it has sent the head, with a good status, and a part of the body.
    ResetMidBody,
    /// 500, with a body of unknown length.
    Status500,
    /// 503 without `Retry-After`, with a body of known length, as those that follow.
    Status503,
    /// 503 with `Retry-After`: 7 s.
    Status503Advice,
    /// 429 without `Retry-After`.
    Status429,
    /// `UNAVAILABLE`, "trailers-only".
    GrpcInHead,
    /// The same, with the pushback that says: do not retry.
    GrpcInHeadStop,
    /// `RESOURCE_EXHAUSTED`, "trailers-only", with a pushback of 7 s.
    GrpcInHeadAdvice,
    /// `UNAVAILABLE` after a good head and a message.
    GrpcInTrailers,
    /// The stream ends well after a good head and a message, but no status comes.
    GrpcTruncated,
    /// The server never answers: the attempt timeout passes.
    SlowHead,
    /// After the head, with a good status, and a part of the body nothing more comes: the body's idle timeout passes.
    StalledBody,
    /// The caller drops the call. The server would never answer.
    LeavesBeforeHead,
    /// The caller drops the body when it has read a part of it. Nothing more would come.
    LeavesMidBody,
}

/// The protocol of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// A `GET`, or `POST`, by hyper-util's client.
    Http1,
    Http2,
    /// A call through tonic's `Channel`.
    Grpc,
}

/// Moments in the life of a call, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The call is under way. Nothing falls here.
    Call,
    /// The caller gets an error in place of a head.
    Error,
    /// The caller gets the head.
    Head,
    /// The caller has read a part of the body. Nothing falls here.
    Part,
    /// The caller sees the end of the body: trailers, an error, or that nothing more comes.
    End,
    /// The caller drops the future, or the body.
    Drop,
}

/// What one attempt is for a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Success,
    /// In the window, and in the run of consecutive failures.
    Failure,
    /// In the run alone.
    Run,
    /// Not counted.
    Ignored,
}

/// How often the request was sent, with three attempts allowed, and why not once more. `None`: there was nothing to retry.
type Sent = (u32, Option<Stop>);

/// One line of the table. The last column says whether the server's policies see the call, and how it ends for them.
struct Row {
    fault: Fault,
    over: &'static [Over],
    outcome: Ending,
    judged: Moment,
    released: Moment,
    breaker: Effect,
    sent: Sent,
    sent_post: Option<Sent>,
    at_server: Option<Ending>,
}

#[expect(clippy::too_many_arguments, reason = "one for each column")]
const fn row(
    fault: Fault,
    over: &'static [Over],
    outcome: Ending,
    judged: Moment,
    released: Moment,
    breaker: Effect,
    sent: Sent,
    sent_post: Option<Sent>,
    at_server: Option<Ending>,
) -> Row {
    Row {
        fault,
        over,
        outcome,
        judged,
        released,
        breaker,
        sent,
        sent_post,
        at_server,
    }
}

const ALL: &[Over] = &[Http1, Http2, Grpc];
const HTTP: &[Over] = &[Http1, Http2];
const ON_HTTP2: &[Over] = &[Http2, Grpc];
const GRPC_ONLY: &[Over] = &[Grpc];

const UNSENT: Ending = Finished(Outcome::Unsent);
const TRANSIENT: Ending = Finished(Outcome::TRANSIENT);
const OVERLOAD: Ending = Finished(Outcome::OVERLOAD);
const OVERLOAD_7S: Ending = Finished(Outcome::Overload {
    retry_after: Some(Duration::from_secs(7)),
});
const PERMANENT: Ending = Finished(Outcome::Permanent);
const SUCCESS: Ending = Finished(Outcome::Success);
const IGNORED: Ending = Finished(Outcome::Ignored);

/// The attempts were used up.
const THRICE: Sent = (3, Some(Stop::Attempts));
/// It may have been processed, and is not idempotent.
const NOT_AGAIN: Sent = (1, Some(Stop::NotReplayable));
/// A failure that would come again.
const IN_VAIN: Sent = (1, Some(Stop::Permanent));
/// The head was good, or the caller had left.
const ONCE: Sent = (1, None);

/// Columns: what goes wrong; in which protocols; the outcome, as the client's policies see it; when the verdict falls; when the
/// permit comes back; what it is for the breaker; how often an idempotent request is sent, and why not more often; how often a
/// `POST` (both without a body); the outcome, as the server's policies see it.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    //  fault             over       outcome      judged permit  breaker  sent       POST             at the server
    row(Nothing,          HTTP,      SUCCESS,     Head,  End,    Success, ONCE,      Some(ONCE),      Some(SUCCESS)),
    row(Nothing,          GRPC_ONLY, SUCCESS,     End,   End,    Success, ONCE,      None,            Some(SUCCESS)),
    row(ConnectRefused,   ALL,       UNSENT,      Error, Error,  Failure, THRICE,    Some(THRICE),    None),
    row(StreamRefused,    ON_HTTP2,  UNSENT,      Error, Error,  Failure, THRICE,    Some(THRICE),    None),
    row(ResetBeforeHead,  ALL,       TRANSIENT,   Error, Error,  Failure, THRICE,    Some(NOT_AGAIN), None),
    row(ResetMidBody,     HTTP,      SUCCESS,     Head,  End,    Success, ONCE,      Some(ONCE),      None),
    row(ResetMidBody,     GRPC_ONLY, TRANSIENT,   End,   End,    Failure, ONCE,      None,            None),
    row(Status500,        HTTP,      PERMANENT,   Head,  End,    Failure, IN_VAIN,   Some(IN_VAIN),   Some(PERMANENT)),
    row(Status503,        HTTP,      TRANSIENT,   Head,  End,    Failure, THRICE,    Some(NOT_AGAIN), Some(TRANSIENT)),
    row(Status503Advice,  HTTP,      OVERLOAD_7S, Head,  End,    Failure, THRICE,    Some(NOT_AGAIN), Some(OVERLOAD_7S)),
    row(Status429,        HTTP,      OVERLOAD,    Head,  End,    Failure, THRICE,    Some(NOT_AGAIN), Some(OVERLOAD)),
    row(GrpcInHead,       GRPC_ONLY, TRANSIENT,   Head,  Head,   Failure, THRICE,    None,            Some(TRANSIENT)),
    row(GrpcInHeadStop,   GRPC_ONLY, PERMANENT,   Head,  Head,   Failure, IN_VAIN,   None,            Some(PERMANENT)),
    row(GrpcInHeadAdvice, GRPC_ONLY, OVERLOAD_7S, Head,  Head,   Failure, THRICE,    None,            Some(OVERLOAD_7S)),
    row(GrpcInTrailers,   GRPC_ONLY, TRANSIENT,   End,   End,    Failure, ONCE,      None,            Some(TRANSIENT)),
    row(GrpcTruncated,    GRPC_ONLY, TRANSIENT,   End,   End,    Failure, ONCE,      None,            Some(TRANSIENT)),
    row(SlowHead,         ALL,       TRANSIENT,   Error, Error,  Failure, THRICE,    Some(NOT_AGAIN), Some(Abandoned)),
    row(StalledBody,      HTTP,      SUCCESS,     Head,  End,    Success, ONCE,      Some(ONCE),      Some(SUCCESS)),
    row(StalledBody,      GRPC_ONLY, TRANSIENT,   End,   End,    Failure, ONCE,      None,            Some(IGNORED)),
    row(LeavesBeforeHead, ALL,       Abandoned,   Drop,  Drop,   Run,     ONCE,      Some(ONCE),      Some(Abandoned)),
    row(LeavesMidBody,    HTTP,      SUCCESS,     Head,  Drop,   Success, ONCE,      Some(ONCE),      Some(SUCCESS)),
    row(LeavesMidBody,    GRPC_ONLY, IGNORED,     Drop,  Drop,   Ignored, ONCE,      None,            Some(IGNORED)),
];

/// A call that still goes on after this time hangs.
const TOO_LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_table_holds() {
    let mut wrong = Vec::new();
    for row in TABLE {
        println!("{row}");
        for over in row.over {
            let problems = tokio::time::timeout(TOO_LONG, row.problems(*over)).await;
            for problem in problems.unwrap_or_else(|_| vec!["hangs".into()]) {
                wrong.push(format!("{:?} over {over:?}: {problem}", row.fault));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over: Vec<_> = self.over.iter().map(|over| format!("{over:?}")).collect();
        write!(
            f,
            "{:16}  {:18}",
            format!("{:?}", self.fault),
            over.join(" ")
        )?;
        write!(f, "  {:15}", ending(self.outcome))?;
        write!(f, "  judged: {:5}", format!("{:?}", self.judged))?;
        write!(f, "  permit until: {:5}", format!("{:?}", self.released))?;
        write!(f, "  breaker: {:7}", format!("{:?}", self.breaker))?;
        write!(f, "  sent: {:18}", sent(self.sent))?;
        write!(f, "  POST: {:18}", self.sent_post.map_or("–".into(), sent))?;
        write!(f, "  server: {}", self.at_server.map_or("–".into(), ending))
    }
}

fn ending(ending: Ending) -> String {
    match ending {
        Finished(outcome) => match outcome.retry_after() {
            Some(delay) => format!("{}, {delay:?}", outcome.label()),
            None => outcome.label().into(),
        },
        other => format!("{other:?}").to_lowercase(),
    }
}

fn sent((times, stop): Sent) -> String {
    match stop {
        Some(stop) => format!("{times}, {}", stop.label()),
        None => times.to_string(),
    }
}

impl Row {
    /// What is not as the row says.
    async fn problems(&self, over: Over) -> Vec<String> {
        let mut problems = Vec::new();
        let mut expect = |what: &str, expected: &dyn fmt::Debug, seen: &dyn fmt::Debug| {
            let (expected, seen) = (format!("{expected:?}"), format!("{seen:?}"));
            if expected != seen {
                problems.push(format!("{what}: {seen}, and not {expected}"));
            }
        };

        let seen = play(self.fault, over, Method::GET, 3, never()).await;
        let times = self.sent.0;
        let each = |ending| vec![ending; times as usize];
        expect("sent", &self.sent, &seen.sent);
        expect("outcomes", &each(self.outcome), &seen.outcomes);
        expect("judged", &Some(self.judged), &seen.judged);
        expect("permit until", &Some(self.released), &seen.released);
        expect("breaker", &self.breaker.figures(times), &seen.figures);
        let at_server = self.at_server.map_or(vec![], each);
        expect("at the server", &at_server, &seen.at_server);

        if let Some(sent) = self.sent_post.filter(|_| over != Grpc) {
            let seen = play(self.fault, over, Method::POST, 3, never()).await;
            expect("sent, POST", &sent, &seen.sent);
        }

        // A breaker that has seen enough opens with the verdict, and ends the retries.
        let opens = matches!(self.breaker, Failure | Run);
        let seen = play(self.fault, over, Method::GET, 1, at_once()).await;
        let opened = opens.then_some(self.judged);
        expect("breaker open since", &opened, &seen.opened);
        let seen = play(self.fault, over, Method::GET, 3, at_once()).await;
        let sent = if times > 1 {
            (1, Some(Stop::Refused))
        } else {
            self.sent
        };
        expect("sent, with a breaker that opens", &sent, &seen.sent);
        problems
    }
}

impl Effect {
    /// Calls, failures, and consecutive failures after so many attempts.
    fn figures(self, times: u32) -> Figures {
        match self {
            Success => (times.into(), 0, 0),
            Failure => (times.into(), times.into(), times),
            Run => (0, 0, times),
            Ignored => (0, 0, 0),
        }
    }
}

type Figures = (u64, u64, u32);

/// A breaker that counts, and does not open.
fn never() -> Breaker {
    let breaker = Breaker::builder("failures").count_window(1_000);
    breaker.consecutive_failures(1_000).build().unwrap()
}

/// A breaker that opens with the first failure.
fn at_once() -> Breaker {
    let breaker = Breaker::builder("failures").consecutive_failures(1);
    let breaker = breaker.minimum_spread(Duration::ZERO);
    breaker.open_for(Duration::from_secs(60)).build().unwrap()
}

/// What has become of one call.
struct Seen {
    sent: Sent,
    /// Of each attempt.
    outcomes: Vec<Ending>,
    judged: Option<Moment>,
    released: Option<Moment>,
    opened: Option<Moment>,
    figures: Figures,
    at_server: Vec<Ending>,
}

/// Looks at the last attempt from time to time.
struct Watch {
    ledger: Ledger,
    breaker: Breaker,
    judged: Option<Moment>,
    released: Option<Moment>,
    opened: Option<Moment>,
}

impl Watch {
    fn look(&mut self, at: Moment) {
        let Some(last) = self.ledger.accounts().last().copied() else {
            return;
        };
        if last.verdict.is_some() || last.ending.is_some() {
            self.judged.get_or_insert(at);
        }
        if last.ending.is_some() {
            self.released.get_or_insert(at);
        }
        if self.breaker.state() == State::Open {
            self.opened.get_or_insert(at);
        }
    }
}

/// Makes the call, with so many attempts and this breaker.
async fn play(fault: Fault, over: Over, method: Method, attempts: u32, breaker: Breaker) -> Seen {
    let site = Site::new(fault, over).await;
    let stops = PrometheusBuilder::new().build_recorder();
    let mut watch = Watch {
        ledger: Ledger::default(),
        breaker,
        judged: None,
        released: None,
        opened: None,
    };
    let client = client(fault, over, attempts, &watch, &stops, site.address);
    let mut call = Box::pin(client.oneshot(request(fault, over, method, site.address)));
    if fault == LeavesBeforeHead {
        tokio::select! {
            _ = &mut call => unreachable!("the server never answers"),
            () = site.reached() => {}
        }
        watch.look(Moment::Call);
        drop(call);
        watch.look(Drop);
    } else {
        match call.await {
            Err(_) => watch.look(Error),
            Ok(res) => {
                watch.look(Head);
                read(res.into_body(), fault, &site, &mut watch).await;
                watch.look(Drop);
            }
        }
    }
    site.done(watch, &stops).await
}

/// Reads the body, to its end if the caller does not leave before.
async fn read(mut body: Body, fault: Fault, site: &Site, watch: &mut Watch) {
    while let Some(Ok(frame)) = body.frame().await {
        // The last one may be known to be the last.
        if frame.is_data() && !http_body::Body::is_end_stream(&body) {
            watch.look(Moment::Part);
        }
        if fault == LeavesMidBody {
            return;
        }
        site.reset.notify_one();
    }
    watch.look(End);
}

/// Retries, policies and timeouts around a client of its own.
fn client(
    fault: Fault,
    over: Over,
    attempts: u32,
    watch: &Watch,
    stops: &PrometheusRecorder,
    server: SocketAddr,
) -> Client {
    const SHORT: Duration = Duration::from_millis(50);
    let head = if fault == SlowHead { SHORT } else { TOO_LONG };
    let idle = if fault == StalledBody {
        SHORT
    } else {
        TOO_LONG
    };
    let millisecond = Duration::from_millis(1);
    let retry = RetryLayer::builder("failures")
        .attempts(attempts)
        .no_budget()
        .backoff(Backoff::constant(millisecond).unwrap())
        .advice_cap(millisecond)
        .build()
        .unwrap();
    retry.bind_recorder(stops);
    let timeout = TimeoutLayer::new("failures", head).unwrap().http();
    let client = match over {
        Http1 => stacks::hyper(false),
        Http2 => stacks::hyper(true),
        Grpc => stacks::tonic(server),
    };
    stacks::boxed(
        ServiceBuilder::new()
            .layer(retry.http())
            // What the breaker refuses is not seen in the ledger.
            .layer(GuardLayer::new((watch.breaker.clone(), watch.ledger.clone())).http())
            .layer(timeout.body_idle(idle).unwrap())
            .map_request(|req: Request<_>| req.map(Body::new))
            .service(client),
    )
}

fn request(fault: Fault, over: Over, method: Method, server: SocketAddr) -> Request<Body> {
    if over != Grpc {
        let req = Request::builder().method(method);
        let req = req.uri(common::uri(server, "/"));
        return req.body(Body::empty()).unwrap();
    }
    let (call, product) = match fault {
        Nothing => ("Watch", "lamp"),
        GrpcInHead => ("Stock", "lost"),
        GrpcInTrailers => ("Watch", "lost"),
        StalledBody | LeavesMidBody => ("Watch", "hang"),
        _ => ("Stock", "hang"),
    };
    let path = format!("/inventory.Inventory/{call}");
    let req = Request::post(common::uri(server, &path));
    let req = GRPC
        .iter()
        .fold(req, |req, (name, value)| req.header(*name, *value));
    req.body(Body::from(question(product))).unwrap()
}

/// A server, or none, and what is known of it.
struct Site {
    address: SocketAddr,
    /// Around the handler, if there is one.
    ledger: Ledger,
    /// Requests to a server that has no handler.
    requests: Arc<AtomicU32>,
    /// Now the connection may be reset.
    reset: Arc<Notify>,
    /// Keeps the port where nobody listens from others.
    nobody: Option<TcpSocket>,
}

impl Site {
    async fn new(fault: Fault, over: Over) -> Self {
        let ledger = Ledger::default();
        let (requests, reset) = (Arc::<AtomicU32>::default(), Arc::<Notify>::default());
        let mut nobody = None;
        let guard = GuardLayer::new(ledger.clone()).http().respond();
        let address = match (fault, over) {
            (ConnectRefused, _) => {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
                nobody.insert(socket).local_addr().unwrap()
            }
            (ResetBeforeHead | ResetMidBody, Http1) => {
                let (requests, reset) = (requests.clone(), reset.clone());
                listen(move |socket| reset_http1(socket, fault, requests.clone(), reset.clone()))
                    .await
            }
            (StreamRefused | ResetBeforeHead | ResetMidBody, _) => {
                let (requests, reset) = (requests.clone(), reset.clone());
                listen(move |socket| reset_http2(socket, fault, requests.clone(), reset.clone()))
                    .await
            }
            (GrpcInHeadStop | GrpcInHeadAdvice | GrpcTruncated, _) | (_, Http1 | Http2) => {
                let app = Router::new().fallback(move |_: Bytes| handler(fault));
                common::serve(app.layer(guard)).await
            }
            (_, Grpc) => serve_behind(guard).await,
        };
        Self {
            address,
            ledger,
            requests,
            reset,
            nobody,
        }
    }

    /// Waits until a request is at the handler.
    async fn reached(&self) {
        while self.ledger.accounts().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    /// The call is over.
    async fn done(self, watch: Watch, stops: &PrometheusRecorder) -> Seen {
        watch.ledger.settled().await;
        self.ledger.settled().await;
        let at_client = watch.ledger.accounts();
        let at_server = self.ledger.accounts();
        // No attempt begins before the previous one has let go of what it held.
        assert!(at_client.iter().all(|account| account.beside == 0));
        let endings = |accounts: &[common::Account]| {
            let endings = accounts.iter().map(|account| account.ending.unwrap());
            endings.collect::<Vec<_>>()
        };
        let times = u32::try_from(at_client.len()).unwrap();
        let arrived = self.requests.load(SeqCst) + u32::try_from(at_server.len()).unwrap();
        let expected = if self.nobody.is_some() { 0 } else { times };
        assert_eq!(arrived, expected, "what was sent has arrived");
        let figures = watch.breaker.snapshot();
        Seen {
            sent: (times, stopped(stops)),
            outcomes: endings(&at_client),
            judged: watch.judged,
            released: watch.released,
            opened: watch.opened,
            figures: (
                figures.calls,
                figures.failures,
                figures.consecutive_failures,
            ),
            at_server: endings(&at_server),
        }
    }
}

/// Why the retries ended, as the metrics say.
fn stopped(stops: &PrometheusRecorder) -> Option<Stop> {
    let metrics = stops.handle().render();
    let mut seen = [
        Stop::Attempts,
        Stop::Budget,
        Stop::Deadline,
        Stop::NotReplayable,
        Stop::NotReady,
        Stop::Permanent,
        Stop::Refused,
        Stop::Abandoned,
    ]
    .into_iter()
    .filter(|stop| {
        let label = format!("reason=\"{}\"}} 1", stop.label());
        metrics.lines().any(|line| {
            line.starts_with("resilience_retry_stopped_total") && line.ends_with(&label)
        })
    });
    let stop = seen.next();
    assert_eq!(seen.next(), None);
    stop
}

/// What the handler of an axum server does.
async fn handler(fault: Fault) -> Response {
    let grpc = ("content-type", "application/grpc");
    match fault {
        Nothing => "well".into_response(),
        Status500 => {
            let body = common::body_until("broken", ready(()));
            (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
        }
        Status503 => (StatusCode::SERVICE_UNAVAILABLE, "busy").into_response(),
        Status503Advice => {
            let advice = [("retry-after", "7")];
            (StatusCode::SERVICE_UNAVAILABLE, advice, "busy").into_response()
        }
        Status429 => (StatusCode::TOO_MANY_REQUESTS, "busy").into_response(),
        GrpcInHeadStop => {
            let status = [
                grpc,
                ("grpc-status", "14"),
                ("grpc-retry-pushback-ms", "-1"),
            ];
            (status, ()).into_response()
        }
        GrpcInHeadAdvice => {
            let status = [
                grpc,
                ("grpc-status", "8"),
                ("grpc-retry-pushback-ms", "7000"),
            ];
            (status, ()).into_response()
        }
        GrpcTruncated => ([grpc], answer("lamp", 1)).into_response(),
        SlowHead | LeavesBeforeHead => pending().await,
        StalledBody | LeavesMidBody => common::body_until("part", pending()).into_response(),
        other => unreachable!("{other:?} has a server of its own"),
    }
}

/// Serves every connection with `serve`, on a free port of the loopback interface.
async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // Closing it resets the connection.
            socket.set_zero_linger().unwrap();
            tokio::spawn(serve(socket));
        }
    });
    address
}

/// Reads a request; answers a part of what it announces, if the fault is to come later; resets the connection.
async fn reset_http1(
    mut socket: TcpStream,
    fault: Fault,
    requests: Arc<AtomicU32>,
    reset: Arc<Notify>,
) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if socket.read_buf(&mut head).await.unwrap() == 0 {
            return;
        }
    }
    requests.fetch_add(1, SeqCst);
    if fault == ResetMidBody {
        let part = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\npart";
        socket.write_all(part).await.unwrap();
        reset.notified().await;
    }
}

/// The same over HTTP/2. Or refuses each stream.
async fn reset_http2(
    socket: TcpStream,
    fault: Fault,
    requests: Arc<AtomicU32>,
    reset: Arc<Notify>,
) {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    let mut streams = Vec::new();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = reset.notified() => return,
        };
        let Some(Ok((req, mut respond))) = accepted else {
            return;
        };
        requests.fetch_add(1, SeqCst);
        match fault {
            StreamRefused => respond.send_reset(h2::Reason::REFUSED_STREAM),
            ResetMidBody => {
                let mut head = http::Response::new(());
                if let Some(kind) = req.headers().get("content-type") {
                    head.headers_mut().insert("content-type", kind.clone());
                }
                let mut body = respond.send_response(head, false).unwrap();
                body.send_data(answer("lamp", 1), false).unwrap();
                streams.push((req, body));
            }
            _ => return,
        }
    }
}
