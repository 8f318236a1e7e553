use super::{Body, Client, Error, ResponseFuture, Target};
use crate::{AttemptTimeout, NoRetry, pass_on};
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Uri};
use resilience_core::{Deadline, config};
use std::{fmt, time::Duration};

/// A request on its way to be sent. Begun by [`Client::get`] and the like.
///
/// What is wrong with it is told by [`send`](Self::send).
#[must_use = "a request is not sent until `send` is awaited"]
pub struct RequestBuilder {
    client: Client,
    request: Result<Request<Body>, Error>,
    timeout: Option<Duration>,
}

impl RequestBuilder {
    pub(super) fn new<U>(client: Client, method: Method, uri: U) -> Self
    where
        U: TryInto<Uri, Error: Into<http::Error>>,
    {
        let request = uri.try_into().map_err(|error| {
            let what =
                "the URI cannot be read; it must be absolute, such as `http://host:port/path`";
            Error::caused_request(what, error.into())
        });
        let request = request.map(|uri| {
            let mut request = Request::new(Body::empty());
            *request.method_mut() = method;
            *request.uri_mut() = uri;
            request
        });
        Self {
            client,
            request,
            timeout: None,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Request<Body>) -> Result<(), Error>) -> Self {
        self.request = self.request.and_then(|mut request| {
            change(&mut request)?;
            Ok(request)
        });
        self
    }

    /// Adds a header, beside those of the same name.
    pub fn header<V>(self, name: impl AsRef<str>, value: V) -> Self
    where
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let name = name.as_ref();
        self.with(|request| {
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|error| {
                let what = format!("{name:?} is no name of a header; it must be one or more letters, digits and `-`");
                Error::caused_request(what, error)
            })?;
            // The value may be a secret.
            let value = value.try_into().map_err(|error| {
                let what = format!("the value of the header `{key}` must be visible ASCII, spaces and tabs");
                Error::caused_request(what, error.into())
            })?;
            request.headers_mut().append(key, value);
            Ok(())
        })
    }

    /// Names this call, so that the server can tell when it has seen it before (`Idempotency-Key`). With it, a `POST` is
    /// sent again after a failure.
    pub fn idempotency_key(self, key: impl AsRef<str>) -> Self {
        self.header("idempotency-key", key.as_ref())
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.with(|request| {
            *request.body_mut() = body.into();
            Ok(())
        })
    }

    /// How long the whole call may take, its retries and the body of its response included: more than zero, at most 365 days.
    /// Counts from [`send`](Self::send). Attempts keep the client's own time: with less than that for the call, set
    /// [`attempt_timeout`](Self::attempt_timeout) too.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long one attempt may take, up to the head of its response, in place of what the client says.
    pub fn attempt_timeout(self, timeout: Duration) -> Self {
        self.extension(AttemptTimeout(timeout))
    }

    /// Sends the request once, whatever comes of it: see [`NoRetry`].
    pub fn no_retry(self) -> Self {
        self.extension(NoRetry)
    }

    /// Passes on what belongs to the call as a whole from the request for which this one is made, by its extensions: its
    /// deadline, its priority, and where to note that retries are exhausted. See [`pass_on`].
    ///
    /// ```
    /// use http::{Request, Response};
    /// use resilience_http::{Client, client::{Body, Error}};
    ///
    /// async fn handler(client: &Client, inbound: Request<()>) -> Result<Response<Body>, Error> {
    ///     client.get("http://shop.example/stock").pass_on(inbound.extensions()).send().await
    /// }
    /// # let _ = handler;
    /// ```
    pub fn pass_on(self, inbound: &Extensions) -> Self {
        self.with(|request| {
            pass_on(inbound, request.extensions_mut());
            Ok(())
        })
    }

    /// Puts a value into the extensions of the request.
    pub fn extension<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        self.with(|request| {
            request.extensions_mut().insert(value);
            Ok(())
        })
    }

    /// The request itself.
    pub fn build(self) -> Result<Request<Body>, Error> {
        let mut request = self.request?;
        if let Some(timeout) = self.timeout {
            let timeout = config::duration("timeout", timeout)
                .map_err(|error| Error::caused_request("its time makes no sense", error))?;
            let within = Deadline::within(timeout);
            let carried = request.extensions().get::<Deadline>();
            let deadline = carried.map_or(within, |carried| within.earlier(*carried));
            request.extensions_mut().insert(deadline);
        }
        Ok(request)
    }

    /// Sends the request.
    pub fn send(self) -> ResponseFuture {
        let client = self.client.clone();
        match self.build() {
            Ok(request) => client.send(request),
            Err(error) => ResponseFuture::new(std::future::ready(Err(error))),
        }
    }
}

/// Leaves out the query, the headers and the body.
impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder")
            .field("request", &self.request.as_ref().map(Target::of))
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
