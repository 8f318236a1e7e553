use crate::{
    KeyedBuilder,
    common::Common,
    machine::{Changes, Policies},
};
use resilience_core::{Forget, GuardLayer, Name, Now, Policy, Rejected, Timestamp, sync::Arc};
use std::{borrow::Borrow, fmt, hash::Hash};

/// The layer of a [`Keyed`].
pub type KeyedLayer<K, P, F> = GuardLayer<Keyed<K, P, F>>;

pub(crate) type Factory<K, P> = Box<dyn Fn(Option<&K>) -> P + Send + Sync>;

/// One policy `P` for each key `K`; and the handle to them.
///
/// `F` finds the key in a request. Without one (the default), this is a [handle](Self::handle), whose type is easy to
/// name, and not a policy.
///
/// A clone is the same set of policies, and so is every layer made of it.
pub struct Keyed<K, P, F = ()> {
    shared: Arc<Shared<K, P>>,
    key: F,
}

pub(crate) struct Shared<K, P> {
    pub(crate) policies: Policies<K, P>,
    pub(crate) factory: Factory<K, P>,
    /// For keys that find no room; `None` if they are refused.
    pub(crate) overflow: Option<P>,
    pub(crate) common: Common,
}

impl Keyed<(), ()> {
    /// Begins policies per key, under a name that stands in refusals of this map (those of the policies carry the names
    /// that you give them) and in metrics.
    pub fn builder(name: impl Into<Name>) -> KeyedBuilder {
        KeyedBuilder::new(name.into())
    }
}

impl<K, P, F> Keyed<K, P, F> {
    pub(crate) fn new(shared: Arc<Shared<K, P>>, key: F) -> Self {
        Self { shared, key }
    }

    /// A handle to the same policies.
    pub fn handle(&self) -> Keyed<K, P> {
        Keyed::new(self.shared.clone(), ())
    }

    /// The same policies, with the same keys, for requests of another type.
    pub fn key<Req: ?Sized, G: Fn(&Req) -> Option<K>>(&self, key: G) -> Keyed<K, P, G> {
        Keyed::new(self.shared.clone(), key)
    }

    /// A Tower layer over these policies.
    pub fn layer(&self) -> KeyedLayer<K, P, F>
    where
        F: Clone,
    {
        GuardLayer::new(self.clone())
    }

    /// The name given by the user.
    pub fn name(&self) -> &Name {
        &self.shared.common.name
    }

    /// How many keys there are. Never more than [`max_keys`](Self::max_keys).
    pub fn len(&self) -> usize {
        self.shared.policies.map().len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many keys there may be.
    pub fn max_keys(&self) -> usize {
        self.shared.policies.map().max_keys()
    }

    /// All keys, in no order.
    pub fn keys(&self) -> Vec<K>
    where
        K: Clone,
    {
        self.shared.policies.map().keys()
    }

    /// Removes all keys, as [`remove`](Self::remove) does.
    pub fn clear(&self) {
        let removed = self.shared.policies.map().clear();
        self.shared.common.telemetry.removed(removed);
    }

    /// The policy of those keys for which there is no room; `None` if they are refused.
    pub fn overflow(&self) -> Option<&P> {
        self.shared.overflow.as_ref()
    }

    /// Uses this recorder for metrics instead of the global one, but for those of the policies. Without effect on those
    /// used before.
    #[cfg(feature = "metrics")]
    pub fn bind_recorder(&self, recorder: &dyn metrics::Recorder) {
        self.shared.common.telemetry.bind(recorder);
    }
}

impl<K: Hash + Eq, P: Forget + Clone, F> Keyed<K, P, F> {
    /// The policy of a key, to read and to steer it. While you hold it, the key is not dropped.
    pub fn get<Q>(&self, key: &Q) -> Option<P>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.shared.policies.get(key)
    }

    /// Removes a key, and returns its policy. The next call makes a new one, which knows nothing of the old: of the
    /// calls under way, for example, which end at the old one.
    ///
    /// To reset a policy that knows how, [`get`](Self::get) it.
    pub fn remove<Q>(&self, key: &Q) -> Option<P>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let removed = self.shared.policies.remove(key)?;
        self.shared.common.telemetry.removed(1);
        Some(removed)
    }

    /// Looks at all keys, drops those that may be dropped at `now`, which is
    /// [`clock::now()`](resilience_core::clock::now) but in simulations, and returns how many.
    ///
    /// Calls do this bit by bit. It is for processes that want their memory back while there are none.
    pub fn sweep(&self, now: Timestamp) -> usize {
        let dropped = self.shared.policies.map().sweep(now);
        let changes = Changes {
            added: false,
            dropped,
        };
        self.shared.common.telemetry.changed(changes);
        dropped
    }
}

impl<K: Hash + Eq, P: Forget + Clone> Shared<K, P> {
    /// The policy to ask, and the time to ask it with; `None` if there is no room for the key.
    fn policy(&self, key: K, now: Timestamp) -> Option<(P, Timestamp)> {
        let map = self.policies.map();
        let hash = map.hash(&key);
        let (known, dropped) = self.policies.call(hash, &key, now);
        let mut changes = Changes {
            added: false,
            dropped,
        };
        let found = known.or_else(|| {
            let (room, dropped) = map.room(now);
            changes.dropped += dropped;
            // Before the lock is taken: this is the user's code.
            let room = room?;
            let policy = (self.factory)(Some(&key));
            let (found, added) = self.policies.first_call(room, hash, key, policy, now);
            changes.added = added;
            Some(found)
        });
        self.common.telemetry.changed(changes);
        found
    }
}

impl<Req, K, P, F> Policy<Req> for Keyed<K, P, F>
where
    Req: ?Sized,
    K: Hash + Eq,
    P: Policy<Req> + Forget + Clone,
    F: Fn(&Req) -> Option<K>,
{
    /// `None` for a request without a key.
    type Permit = Option<P::Permit>;

    fn admit(&self, req: &Req, now: &mut Now) -> Result<Self::Permit, Rejected> {
        let shared = &*self.shared;
        let Some(key) = (self.key)(req) else {
            return shared.common.without_key();
        };
        let told = now.get();
        if let Some((policy, at)) = shared.policy(key, told) {
            return if at > told {
                policy.admit(req, &mut Now::at(at)).map(Some)
            } else {
                policy.admit(req, now).map(Some)
            };
        }
        shared.common.telemetry.overflow.increment();
        match &shared.overflow {
            Some(policy) => policy.admit(req, now).map(Some),
            None => Err(shared.common.no_room()),
        }
    }
}

impl<K, P> Drop for Shared<K, P> {
    /// What is gone is not counted any more.
    fn drop(&mut self) {
        let keys = self.policies.map().len();
        self.common.telemetry.removed(keys);
    }
}

impl<K, P, F: Clone> Clone for Keyed<K, P, F> {
    fn clone(&self) -> Self {
        Self::new(self.shared.clone(), self.key.clone())
    }
}

impl<K, P, F> fmt::Debug for Keyed<K, P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("name", self.name())
            .field("keys", &self.len())
            .field("max_keys", &self.max_keys())
            .finish_non_exhaustive()
    }
}
