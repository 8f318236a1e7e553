//! The stacks that are compared, each configured once for all scenarios.

use super::{
    base::{ATTEMPT, PATIENCE, RETRIES},
    peer,
};
use crate::sim::{Connection, NaiveRetry, Request, Response, Sim, Stream, Workers};
use resilience_core::{
    BoxError,
    sync::{Mutex, lock},
};
use resilience_stack::{
    breaker::{Breaker, State},
    bulkhead::Bulkhead,
    client::ClientStack,
    config::{ClientConfig, ServerConfig},
    file::StackFile,
    server::ServerStack,
};
use std::{sync::Arc, time::Duration};
use tower::{
    ServiceBuilder,
    limit::GlobalConcurrencyLimitLayer,
    retry::{
        Policy,
        backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff},
        budget::{Budget, TpsBudget},
    },
    util::{BoxCloneServiceLayer, rng::Rng},
};

/// What is compared: the layers around every client, and around every server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// A timeout around each call, and nothing else.
    Nothing,
    /// Retries at once, up to three, around that.
    Naive,
    /// Tower's own layers, configured as well as their documentation allows.
    Tower,
    /// The presets of this family: `ClientStack` and `ServerStack`.
    Presets,
    /// The same without the breakers: what the others do alone. Not one of [`ALL`](Self::ALL).
    NoBreaker,
    /// The layers of tower-resilience, as near to the presets as they go: in real time alone, and with the feature `peers`. Not one
    /// of [`ALL`](Self::ALL).
    TowerResilience,
}

/// The layers around the clients of one process.
pub struct Outgoing {
    /// All of them.
    pub layer: BoxCloneServiceLayer<Connection, Request, Response, BoxError>,
    /// The breaker among them.
    pub breaker: Option<Breaker>,
    /// The bulkhead among them.
    pub bulkhead: Option<Bulkhead>,
    /// Whether a breaker of another family is open.
    pub(super) open: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Outgoing {
    /// Whether the breaker among them is open, whoever made it; `None` if there is none.
    pub fn is_open(&self) -> Option<bool> {
        let ours = self
            .breaker
            .as_ref()
            .map(|breaker| breaker.state() == State::Open);
        ours.or_else(|| self.open.as_ref().map(|open| open()))
    }
}

/// The layers around a server's workers.
pub type Incoming = BoxCloneServiceLayer<Workers, Request, Response, BoxError>;

/// How many calls a server lets in at once: three times what it works on.
pub(super) const SERVER_LIMIT: usize = 30;

/// How many calls a client has in flight at most: the preset's default.
pub(super) const CLIENT_LIMIT: usize = 100;

/// The file of the presets' configurations: one for all scenarios.
pub const PRESETS: &str = include_str!("presets.toml");

/// What [`PRESETS`] says of the client.
pub fn client() -> Result<ClientConfig, BoxError> {
    Ok(StackFile::parse(PRESETS)?.client_config("client")?.clone())
}

/// What [`PRESETS`] says of the server.
pub fn server() -> Result<ServerConfig, BoxError> {
    Ok(StackFile::parse(PRESETS)?.server_config("server")?.clone())
}

impl Stack {
    /// All of them, the protected ones last.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Naive, Self::Tower, Self::Presets];

    /// As it stands in tables and charts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Naive => "naive retries",
            Self::Tower => "Tower's layers",
            Self::Presets => "presets",
            Self::NoBreaker => "presets, no breaker",
            Self::TowerResilience => "tower-resilience",
        }
    }

    /// The layers of a client process.
    pub fn client(self, sim: &Sim, name: &str) -> Result<Outgoing, BoxError> {
        let timeout = ServiceBuilder::new().timeout(ATTEMPT);
        let layer = match self {
            Self::Nothing => BoxCloneServiceLayer::new(timeout),
            Self::Naive => BoxCloneServiceLayer::new(
                ServiceBuilder::new()
                    .layer(NaiveRetry::layer(RETRIES))
                    .layer(timeout.into_inner()),
            ),
            Self::Tower => BoxCloneServiceLayer::new(
                ServiceBuilder::new()
                    .timeout(PATIENCE)
                    .retry(TowerRetry::new(sim.stream(name))?)
                    .load_shed()
                    .layer(GlobalConcurrencyLimitLayer::new(CLIENT_LIMIT))
                    .layer(timeout.into_inner()),
            ),
            Self::Presets => return calling(sim, name, client()?),
            Self::NoBreaker => {
                let mut config = client()?;
                config.breaker = None;
                return calling(sim, name, config);
            }
            Self::TowerResilience => return peer::client(false),
        };
        Ok(Outgoing {
            layer,
            breaker: None,
            bulkhead: None,
            open: None,
        })
    }

    /// The layers of a server.
    pub fn server(self, sim: &Sim, name: &str) -> Result<Incoming, BoxError> {
        Ok(match self {
            Self::Nothing | Self::Naive => BoxCloneServiceLayer::new(ServiceBuilder::new()),
            Self::Tower => BoxCloneServiceLayer::new(
                ServiceBuilder::new()
                    .load_shed()
                    .layer(GlobalConcurrencyLimitLayer::new(SERVER_LIMIT))
                    .timeout(ATTEMPT),
            ),
            Self::Presets | Self::NoBreaker => return serving(sim, name, server()?),
            Self::TowerResilience => return peer::server(SERVER_LIMIT, ATTEMPT),
        })
    }
}

/// The preset of servers, as `config` says.
pub fn serving(sim: &Sim, name: &str, config: ServerConfig) -> Result<Incoming, BoxError> {
    let stack = sim.seeded(name, || {
        ServerStack::http(name.to_owned()).config(config).build()
    })?;
    Ok(BoxCloneServiceLayer::new(
        ServiceBuilder::new().map_response(heads).layer(stack),
    ))
}

/// The preset of clients, as `config` says.
pub fn calling(sim: &Sim, name: &str, config: ClientConfig) -> Result<Outgoing, BoxError> {
    let stack = sim.seeded(name, || {
        ClientStack::http(name.to_owned()).config(config).build()
    })?;
    Ok(Outgoing {
        breaker: stack.breaker().cloned(),
        bulkhead: stack.bulkhead().cloned(),
        open: None,
        layer: BoxCloneServiceLayer::new(ServiceBuilder::new().map_response(heads).layer(stack)),
    })
}

/// Bodies are empty here.
pub(super) fn heads<B>(response: http::Response<B>) -> Response {
    response.map(|_| crate::sim::Body::default())
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing")
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

/// Retries as the documentation of [`tower::retry`] shows them: so many at most, within a budget, and with a backoff. Values are
/// its defaults.
///
/// Unlike the default's, jitter comes from one generator, so that callers do not wait in step.
#[derive(Clone)]
struct TowerRetry {
    left: u32,
    budget: Arc<TpsBudget>,
    backoff: ExponentialBackoff<Chance>,
}

impl TowerRetry {
    fn new(stream: Stream) -> Result<Self, BoxError> {
        let chance = Chance(Arc::new(Mutex::new(stream)));
        let (base, cap) = (Duration::from_millis(50), Duration::from_secs(3600));
        let mut backoff = ExponentialBackoffMaker::new(base, cap, 0.99, chance)
            .map_err(|error| format!("{error:?}"))?;
        Ok(Self {
            left: RETRIES,
            budget: Arc::new(TpsBudget::default()),
            backoff: backoff.make_backoff(),
        })
    }
}

impl<E> Policy<Request, Response, E> for TowerRetry {
    type Future = tokio::time::Sleep;

    fn retry(&mut self, _: &mut Request, result: &mut Result<Response, E>) -> Option<Self::Future> {
        if result
            .as_ref()
            .is_ok_and(|response| crate::sim::is_good(response.status()))
        {
            self.budget.deposit();
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        self.budget.withdraw().then(|| self.backoff.next_backoff())
    }

    fn clone_request(&mut self, req: &Request) -> Option<Request> {
        Some(req.clone())
    }
}

/// Shared by its clones.
#[derive(Clone)]
struct Chance(Arc<Mutex<Stream>>);

impl Rng for Chance {
    fn next_u64(&mut self) -> u64 {
        lock(&self.0).bits()
    }
}
