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

/// A policy that admits everybody and keeps account of the permits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Vec<Account>>>);

/// What became of one permit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// How many others were out when it was given.
    pub(crate) beside: u32,
    /// What the head of the response said.
    pub(crate) verdict: Option<Outcome>,
    /// `None` while the permit is out.
    pub(crate) ending: Option<Ending>,
}

/// How a permit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Finished(Outcome),
    Reverted,
    Abandoned,
}

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
    /// All permits so far, in the order in which they were given.
    pub(crate) fn accounts(&self) -> Vec<Account> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts::of(&self.0.lock().unwrap())
    }

    /// Waits until no permit is out.
    pub(crate) async fn settled(&self) -> Counts {
        while self.counts().open > 0 {
            tokio::task::yield_now().await;
        }
        self.counts()
    }
}

impl Counts {
    fn of(accounts: &[Account]) -> Self {
        let mut counts = Self::default();
        for account in accounts {
            *match account.ending {
                None => &mut counts.open,
                Some(Ending::Finished(Outcome::Success)) => &mut counts.finished,
                Some(Ending::Finished(Outcome::Ignored)) => &mut counts.ignored,
                Some(Ending::Finished(_)) => &mut counts.failed,
                Some(Ending::Reverted) => &mut counts.reverted,
                Some(Ending::Abandoned) => &mut counts.abandoned,
            } += 1;
        }
        counts
    }
}

impl<Req: ?Sized> Policy<Req> for Ledger {
    type Permit = Entry;

    fn admit(&self, _: &Req, _: &mut Now) -> Result<Entry, Rejected> {
        let mut accounts = self.0.lock().unwrap();
        let beside = Counts::of(&accounts).open;
        accounts.push(Account {
            beside,
            verdict: None,
            ending: None,
        });
        Ok(Entry {
            ledger: self.clone(),
            number: accounts.len() - 1,
        })
    }
}

#[derive(Debug)]
pub(crate) struct Entry {
    ledger: Ledger,
    number: usize,
}

impl Entry {
    fn note(&self, note: impl FnOnce(&mut Account)) {
        note(&mut self.ledger.0.lock().unwrap()[self.number]);
    }
}

impl Permit for Entry {
    fn head(&mut self, verdict: Option<Outcome>, _: &mut Now) {
        self.note(|account| account.verdict = verdict);
    }

    fn finish(self, outcome: Outcome, _: &mut Now) {
        self.note(|account| account.ending = Some(Ending::Finished(outcome)));
    }

    fn revert(self, _: &mut Now) {
        self.note(|account| account.ending = Some(Ending::Reverted));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.note(|account| {
            account.ending.get_or_insert(Ending::Abandoned);
        });
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
