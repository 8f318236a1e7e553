//! From the settings to a client.

use super::ClientBuilder;
use crate::client::{
    Client, Origin,
    stack::{Hosts, Stack},
};
use resilience_breaker::Breaker;
use resilience_bulkhead::Bulkhead;
use resilience_core::{ConfigError, config};
use resilience_keyed::Keyed;
use resilience_timeout::attempt_timeout;
use std::time::Duration;

/// How long an attempt may take that is not told, in a call that has the time for three.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);

impl ClientBuilder {
    pub(super) fn checked(self) -> Result<Client, ConfigError> {
        let hosts = self.hosts()?;
        let budget = self.retry.plan()?.budget().cloned();
        let retry = match budget.clone() {
            Some(budget) => self.retry.budget(budget),
            None => self.retry,
        };
        let timeout = config::duration("timeout", self.timeout)?;
        let retry = retry.build()?;
        let whole = ("timeout", timeout);
        let stack = Stack {
            timeout,
            deadline_header: self.deadline_header,
            replay: self.replay,
            hosts: hosts.clone(),
            attempt_timeout: attempt_timeout(
                self.attempt_timeout,
                ATTEMPT_TIMEOUT,
                whole,
                retry.retries(),
            )?,
            retry,
            body_idle: config::duration("body_idle", self.body_idle)?,
            transport: self.connections.build()?,
            hooks: self.hooks,
            fallback: self.fallback,
            name: self.name.clone(),
        };
        Ok(Client::new(self.name, hosts, budget, stack.build()?))
    }

    /// Breaker and bulkhead of each host.
    fn hosts(&self) -> Result<Hosts, ConfigError> {
        if let Some(calls) = self.max_in_flight {
            config::count("max_in_flight_per_host", calls, 1, Bulkhead::MAX_LIMIT)?;
        }
        if let Some(configure) = &self.breaker {
            configure(Breaker::builder(self.name.clone())).machine()?;
        }
        let name = self.name.clone();
        let (calls, configure) = (self.max_in_flight, self.breaker.clone());
        let each = move |_: Option<&Origin>| {
            // Both have been checked above; a function that errs later gets the default.
            let bulkhead = calls.and_then(|calls| Bulkhead::new(name.clone(), calls).ok());
            let breaker = configure.as_ref().map(|configure| {
                configure(Breaker::builder(name.clone()))
                    .build()
                    .unwrap_or_else(|_| Breaker::new(name.clone()))
            });
            (bulkhead, breaker)
        };
        let keyed = Keyed::builder(self.name.clone())
            .key(|(): &()| None::<Origin>)
            .each(each)
            .max_keys(config::count("max_hosts", self.max_hosts, 1, 100_000_000)?)
            .idle(config::duration("host_idle", self.host_idle)?)
            .build()?;
        Ok(keyed.handle())
    }
}
