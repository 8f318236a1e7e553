use crate::{
    Keyed, KeyedConfig, KeyedRateLimit, NoKey, Overflow, Pace, Quota,
    common::Common,
    keyed,
    machine::{Policies, Rates},
    rate_limit,
    telemetry::{Calls, Telemetry},
};
use resilience_core::{
    ConfigError, Forget, Name,
    sync::{Arc, Handles},
};
use resilience_ratelimit::{One, machine::Gcra};
use std::{fmt, marker::PhantomData, time::Duration};

/// Builds a [`Keyed`] or a [`KeyedRateLimit`]. Begun by [`Keyed::builder`].
///
/// | setting | default | range |
/// |---|---|---|
/// | [`key`](KeyedBuilder::key) | | comes first |
/// | [`each`](Self::each), or [`quota`](Self::quota), or [`quota_by`](Self::quota_by) | | one of them |
/// | [`max_keys`](Self::max_keys) | 100,000 | 1 to 100,000,000 |
/// | [`idle`](Self::idle) | 10 minutes | more than zero, at most 365 days |
/// | [`no_key`](Self::no_key) | [`NoKey::Refuse`] | |
/// | [`overflow`](Self::overflow) | [`Overflow::Share`] | |
#[must_use = "it does nothing until it is built"]
pub struct KeyedBuilder<K = (), F = (), M = ()> {
    settings: Settings,
    key: F,
    kept: M,
    of: PhantomData<fn() -> K>,
}

#[derive(Debug)]
struct Settings {
    name: Name,
    config: KeyedConfig,
}

impl Settings {
    fn common(&self) -> Common {
        Common {
            telemetry: Telemetry::new(&self.name),
            name: self.name.clone(),
            no_key: self.config.no_key,
        }
    }
}

/// A policy for each key.
pub struct Each<K, P>(keyed::Factory<K, P>);

/// A quota for each key.
pub struct Quotas<K>(Asked<K>);

enum Asked<K> {
    Same(Quota),
    By(rate_limit::PaceBy<K>),
}

impl KeyedBuilder {
    pub(crate) fn new(name: Name) -> Self {
        let settings = Settings {
            name,
            config: KeyedConfig::default(),
        };
        Self::of(settings, (), ())
    }

    /// Tells requests apart: a host, a tenant, an endpoint, an address. `None` for a request without a key: see
    /// [`no_key`](Self::no_key).
    ///
    /// Called once for every request, without any lock held. What it allocates is allocated for every request: prefer
    /// keys that are numbers or addresses, or that are cheap to clone.
    pub fn key<Req: ?Sized, K, F>(self, key: F) -> KeyedBuilder<K, F>
    where
        F: Fn(&Req) -> Option<K>,
    {
        KeyedBuilder::of(self.settings, key, ())
    }
}

impl<K, F, M> KeyedBuilder<K, F, M> {
    fn of(settings: Settings, key: F, kept: M) -> Self {
        Self {
            settings,
            key,
            kept,
            of: PhantomData,
        }
    }

    /// All settings at once, but for what tells requests apart and what is kept for each.
    pub fn config(mut self, config: KeyedConfig) -> Self {
        self.settings.config = config;
        self
    }

    /// How many keys there may be at once: a hard cap.
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.settings.config.max_keys = keys;
        self
    }

    /// What becomes of requests that have no key.
    pub fn no_key(mut self, no_key: NoKey) -> Self {
        self.settings.config.no_key = no_key;
        self
    }

    /// What becomes of requests with a new key while there is no room.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.settings.config.overflow = overflow;
        self
    }
}

impl<K, F> KeyedBuilder<K, F> {
    /// Makes a policy for each key, with settings of its own if you like. It gets `None` once, at the start, for the
    /// policy that all keys share for which there is no room (unless they are [refused](Overflow::Refuse)): that
    /// one should allow what *one* key may.
    ///
    /// Called for the first call of a new key, without any lock held; of two that race, one policy is used by both. It
    /// should make a new policy each time: one that is shared with others is never dropped.
    ///
    /// It cannot fail, since there is nobody to tell when a call comes by. Where the settings are not fixed, have all of them
    /// checked once before, and hand on those that were:
    ///
    /// ```
    /// use resilience_bulkhead::Bulkhead;
    /// use resilience_keyed::Keyed;
    /// use std::collections::HashMap;
    ///
    /// # fn main() -> Result<(), resilience_core::ConfigError> {
    /// # let configured = (8, HashMap::from([(7_u64, 100)]));
    /// let (usual, of_some): (usize, HashMap<u64, usize>) = configured;
    /// for &limit in of_some.values().chain([&usual]) {
    ///     Bulkhead::new("tenants", limit)?;
    /// }
    /// let tenants = Keyed::builder("tenants")
    ///     .key(|tenant: &u64| Some(*tenant))
    ///     .each(move |tenant| {
    ///         let own = tenant.and_then(|tenant| of_some.get(tenant));
    ///         Bulkhead::new("tenants", *own.unwrap_or(&usual)).expect("checked above")
    ///     })
    ///     .build()?;
    /// # let _ = tenants;
    /// # Ok(())
    /// # }
    /// ```
    pub fn each<P, G>(self, policy: G) -> KeyedBuilder<K, F, Each<K, P>>
    where
        G: Fn(Option<&K>) -> P + Send + Sync + 'static,
    {
        KeyedBuilder::of(self.settings, self.key, Each(Box::new(policy)))
    }

    /// Gives each key this quota. What is kept for a key is one word.
    pub fn quota(self, quota: Quota) -> KeyedBuilder<K, F, Quotas<K>> {
        KeyedBuilder::of(self.settings, self.key, Quotas(Asked::Same(quota)))
    }

    /// Gives each key the quota that `pace` says, which is a [`Quota`] that has been checked. `None` stands for all keys
    /// together for which there is no room: answer with what *one* key may.
    ///
    /// Called for every request, without any lock held, and so should be quick. The answer for a key may change: it
    /// holds from the next call on. What is kept for a key is one word.
    ///
    /// ```
    /// use resilience_keyed::{Keyed, Pace, Quota};
    ///
    /// # fn main() -> Result<(), resilience_core::ConfigError> {
    /// let paying = Pace::new(Quota::per_second(1_000))?;
    /// let others = Pace::new(Quota::per_second(10).burst(20))?;
    /// let tenants = Keyed::builder("tenants")
    ///     .key(|tenant: &u64| Some(*tenant))
    ///     .quota_by(move |tenant| if tenant == Some(&7) { paying } else { others })
    ///     .build()?;
    /// # let _ = tenants;
    /// # Ok(())
    /// # }
    /// ```
    pub fn quota_by<G>(self, pace: G) -> KeyedBuilder<K, F, Quotas<K>>
    where
        G: Fn(Option<&K>) -> Pace + Send + Sync + 'static,
    {
        KeyedBuilder::of(self.settings, self.key, Quotas(Asked::By(Box::new(pace))))
    }
}

impl<K, F, P> KeyedBuilder<K, F, Each<K, P>> {
    /// How long policies are kept that nobody uses, at least. At most it is as long as it takes until other calls come
    /// by to sweep.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.settings.config.idle = idle;
        self
    }

    /// The policies, or what is wrong with their configuration.
    pub fn build(self) -> Result<Keyed<K, P, F>, ConfigError>
    where
        P: Forget + Clone,
    {
        let Each(factory) = self.kept;
        let policies = Policies::new(self.settings.config.max_keys, self.settings.config.idle);
        let policies = policies.map_err(|error| error.of(self.settings.name.clone()))?;
        let overflow = match self.settings.config.overflow {
            Overflow::Share => Some(factory(None)),
            Overflow::Refuse => None,
        };
        let shared = Arc::new(keyed::Shared {
            policies,
            factory,
            overflow,
            common: self.settings.common(),
        });
        Ok(Keyed::new(shared, self.key))
    }
}

impl<K, F> KeyedBuilder<K, F, Quotas<K>> {
    /// The limits, or what is wrong with their configuration.
    pub fn build(self) -> Result<KeyedRateLimit<K, F>, ConfigError> {
        let name = self.settings.name.clone();
        let named = |error: ConfigError| error.of(name.clone());
        let pace = match self.kept.0 {
            Asked::Same(quota) => rate_limit::Paces::Same(Pace::new(quota).map_err(named)?),
            Asked::By(pace) => rate_limit::Paces::By(pace),
        };
        let overflow = match self.settings.config.overflow {
            Overflow::Share => Some(Gcra::new(pace.of(None).quota()).map_err(named)?),
            Overflow::Refuse => None,
        };
        let shared = Handles::new(rate_limit::Shared {
            rates: Rates::new(self.settings.config.max_keys).map_err(named)?,
            pace,
            overflow,
            common: self.settings.common(),
            calls: Calls::new(&self.settings.name),
        });
        Ok(KeyedRateLimit::new(shared, self.key, One))
    }
}

impl<K, F, M> fmt::Debug for KeyedBuilder<K, F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl<K, P> fmt::Debug for Each<K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Each")
    }
}

impl<K> fmt::Debug for Quotas<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quotas")
    }
}
