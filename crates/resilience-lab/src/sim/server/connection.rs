//! The way from clients to a server: what gets lost on it, what is slow, and what does not travel.

use super::{HangUp, ServerConfig, pool::Pool, workers::Reached};
use crate::sim::{BoxService, Response, Sampler, Sim, Stream, fault::Effect, handler::status};
use http::StatusCode;
use resilience_core::{
    BoxError, ConfigError,
    sync::{Mutex, lock},
};
use std::{
    fmt,
    future::pending,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tower::{Service, ServiceExt};

/// The network in front of a server.
pub(super) struct Wire {
    sim: Sim,
    latency: Option<Sampler>,
    loss: f64,
    stream: Mutex<Stream>,
    hang_up: HangUp,
}

impl Wire {
    pub(super) fn new(sim: &Sim, config: &ServerConfig) -> Result<Self, ConfigError> {
        let latency = config.link.latency.as_ref();
        Ok(Self {
            sim: sim.clone(),
            latency: latency.map(crate::sim::Distribution::sampler).transpose()?,
            loss: config.link.loss,
            stream: Mutex::new(sim.stream(&format!("{}/link", config.name))),
            hang_up: config.hang_up,
        })
    }

    pub(super) fn now(&self) -> Duration {
        self.sim.now()
    }

    /// Carries a message. False if it gets lost.
    async fn carry(&self) -> bool {
        let (lost, latency) = {
            let mut stream = lock(&self.stream);
            let latency = self.latency.as_ref();
            let latency = latency.map(|latency| latency.draw(&mut stream));
            (stream.chance(self.loss), latency)
        };
        if !lost && let Some(latency) = latency {
            self.sim.sleep(latency).await;
        }
        !lost
    }
}

/// A way to a [`Server`](super::Server), as a service. Always ready.
///
/// Heads travel, bodies and extensions do not: what a layer leaves in them is not known on the other side, as between real
/// hosts. A connection that is refused is an [`io::Error`] of the kind `ConnectionRefused`.
///
/// Dropping the future is hanging up: see [`HangUp`].
#[derive(Clone)]
pub struct Connection {
    pub(super) pool: Arc<Pool>,
    pub(super) wire: Arc<Wire>,
    pub(super) service: BoxService,
}

impl<B> Service<http::Request<B>> for Connection {
    type Response = Response;
    type Error = BoxError;
    type Future = Connect;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: http::Request<B>) -> Connect {
        let mut sent = crate::sim::Request::default();
        let (head, _) = req.into_parts();
        *sent.method_mut() = head.method;
        *sent.uri_mut() = head.uri;
        *sent.version_mut() = head.version;
        *sent.headers_mut() = head.headers;
        let stuck = Arc::new(AtomicBool::new(false));
        let answer = Box::pin(served(self.clone(), sent, stuck.clone()));
        Connect {
            answer: Some(answer),
            sent: false,
            stuck,
            wire: self.wire.clone(),
            pool: self.pool.clone(),
        }
    }
}

/// One call, seen from the server. `stuck` is set when nothing will ever come of it.
async fn served(
    connection: Connection,
    mut req: crate::sim::Request,
    stuck: Arc<AtomicBool>,
) -> Result<Response, BoxError> {
    let Connection {
        pool,
        wire,
        service,
    } = connection;
    let never = async || {
        stuck.store(true, Relaxed);
        pending().await
    };
    if !wire.carry().await {
        return never().await;
    }
    let response = match pool.arrival() {
        Effect::Refuse => return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into()),
        Effect::Hang => return never().await,
        Effect::Fail(code) => status(code),
        Effect::Pass => {
            let reached = Reached::default();
            req.extensions_mut().insert(reached.clone());
            let result = service.oneshot(req).await;
            if !reached.is_set() {
                pool.refused();
                if pool.refusing_costs() {
                    // There is room: refusals are not bounded.
                    let _ = pool.work(true).await;
                }
            }
            result.unwrap_or_else(|_| status(StatusCode::SERVICE_UNAVAILABLE))
        }
    };
    if !wire.carry().await {
        return never().await;
    }
    Ok(response)
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

/// A call over a [`Connection`].
#[must_use = "futures do nothing unless polled"]
pub struct Connect {
    answer: Option<Answer>,
    sent: bool,
    stuck: Arc<AtomicBool>,
    wire: Arc<Wire>,
    pool: Arc<Pool>,
}

impl Future for Connect {
    type Output = Result<Response, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.sent = true;
        let Some(answer) = &mut self.answer else {
            panic!("polled after it was ready");
        };
        let result = ready!(answer.as_mut().poll(cx));
        self.answer = None;
        Poll::Ready(result)
    }
}

impl Drop for Connect {
    /// The server goes on by itself, if it does not notice.
    fn drop(&mut self) {
        let goes_on = self.sent
            && self.wire.hang_up == HangUp::Ignored
            && !self.stuck.load(Relaxed)
            && !self.wire.sim.engine().has_ended();
        if let Some(answer) = self.answer.take()
            && goes_on
        {
            let pool = self.pool.clone();
            tokio::spawn(async move {
                if answer.await.is_ok() {
                    pool.wasted();
                }
            });
        }
    }
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").finish_non_exhaustive()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// A server's service, with what leaves the server: heads, without what only its own process knows.
#[derive(Clone)]
pub(super) struct AsServed<S>(pub(super) S);

impl<S, B> Service<crate::sim::Request> for AsServed<S>
where
    S: Service<
            crate::sim::Request,
            Response = http::Response<B>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        >,
    B: 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = futures_util::future::BoxFuture<'static, Result<Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: crate::sim::Request) -> Self::Future {
        let answer = self.0.call(req);
        Box::pin(async move {
            let (head, _) = answer.await.map_err(Into::into)?.into_parts();
            let mut response = Response::default();
            *response.status_mut() = head.status;
            *response.version_mut() = head.version;
            *response.headers_mut() = head.headers;
            Ok(response)
        })
    }
}
