//! Those who call.

use super::{
    Arrivals, ClientFigures, Request, Sampler, Sim,
    arrivals::{Plan, Times},
};
use futures_util::future::{Either, select};
use http::Response;
use resilience_core::{
    BoxError, ConfigError,
    config::{self, humane},
    sync::{Mutex, lock},
};
use serde::{Deserialize, Serialize};
use std::{fmt, pin::pin, sync::Arc, time::Duration};
use tower::{Service, ServiceExt};

mod counts;

use counts::{Counts, End};

/// A client, or many: when they call, and how long they wait.
///
/// ```
/// use resilience_lab::sim::ClientConfig;
///
/// let text = r#"
/// name = "shop"
/// patience = "100ms"
/// arrivals.poisson.rate = "700/s""#;
/// let client: ClientConfig = toml::from_str(text).unwrap();
/// assert!(client.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientConfig {
    /// In figures, and the source of its chances.
    pub name: String,
    /// When calls come.
    pub arrivals: Arrivals,
    /// How long a caller waits for an answer, to the nanosecond: then it hangs up. For ever by default.
    #[serde(default, with = "humane")]
    pub patience: Option<Duration>,
    /// From when on it calls. From the start by default.
    #[serde(default, with = "humane")]
    pub from: Duration,
    /// Until when it calls. To the end by default.
    #[serde(default, with = "humane")]
    pub until: Option<Duration>,
}

impl ClientConfig {
    /// Calls for ever, with endless patience.
    pub fn new(name: impl Into<String>, arrivals: Arrivals) -> Self {
        Self {
            name: name.into(),
            arrivals,
            patience: None,
            from: Duration::ZERO,
            until: None,
        }
    }

    /// How long a caller waits for an answer.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Calls from `from` until `until`, in time since the client started.
    pub fn between(mut self, from: Duration, until: Duration) -> Self {
        (self.from, self.until) = (from, Some(until));
        self
    }

    /// Which field cannot be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.plan().map(drop)
    }

    fn plan(&self) -> Result<Plan, ConfigError> {
        if let Some(patience) = self.patience {
            config::duration("patience", patience)?;
        }
        if let Some(until) = self.until
            && until <= self.from
        {
            return Err(ConfigError::new("until", until, "after `from`"));
        }
        self.arrivals
            .plan()
            .map_err(|error| error.under("arrivals"))
    }

    /// Begins to call `service`: a [`Connection`](super::Connection) with the client's layers around it. Each call is one of a
    /// clone.
    pub fn start<S, B>(&self, sim: &Sim, service: S) -> Result<Client, ConfigError>
    where
        S: Service<Request, Response = Response<B>, Error: Into<BoxError>, Future: Send>
            + Clone
            + Send
            + 'static,
        B: Send + 'static,
    {
        let plan = self.plan()?;
        let client = Client {
            name: self.name.as_str().into(),
            sim: sim.clone(),
            counts: Arc::new(Mutex::new(Counts::new(sim.now()))),
        };
        let caller = Caller {
            client: client.clone(),
            service,
            patience: self.patience,
        };
        let begun = sim.now() + self.from;
        let until = self
            .until
            .map_or(Duration::MAX, |until| sim.now().saturating_add(until));
        match plan {
            Plan::Users { count, think } => {
                for _ in 0..count {
                    let stream = sim.stream(&format!("{}/user", self.name));
                    tokio::spawn(user(caller.clone(), think.clone(), stream, begun, until));
                }
            }
            open => {
                let stream = sim.stream(&format!("{}/arrivals", self.name));
                tokio::spawn(open_loop(caller, Times::new(open), stream, begun, until));
            }
        }
        Ok(client)
    }
}

async fn open_loop<S, B>(
    caller: Caller<S>,
    mut times: Times,
    mut stream: super::Stream,
    begun: Duration,
    until: Duration,
) where
    S: Service<Request, Response = Response<B>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Send + 'static,
{
    while let Some(at) = times.next(&mut stream) {
        let at = begun.saturating_add(at);
        if at >= until {
            return;
        }
        caller.client.sim.sleep_until(at).await;
        tokio::spawn(caller.clone().call());
    }
}

async fn user<S, B>(
    caller: Caller<S>,
    think: Sampler,
    mut stream: super::Stream,
    begun: Duration,
    until: Duration,
) where
    S: Service<Request, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send,
    B: Send + 'static,
{
    let sim = caller.client.sim.clone();
    sim.sleep_until(begun).await;
    loop {
        sim.sleep(think.draw(&mut stream)).await;
        if sim.now() >= until {
            return;
        }
        caller.clone().call().await;
    }
}

/// What makes calls.
#[derive(Clone)]
struct Caller<S> {
    client: Client,
    service: S,
    patience: Option<Duration>,
}

impl<S, B> Caller<S>
where
    S: Service<Request, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone + Send,
    B: Send + 'static,
{
    async fn call(self) {
        let Self {
            client,
            service,
            patience,
        } = self;
        let begun = client.sim.now();
        let age = lock(&client.counts).offer();
        let call = pin!(service.oneshot(Request::default()));
        let end = match patience {
            None => End::of(call.await.map_err(Into::into)),
            Some(patience) => {
                let timeout = client.sim.sleep(patience);
                match select(call, timeout).await {
                    Either::Left((result, _)) => End::of(result.map_err(Into::into)),
                    Either::Right(_) => End::Late,
                }
            }
        };
        let took = client.sim.now().saturating_sub(begun);
        lock(&client.counts).end(age, end, took);
    }
}

/// A client that calls. Clones are the same; it goes on when they are dropped.
#[derive(Clone)]
pub struct Client {
    name: Arc<str>,
    sim: Sim,
    counts: Arc<Mutex<Counts>>,
}

impl Client {
    /// Calls made so far.
    pub fn offered(&self) -> u64 {
        lock(&self.counts).offered()
    }

    /// Calls that were answered well and in time so far.
    pub fn answered(&self) -> u64 {
        lock(&self.counts).ended(End::Answered)
    }

    /// Calls that were answered in time so far, by a fallback included.
    pub fn answered_or_degraded(&self) -> u64 {
        let counts = lock(&self.counts);
        counts.ended(End::Answered) + counts.ended(End::Degraded)
    }

    /// Calls that are not over yet.
    pub fn in_flight(&self) -> u64 {
        lock(&self.counts).in_flight()
    }

    /// Figures count from here. Calls that are under way do not count.
    pub fn forget(&self) {
        lock(&self.counts).forget(self.sim.now());
    }

    /// What became of the calls since the client started, or was told to [`forget`](Self::forget).
    pub fn figures(&self) -> ClientFigures {
        lock(&self.counts).figures(&self.name, self.sim.now())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
