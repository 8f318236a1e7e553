use crate::{RetryConfig, RetryEvent, machine::Plan};
use resilience_core::{Backoff, Budget, ConfigError, Entropy, Name, config};
use std::{fmt, sync::Arc, time::Duration};

/// Builds a `RetryLayer`.
///
/// | setting | default | range |
/// |---|---|---|
/// | [`attempts`](Self::attempts) | 3 | 1 to 100 |
/// | [`backoff`](Self::backoff) | [`Backoff::default`]: from 100 ms, doubling, up to 10 s, full jitter | checked by [`Backoff`] |
/// | [`deadline`](Self::deadline) | none | more than zero, at most 365 days |
/// | [`advice_cap`](Self::advice_cap) | 30 s | more than zero, at most 365 days |
/// | [`budget`](Self::budget), [`no_budget`](Self::no_budget) | a fresh [`Budget::default`] | checked by [`Budget`] |
/// | [`on_retry`](Self::on_retry) | nothing | |
/// | [`entropy`](Self::entropy) | seeded from the system | |
///
/// Nothing is checked before the end: `build` and [`plan`](Self::plan) name the first setting that cannot be.
#[derive(Clone)]
#[must_use = "a builder does nothing until it is built"]
pub struct RetryBuilder {
    pub(crate) name: Name,
    config: RetryConfig,
    /// Instead of one that is made when the layer is.
    budget: Option<Budget>,
    pub(crate) on_retry: Option<Hook>,
    entropy: Option<Entropy>,
}

pub(crate) type Hook = Arc<dyn Fn(&RetryEvent) + Send + Sync>;

impl RetryBuilder {
    /// The default, for a layer of this name: it stands in metrics and events.
    pub fn new(name: impl Into<Name>) -> Self {
        Self {
            name: name.into(),
            config: RetryConfig::default(),
            budget: None,
            on_retry: None,
            entropy: None,
        }
    }

    /// All settings at once, but for [`on_retry`](Self::on_retry) and [`entropy`](Self::entropy), which no configuration
    /// holds. A [`budget`](Self::budget) that is shared with others comes after it.
    pub fn config(mut self, config: RetryConfig) -> Self {
        self.config = config;
        self.budget = None;
        self
    }

    /// How often a request is sent at most, the first time included: 1 to 100. Default 3. With 1 there are no
    /// retries, and requests are not kept.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.config.attempts = attempts;
        self
    }

    /// How long to wait before each retry. Default: [`Backoff::default`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.config.backoff = backoff.into();
        self
    }

    /// How long after the call no further attempt may begin: more than zero, at most 365 days. Default: none.
    ///
    /// A retry whose wait would reach the deadline is not waited for. An attempt that is under way is not cut
    /// off: bound it with a timeout layer inside.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.config.deadline = Some(deadline);
        self
    }

    /// The longest delay that a server can ask for: more than zero, at most 365 days. Default 30 s.
    ///
    /// When a server asks for more, the retry comes after this time, spread [as advised delays are](crate#what-the-server-asks-for):
    /// up to twice as late.
    pub fn advice_cap(mut self, cap: Duration) -> Self {
        self.config.advice_cap = cap;
        self
    }

    /// Takes retries out of this budget, which may be shared with other layers that reach the same dependency.
    /// Default: a budget of the layer's own.
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Retries without a budget. When the dependency fails, it then gets `attempts` times the load: do this only
    /// where something else bounds the retries.
    pub fn no_budget(mut self) -> Self {
        self.config.budget = None;
        self.budget = None;
        self
    }

    /// Calls `hook` whenever a retry has been decided, before the wait for it. Runs in the caller's task.
    pub fn on_retry(mut self, hook: impl Fn(&RetryEvent) + Send + Sync + 'static) -> Self {
        self.on_retry = Some(Arc::new(hook));
        self
    }

    /// Where the jitter comes from. Default: a generator seeded from the system. All services of the layer share
    /// it, so that no two of them back off in step.
    pub fn entropy(mut self, entropy: Entropy) -> Self {
        self.entropy = Some(entropy);
        self
    }

    /// The machine's part of it, or which setting cannot be.
    pub fn plan(&self) -> Result<Plan, ConfigError> {
        self.checked().map_err(|error| error.of(self.name.clone()))
    }

    fn checked(&self) -> Result<Plan, ConfigError> {
        let config = &self.config;
        let deadline = config.deadline;
        let budget = match (&self.budget, &config.budget) {
            (Some(shared), _) => Some(shared.clone()),
            (None, Some(own)) => {
                let own = Budget::from_config(own.clone());
                Some(own.map_err(|error| error.under("budget"))?)
            }
            (None, None) => None,
        };
        let backoff = config.backoff.build();
        Ok(Plan {
            attempts: config::count("attempts", config.attempts, 1, 100)?,
            backoff: backoff.map_err(|error| error.under("backoff"))?,
            entropy: self.entropy.clone().unwrap_or_default(),
            deadline: deadline
                .map(|deadline| config::duration("deadline", deadline))
                .transpose()?,
            advice_cap: config::duration("advice_cap", config.advice_cap)?,
            budget,
        })
    }
}

impl fmt::Debug for RetryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBuilder")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
