//! The workers as a service, inside of the server's layers.

use super::pool::{Overflow, Pool};
use crate::sim::{BoxService, Request, Response, handler::status};
use futures_util::future::BoxFuture;
use http::StatusCode;
use resilience_core::BoxError;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};
use tower::{Service, ServiceExt};

/// In the extensions of a request: whether it got to the workers.
#[derive(Clone, Default)]
pub(super) struct Reached(Arc<AtomicBool>);

impl Reached {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The workers of a server: waits for one, lets it work, and goes on with the handler. Always ready: there is a queue.
///
/// Dropping the future gives up the place in the queue; a worker that has begun goes on to the end of the service time.
#[derive(Clone)]
pub struct Workers {
    pool: Arc<Pool>,
    handler: BoxService,
}

impl Workers {
    pub(super) fn new(pool: Arc<Pool>, handler: BoxService) -> Self {
        Self { pool, handler }
    }
}

impl Service<Request> for Workers {
    type Response = Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request) -> Self::Future {
        let (pool, handler) = (self.pool.clone(), self.handler.clone());
        Box::pin(async move {
            let mut work = pool.work(false);
            if let Err(Overflow) = (&mut work).await {
                return Ok(status(StatusCode::SERVICE_UNAVAILABLE));
            }
            if let Some(reached) = req.extensions().get::<Reached>() {
                reached.0.store(true, Relaxed);
            }
            // Where workers are held, dropping `work` releases them.
            handler.oneshot(req).await
        })
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").finish_non_exhaustive()
    }
}
