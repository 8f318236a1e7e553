use crate::{NoKey, telemetry::Telemetry};
use resilience_core::{Name, Reason, Rejected};

/// What both forms have in common, beside their keys.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) name: Name,
    pub(crate) no_key: NoKey,
    pub(crate) telemetry: Telemetry,
}

impl Common {
    /// What becomes of a request without a key.
    pub(crate) fn without_key<T>(&self) -> Result<Option<T>, Rejected> {
        self.telemetry.without_key.increment();
        match self.no_key {
            NoKey::Pass => Ok(None),
            NoKey::Refuse => Err(Rejected::new(Reason::NoKey, self.name.clone())),
        }
    }

    /// The refusal of a request with a new key, if there is no room for it.
    pub(crate) fn no_room(&self) -> Rejected {
        Rejected::new(Reason::Shed, self.name.clone())
    }
}
