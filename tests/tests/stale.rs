//! A connection that the server closes just before it is used again: hyper-util's client sends the request on another one
//! by itself, or, if told not to, our retries do, within their budget.

mod common;

use bytes::Bytes;
use common::uri;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use resilience_core::clock;
use resilience_stack::{
    core::{Classify, Verdict},
    http::HttpClassify,
    prelude::*,
};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};
use tower::{BoxError, Layer, Service, ServiceExt};

type Body = Full<Bytes>;
type Pooled<B> = Client<HttpConnector, B>;

const ROUNDS: u64 = 20;

/// A server on a thread of its own: answers one request on each connection, as if another were welcome, and closes the
/// connection when it is told to.
struct Server {
    address: SocketAddr,
    close: Sender<()>,
    closed: Receiver<()>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (close, told) = channel();
        let (tell, closed) = channel();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = answer(connection.unwrap());
                if told.recv().is_err() {
                    return;
                }
                drop(connection);
                if tell.send(()).is_err() {
                    return;
                }
            }
        });
        Self {
            address,
            close,
            closed,
        }
    }

    /// Closes the connection. Blocks the runtime, so that nothing in it can learn of that meanwhile.
    fn close(&self) {
        self.close.send(()).unwrap();
        self.closed.recv().unwrap();
    }
}

fn answer(connection: TcpStream) -> TcpStream {
    let mut read = Vec::new();
    let mut buffer = [0; 1024];
    while !read.ends_with(b"order") {
        let len = (&connection).read(&mut buffer).unwrap();
        assert_ne!(len, 0, "a request that broke off: {read:?}");
        read.extend_from_slice(&buffer[..len]);
    }
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    (&connection).write_all(answer).unwrap();
    connection
}

fn client<B>(resends: bool) -> Pooled<B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new())
        .retry_canceled_requests(resends)
        .build_http()
}

/// Sends requests that must not happen twice, all but the first of them on a connection that is closed by then. What
/// came of those.
async fn orders<S, E>(mut service: S) -> Vec<Result<StatusCode, E>>
where
    S: Service<Request<Body>, Response = http::Response<hyper::body::Incoming>, Error = E>,
{
    let server = Server::start();
    let mut results = Vec::new();
    for _ in 0..=ROUNDS {
        let order = Request::post(uri(server.address, "/")).body(Body::from("order"));
        let call = service.ready().await.map_err(|_| ()).ok().unwrap();
        let result = match call.call(order.unwrap()).await {
            Ok(res) => {
                let status = res.status();
                assert_eq!(res.into_body().collect().await.unwrap().to_bytes(), "ok");
                Ok(status)
            }
            Err(error) => Err(error),
        };
        let answered = result.is_ok();
        results.push(result);
        if !answered {
            continue;
        }
        // The connection goes back to the pool, …
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        server.close();
        // … and when the runtime learns that it is closed, the next request is on its way to it.
        tokio::task::yield_now().await;
    }
    results
}

fn judge<E: 'static>(error: &E) -> Outcome {
    let classify = HttpClassify::new();
    let mut verdict = Classify::<_, http::Response<()>, E>::start(&classify, &Request::new(()));
    Verdict::<http::Response<()>, E>::error(&mut verdict, error)
}

fn retries(budget: &Budget) -> (RetryLayer, Arc<Mutex<Vec<Outcome>>>) {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let layer = RetryLayer::builder("test")
        .backoff(Backoff::constant(Duration::from_millis(1)).unwrap())
        .budget(budget.clone())
        .on_retry({
            let outcomes = outcomes.clone();
            move |event| outcomes.lock().unwrap().push(event.outcome)
        });
    (layer.build().unwrap(), outcomes)
}

/// A budget of so many retries, and no more for a while.
fn budget_of(retries: u64) -> Budget {
    let budget = Budget::builder().ratio(0.001).floor_per_second(0.0);
    let budget = budget.build().unwrap();
    budget.available(clock::now());
    (0..retries * 1_000).for_each(|_| budget.deposit());
    budget
}

#[tokio::test]
async fn hyper_util_sends_again_by_itself() {
    let results = orders(client(true)).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

#[tokio::test]
async fn told_not_to_it_says_that_the_request_was_never_sent() {
    let results = orders(client(false)).await;
    // Every other one: after a failure, there is a new connection.
    let failed: Vec<_> = results.iter().map(Result::is_err).collect();
    let expected: Vec<_> = (0..=ROUNDS).map(|round| round % 2 == 1).collect();
    assert_eq!(failed, expected, "{results:?}");
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(judge(&error), Outcome::Unsent);
        assert_eq!(judge::<BoxError>(&error.into()), Outcome::Unsent);
    }
}

#[tokio::test]
async fn our_retries_send_again_within_their_budget() {
    let budget = budget_of(ROUNDS + 5);
    assert_eq!(budget.available(clock::now()), ROUNDS + 5);
    let (retries, outcomes) = retries(&budget);
    let results = orders(retries.http().layer(client(false))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    // As many as without us, and all of them counted.
    assert_eq!(budget.available(clock::now()), 5);
    assert_eq!(
        *outcomes.lock().unwrap(),
        vec![Outcome::Unsent; usize::try_from(ROUNDS).unwrap()]
    );
}

#[tokio::test]
async fn without_a_budget_nothing_is_sent_again() {
    let (retries, outcomes) = retries(&budget_of(0));
    let results = orders(retries.http().layer(client(false))).await;
    let failures = results.iter().filter(|result| result.is_err()).count();
    assert_eq!(failures, usize::try_from(ROUNDS / 2).unwrap());
    assert!(outcomes.lock().unwrap().is_empty());
}
