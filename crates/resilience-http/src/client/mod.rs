//! An HTTP client for those who do not want to assemble a stack: hyper-util's pooled client with the layers around it.
//!
//! ```
//! use resilience_http::{Client, client::{Error, error_for_status}};
//! use std::time::Duration;
//!
//! # fn build() -> Result<Client, resilience_core::ConfigError> {
//! let client = Client::builder("shop")
//!     .timeout(Duration::from_secs(5))
//!     .attempt_timeout(Duration::from_secs(1))
//!     .on_error(|event| eprintln!("{}: {}", event.attempt.origin, event.error))
//!     .build()?;
//! # Ok(client)
//! # }
//!
//! async fn stock(client: &Client, sku: u64) -> Result<String, Error> {
//!     let response = client
//!         .get(format!("http://shop.example/stock/{sku}"))
//!         .header("accept", "text/plain")
//!         .send()
//!         .await?;
//!     error_for_status(response)?.into_body().text().await
//! }
//! # let _ = (build(), stock);
//! ```
//!
//! # The stack
//!
//! Outermost first. What may be set, with defaults, units and ranges, stands at the [`ClientBuilder`].
//!
//! | layer | |
//! |---|---|
//! | fallback, if there is one | answers in place of failures, refusals included |
//! | deadline | of the whole call; shorter for a request that says so |
//! | retry | of what may be repeated, with backoff, within one budget for all hosts |
//! | hooks | are told of each attempt |
//! | bulkhead and breaker of the host | a host is scheme, name and port: [`Origin`]; held to the end of the response's body |
//! | attempt timeout | to the head of the response; then bounds the silences in its body |
//! | deadline header | tells the server how much time is left |
//! | hyper-util's client | HTTP/1 and HTTP/2, connections kept for the next call |
//!
//! | | |
//! |---|---|
//! | `poll_ready` | always ready |
//! | `call`, [`send`](Client::send) | make a future; nothing happens before it is polled, and the client's [`timeout`](ClientBuilder::timeout) counts from then |
//! | dropping the future, or the body of the response | gives the call up: over HTTP/1 its connection is closed; places in bulkheads, and retries that were not made, come back |
//! | `clone` | the same client: connections, breakers, bulkheads, budget |
//!
//! A response is a response, whatever its status: [`error_for_status`] makes an error of those from 400. Every response has
//! the [`Target`] that it answers in its extensions.
//!
//! # Connections that were closed meanwhile
//!
//! A server may close an idle connection in the very moment that the client gives it a request. Where hyper hands the request
//! back unsent, it is sent again at once, without a backoff: once for each attempt, whatever the method, within the
//! budget. hyper-util's own way, which is to repeat without a limit and without a word, is switched off. Where a part of the
//! request was written when the connection went away, nobody knows whether the server has seen it: that is a failure like any
//! other, and repeated if the request may be.
//!
//! # What is not in here
//!
//! Redirects, cookies, proxies and compression. A queue: calls beyond the limit of a host are refused; for a
//! [`QueueLayer`](resilience_core::QueueLayer), and other orders than this one, put a stack together from the layers.
//!
//! # TLS
//!
//! With the feature `client-rustls`: rustls with the cryptography of `ring`, TLS 1.2 and 1.3; HTTP/2 where the server offers
//! it. Without the feature, `https` is an error that says so.

mod body;
mod builder;
mod connect;
mod error;
mod hooks;
mod request;
mod resend;
mod stack;
mod target;
#[cfg(feature = "client-rustls")]
mod tls;

pub use body::Body;
pub use builder::{ClientBuilder, Failed};
pub use error::Error;
pub use hooks::{Abandoned, AttemptEnd, AttemptError, AttemptInfo};
pub use request::RequestBuilder;
pub use target::{Origin, Target};
#[cfg(feature = "client-rustls")]
pub use tls::Tls;

use http::{Method, Request, Response, Uri};
use http_body::Body as HttpBody;
use resilience_breaker::Breaker;
use resilience_bulkhead::Bulkhead;
use resilience_core::{BoxError, Budget, Name};
use stack::{Call, Hosts};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// An HTTP client that keeps its calls within bounds: see the [module](self).
///
/// A clone is the same client: the same connections, breakers, bulkheads and budget.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    name: Name,
    hosts: Hosts,
    budget: Option<Budget>,
    call: Call,
}

impl Client {
    /// Begins a client of this name: it stands in refusals, errors, metrics and events.
    pub fn builder(name: impl Into<Name>) -> ClientBuilder {
        ClientBuilder::new(name.into())
    }

    fn new(name: Name, hosts: Hosts, budget: Option<Budget>, call: Call) -> Self {
        Self {
            shared: Arc::new(Shared {
                name,
                hosts,
                budget,
                call,
            }),
        }
    }

    /// Begins a `GET`.
    pub fn get<U>(&self, uri: U) -> RequestBuilder
    where
        U: TryInto<Uri, Error: Into<http::Error>>,
    {
        self.request(Method::GET, uri)
    }

    /// Begins a `HEAD`.
    pub fn head<U>(&self, uri: U) -> RequestBuilder
    where
        U: TryInto<Uri, Error: Into<http::Error>>,
    {
        self.request(Method::HEAD, uri)
    }

    /// Begins a `DELETE`.
    pub fn delete<U>(&self, uri: U) -> RequestBuilder
    where
        U: TryInto<Uri, Error: Into<http::Error>>,
    {
        self.request(Method::DELETE, uri)
    }

    /// Begins a `POST`. It is not sent again once it may have been received, unless it has an
    /// [idempotency key](RequestBuilder::idempotency_key).
    pub fn post<U>(&self, uri: U, body: impl Into<Body>) -> RequestBuilder
    where
        U: TryInto<Uri, Error: Into<http::Error>>,
    {
        self.request(Method::POST, uri).body(body)
    }

    /// Begins a `PUT`.
    pub fn put<U>(&self, uri: U, body: impl Into<Body>) -> RequestBuilder
    where
        U: TryInto<Uri, Error: Into<http::Error>>,
    {
        self.request(Method::PUT, uri).body(body)
    }

    /// Begins a `PATCH`. Sent again as a [`post`](Self::post) is.
    pub fn patch<U>(&self, uri: U, body: impl Into<Body>) -> RequestBuilder
    where
        U: TryInto<Uri, Error: Into<http::Error>>,
    {
        self.request(Method::PATCH, uri).body(body)
    }

    /// Begins a request of any method.
    pub fn request<U>(&self, method: Method, uri: U) -> RequestBuilder
    where
        U: TryInto<Uri, Error: Into<http::Error>>,
    {
        RequestBuilder::new(self.clone(), method, uri)
    }

    /// Sends any request, with any body. Its URI must be absolute. Nothing happens before the future is polled.
    pub fn send<B>(&self, request: Request<B>) -> ResponseFuture
    where
        B: HttpBody + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if let Err(error) = target::check(request.uri()) {
            return ResponseFuture::new(std::future::ready(Err(error)));
        }
        (self.shared.call)(request.map(Body::new))
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.shared.name
    }

    /// The hosts that breakers and bulkheads are kept for, in no order.
    pub fn hosts(&self) -> Vec<Origin> {
        self.shared.hosts.keys()
    }

    /// The breaker of a host, to read and to steer it. `None` before the first call to it, and without breakers.
    pub fn breaker(&self, host: &Origin) -> Option<Breaker> {
        self.shared.hosts.get(host)?.1
    }

    /// The bulkhead of a host, to read and to close it. `None` before the first call to it, and without bulkheads.
    pub fn bulkhead(&self, host: &Origin) -> Option<Bulkhead> {
        self.shared.hosts.get(host)?.0
    }

    /// The budget of its retries, unless there is none.
    pub fn budget(&self) -> Option<&Budget> {
        self.shared.budget.as_ref()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.shared.name)
            .field("hosts", &self.shared.hosts.len())
            .finish_non_exhaustive()
    }
}

/// Always ready: whether there is room for a call is decided by the host that it is for.
impl<B> Service<Request<B>> for Client
where
    B: HttpBody + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<B>) -> ResponseFuture {
        self.send(req)
    }
}

/// The future of a call. Dropping it gives the call up.
#[must_use = "nothing is sent before it is awaited"]
pub struct ResponseFuture(Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>);

impl ResponseFuture {
    fn new(future: impl Future<Output = Result<Response<Body>, Error>> + Send + 'static) -> Self {
        Self(Box::pin(future))
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<Body>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

/// An error of a response whose status is 400 or above; any other as it is. The body of the response is dropped.
pub fn error_for_status<B>(res: Response<B>) -> Result<Response<B>, Error> {
    let status = res.status();
    if status.is_client_error() || status.is_server_error() {
        return Err(Error::status(status, res.extensions().get().cloned()));
    }
    Ok(res)
}
