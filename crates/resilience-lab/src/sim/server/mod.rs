//! Simulated servers, and the way to them.

mod config;
mod connection;
mod pool;
mod workers;

pub use config::{Discipline, HangUp, Link, ServerConfig, WhileWaiting};
pub use connection::{Connect, Connection};
pub use workers::Workers;

use super::{BoxService, Request, Sim, answer, figures::ServerFigures};
use connection::{AsServed, Wire};
use pool::Pool;
pub(crate) use pool::Totals;
use resilience_core::{
    BoxError, ConfigError,
    sync::{Mutex, lock},
};
use std::{fmt, sync::Arc};
use tower::{Service, util::BoxCloneService};

/// A simulated server that runs. Clones are the same.
#[derive(Clone)]
pub struct Server {
    name: Arc<str>,
    workers: u64,
    pool: Arc<Pool>,
    wire: Arc<Wire>,
    /// The server's layers, around its workers.
    service: Arc<Mutex<BoxService>>,
}

impl ServerConfig {
    /// Starts a server that does its work and answers 200.
    pub fn start(&self, sim: &Sim) -> Result<Server, ConfigError> {
        self.start_with(sim, answer(), |workers| workers)
    }

    /// Starts a server. When a worker has done the work of a call, `handler` goes on with it, for example by calling other
    /// servers; `layers` puts the server's own layers around both.
    ///
    /// Errors of the layers, and of the handler, are answered with 503: servers answer, they do not fail.
    pub fn start_with<H, L, S, B>(
        &self,
        sim: &Sim,
        handler: H,
        layers: L,
    ) -> Result<Server, ConfigError>
    where
        H: Service<Request, Response = super::Response, Error = BoxError, Future: Send>
            + Clone
            + Send
            + 'static,
        L: FnOnce(Workers) -> S,
        S: Service<Request, Response = http::Response<B>, Error: Into<BoxError>, Future: Send>
            + Clone
            + Send
            + 'static,
        B: 'static,
    {
        let pool = Pool::new(sim, self)?;
        let workers = Workers::new(pool.clone(), BoxCloneService::new(handler));
        let service = BoxCloneService::new(AsServed(layers(workers)));
        Ok(Server {
            name: self.name.as_str().into(),
            workers: self.workers,
            wire: Arc::new(Wire::new(sim, self)?),
            pool,
            service: Arc::new(Mutex::new(service)),
        })
    }
}

impl Server {
    /// A way to the server: a service for clients, with as many layers around it as they like.
    pub fn connect(&self) -> Connection {
        Connection {
            pool: self.pool.clone(),
            wire: self.wire.clone(),
            service: lock(&self.service).clone(),
        }
    }

    /// Calls that have arrived at the server, since it started or was told to [`forget`](Self::forget).
    pub fn arrived(&self) -> u64 {
        self.pool.totals().arrived
    }

    /// Calls whose work has been done.
    pub fn served(&self) -> u64 {
        self.pool.totals().served
    }

    /// Calls that wait for a worker at present.
    pub fn queue_length(&self) -> u64 {
        self.pool.totals().waiting
    }

    /// Workers that work at present.
    pub fn busy(&self) -> u64 {
        self.pool.totals().busy
    }

    /// Calls that wait for a worker, or have one, at present.
    pub fn in_system(&self) -> u64 {
        let totals = self.pool.totals();
        totals.waiting + totals.busy
    }

    /// Figures count from here.
    pub fn forget(&self) {
        self.pool.forget();
    }

    /// What has happened since the server started, or was told to [`forget`](Self::forget).
    pub fn figures(&self) -> ServerFigures {
        let now = self.wire.now();
        ServerFigures::new(&self.name, self.workers, &self.pool.totals(), now)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("name", &self.name)
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}
