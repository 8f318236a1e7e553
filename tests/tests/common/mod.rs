//! What the tests on real sockets share.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod inventory;
pub(crate) mod record;
pub(crate) mod stacks;

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use resilience_stack::core::{Now, Outcome, Permit, Policy, Rejected};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

pub(crate) type HttpClient = Client<HttpConnector, Empty<Bytes>>;

/// A client of its own connection pool, that speaks one version of HTTP.
pub(crate) fn client(http2: bool) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .http2_only(http2)
        .build_http()
}

/// Serves `app` on a free port of the loopback interface.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

pub(crate) fn uri(address: SocketAddr, path: &str) -> Uri {
    format!("http://{address}{path}").parse().unwrap()
}

/// An answer that has been read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

pub(crate) async fn send(client: &HttpClient, method: Method, uri: Uri) -> Answer {
    let req = Request::builder().method(method).uri(uri);
    let res = client
        .request(req.body(Empty::new()).unwrap())
        .await
        .unwrap();
    let (head, body) = res.into_parts();
    Answer {
        status: head.status,
        headers: head.headers,
        bytes: body.collect().await.unwrap().to_bytes(),
    }
}

pub(crate) async fn get(client: &HttpClient, uri: Uri) -> Answer {
    send(client, Method::GET, uri).await
}

/// A policy that admits everybody and counts how permits end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Counts>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) open: u32,
    pub(crate) finished: u32,
    pub(crate) failed: u32,
    pub(crate) ignored: u32,
    pub(crate) reverted: u32,
    pub(crate) abandoned: u32,
}

impl Ledger {
    pub(crate) fn counts(&self) -> Counts {
        *self.0.lock().unwrap()
    }

    /// Waits until no permit is out.
    pub(crate) async fn settled(&self) -> Counts {
        while self.counts().open > 0 {
            tokio::task::yield_now().await;
        }
        self.counts()
    }
}

impl<Req: ?Sized> Policy<Req> for Ledger {
    type Permit = Entry;

    fn admit(&self, _: &Req, _: &mut Now) -> Result<Entry, Rejected> {
        self.0.lock().unwrap().open += 1;
        Ok(Entry(Some(self.clone())))
    }
}

#[derive(Debug)]
pub(crate) struct Entry(Option<Ledger>);

impl Entry {
    fn end(&mut self, count: impl FnOnce(&mut Counts) -> &mut u32) {
        if let Some(ledger) = self.0.take() {
            let mut counts = ledger.0.lock().unwrap();
            counts.open -= 1;
            *count(&mut counts) += 1;
        }
    }
}

impl Permit for Entry {
    fn finish(mut self, outcome: Outcome, _: &mut Now) {
        self.end(|counts| match outcome {
            Outcome::Success => &mut counts.finished,
            Outcome::Ignored => &mut counts.ignored,
            _ => &mut counts.failed,
        });
    }

    fn revert(mut self, _: &mut Now) {
        self.end(|counts| &mut counts.reverted);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(|counts| &mut counts.abandoned);
    }
}

/// A body that sends `first`, and ends when `until` does.
pub(crate) fn body_until(
    first: &'static str,
    until: impl Future<Output = ()> + Send + 'static,
) -> Body {
    use futures_util::{StreamExt, stream};
    let head = stream::once(async move { Ok::<_, std::convert::Infallible>(first) });
    let tail = stream::once(async move {
        until.await;
        Ok("")
    });
    Body::from_stream(head.chain(tail))
}
