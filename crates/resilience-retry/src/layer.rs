use crate::{
    Retry, RetryBuilder, RetryConfig, RetryEvent,
    builder::Hook,
    machine::{self, Decision, Plan},
    telemetry::{self, Telemetry},
};
use resilience_core::{Budget, ByClone, ConfigError, Errors, Name, Now, Outcome, Policy, clock};
use std::{fmt, sync::Arc};
use tower_layer::Layer;

/// Sends failed requests again: see [`Retry`].
///
/// One layer value is one budget and one source of jitter: every service that it makes, every clone of the layer
/// and of those services share them.
///
/// | part | default | change it with |
/// |---|---|---|
/// | which outcomes are failures | [`Errors`]: every error | [`classify`](Self::classify) |
/// | how a request is sent again | [`ByClone`]: a clone, whatever it is | [`replay`](Self::replay) |
///
/// Around HTTP and gRPC, call `.http()` or `.grpc()` (`use resilience_http::HttpLayer`), which set both. It compiles without,
/// where the request is `Clone`, and is wrong: a `POST` is then repeated though it was received, and responses of any status
/// are successes.
pub struct RetryLayer<C = Errors, R = ByClone> {
    pub(crate) parts: Parts<C, R>,
}

/// What a layer, its clones, their services and calls have in common.
pub(crate) struct Shared {
    name: Name,
    pub(crate) plan: Plan,
    pub(crate) telemetry: Telemetry,
    on_retry: Option<Hook>,
}

/// [`Shared`], and what has a type of its own.
pub(crate) struct Parts<C, R> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) classify: Arc<C>,
    pub(crate) replay: Arc<R>,
    refusing: Option<Refusing>,
}

/// Whether one of the policies that were named refuses everybody.
type Refusing = Arc<dyn Fn(&mut Now) -> bool + Send + Sync>;

impl RetryLayer {
    /// Configures retries. `name` stands in metrics and events.
    pub fn builder(name: impl Into<Name>) -> RetryBuilder {
        RetryBuilder::new(name)
    }

    /// The layer that `config` describes, or which setting cannot be.
    pub fn from_config(name: impl Into<Name>, config: RetryConfig) -> Result<Self, ConfigError> {
        Self::builder(name).config(config).build()
    }
}

impl RetryBuilder {
    /// The layer, or which setting cannot be.
    pub fn build(self) -> Result<RetryLayer, ConfigError> {
        let plan = self.plan()?;
        if let Some(budget) = plan.budget() {
            // A budget begins with the first look at it.
            budget.available(clock::now());
        }
        let shared = Shared {
            telemetry: Telemetry::new(&self.name),
            name: self.name,
            plan,
            on_retry: self.on_retry,
        };
        let parts = Parts {
            shared: Arc::new(shared),
            classify: Arc::new(Errors),
            replay: Arc::new(ByClone),
            refusing: None,
        };
        Ok(RetryLayer { parts })
    }
}

impl<C, R> RetryLayer<C, R> {
    /// Decides with `classify` which outcomes are failures. It sees the request as the inner service gets it.
    pub fn classify<D>(self, classify: D) -> RetryLayer<D, R> {
        let Parts {
            shared,
            replay,
            refusing,
            ..
        } = self.parts;
        let classify = Arc::new(classify);
        let parts = Parts {
            shared,
            classify,
            replay,
            refusing,
        };
        RetryLayer { parts }
    }

    /// Sends requests again as `replay` says.
    pub fn replay<Q>(self, replay: Q) -> RetryLayer<C, Q> {
        let Parts {
            shared,
            classify,
            refusing,
            ..
        } = self.parts;
        let replay = Arc::new(replay);
        let parts = Parts {
            shared,
            classify,
            replay,
            refusing,
        };
        RetryLayer { parts }
    }

    /// Does not retry while `policy` says that it is [refusing](Policy::refusing): the caller gets the failure that there is, at
    /// once, instead of what may be a refusal after the wait. For the breaker that attempts pass further in; the presets name theirs.
    ///
    /// It is asked when an attempt has failed that would be retried, before the wait, and not whether it will still refuse
    /// when the wait is over: a breaker is refusing until it has closed, and so no retry is its probe. Where several are named, one that
    /// refuses is enough.
    ///
    /// A policy that refuses by what the request says, such as a breaker per key, does not refuse everybody; one that is full for
    /// a moment, such as a bulkhead, does, and is seldom meant.
    pub fn unless_refusing(mut self, policy: impl Policy<()> + Send + Sync + 'static) -> Self {
        let before = self.parts.refusing.take();
        self.parts.refusing = Some(Arc::new(move |now| {
            policy.refusing(now) || before.as_ref().is_some_and(|before| before(now))
        }));
        self
    }

    /// The name.
    pub fn name(&self) -> &Name {
        &self.parts.shared.name
    }

    /// Whether a call can be retried at all.
    pub fn retries(&self) -> bool {
        self.parts.shared.plan.retries()
    }

    /// The budget, unless there is none.
    pub fn budget(&self) -> Option<&Budget> {
        self.parts.shared.plan.budget()
    }
}

impl<C, R> Parts<C, R> {
    /// Whether there is no use in waiting: the next attempt would be refused.
    pub(crate) fn refusing(&self, now: &mut Now) -> bool {
        self.refusing.as_ref().is_some_and(|refusing| refusing(now))
    }
}

impl Shared {
    /// A call is over after so many attempts. Whether its retries are [exhausted](resilience_core::Verdict::exhausted).
    #[inline]
    pub(crate) fn ended(&self, attempts: u32, outcome: Outcome, decision: &Decision) -> bool {
        if let Decision::Stop(why) = decision {
            self.telemetry.stopped(*why);
            return self.plan.retries() && why.exhausts();
        }
        if attempts > 1 && outcome == Outcome::Success {
            self.telemetry.recovered();
        }
        false
    }

    /// Tells everybody of a retry to come.
    pub(crate) fn decided(&self, attempt: u32, outcome: Outcome, retry: &machine::Retry) {
        let event = RetryEvent {
            policy: self.name.clone(),
            attempt,
            outcome,
            wait: retry.wait,
        };
        telemetry::decided(&event);
        if let Some(hook) = &self.on_retry {
            hook(&event);
        }
    }
}

/// By hand: a derived `Clone` would ask for `C: Clone` and `R: Clone`.
impl<C, R> Clone for Parts<C, R> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            classify: self.classify.clone(),
            replay: self.replay.clone(),
            refusing: self.refusing.clone(),
        }
    }
}

/// A clone shares the budget.
impl<C, R> Clone for RetryLayer<C, R> {
    fn clone(&self) -> Self {
        let parts = self.parts.clone();
        Self { parts }
    }
}

impl<C: fmt::Debug, R: fmt::Debug> fmt::Debug for RetryLayer<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("name", &self.parts.shared.name)
            .field("plan", &self.parts.shared.plan)
            .field("classify", &self.parts.classify)
            .field("replay", &self.parts.replay)
            .finish_non_exhaustive()
    }
}

impl<S: Clone, C, R> Layer<S> for RetryLayer<C, R> {
    type Service = Retry<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry::new(inner, self.parts.clone())
    }
}
