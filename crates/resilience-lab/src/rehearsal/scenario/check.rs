//! What a scenario cannot say.

use super::{Client, Measure, Scenario, Server};
use crate::rehearsal::hint;
use resilience_core::{ConfigError, config};
use std::time::Duration;

impl Scenario {
    /// Which field cannot be. Reads the files of traces.
    pub fn validate(&self) -> Result<(), ConfigError> {
        config::duration("duration", self.duration)?;
        self.measured().map_err(|error| error.under("measure"))?;
        if self.client.is_empty() {
            return Err(ConfigError::new("client", Plain("empty"), "one at least"));
        }
        for (name, client) in &self.client {
            let checked = self.check_client(name, client);
            checked.map_err(|error| error.under(name).under("client"))?;
        }
        for (name, server) in &self.server {
            let checked = self.check_server(name, server);
            checked.map_err(|error| error.under(name).under("server"))?;
        }
        self.callees_first()?;
        for (metric, wanted) in &self.expect {
            let checked = wanted.check(*metric, self);
            checked.map_err(|error| error.under("expect"))?;
        }
        Ok(())
    }

    fn measured(&self) -> Result<(), ConfigError> {
        let Measure {
            from,
            every,
            recovered,
            hold,
        } = &self.measure;
        if *from >= self.duration {
            let expected = format!("less than the duration of {:?}", self.duration);
            return Err(ConfigError::new("from", from, expected));
        }
        if let Some(every) = every
            && !(Duration::from_millis(1)..=self.duration).contains(every)
        {
            let expected = format!("from 1ms to the duration of {:?}", self.duration);
            return Err(ConfigError::new("every", every, expected));
        }
        // Without faults, the default is of no use, and of no harm.
        let matters = *hold != Measure::default().hold || !self.faults().is_empty();
        if matters && *hold > self.duration {
            let expected = format!("at most the duration of {:?}", self.duration);
            return Err(ConfigError::new("hold", hold, expected));
        }
        config::rate("recovered", *recovered).map(drop)
    }

    fn check_client(&self, name: &str, client: &Client) -> Result<(), ConfigError> {
        if client.from >= self.duration {
            let expected = format!("less than the duration of {:?}", self.duration);
            return Err(ConfigError::new("from", client.from, expected));
        }
        self.knows("server", &client.server)?;
        client.config(name, self.duration).validate()
    }

    fn check_server(&self, name: &str, server: &Server) -> Result<(), ConfigError> {
        for (index, call) in server.calls.iter().enumerate() {
            let known = self.knows("server", &call.server);
            known.map_err(|error| error.under(&index.to_string()).under("calls"))?;
        }
        server.config(name).validate()
    }

    fn knows(&self, field: &'static str, server: &str) -> Result<(), ConfigError> {
        if self.server.contains_key(server) {
            return Ok(());
        }
        let hint = hint(server, self.server.keys().map(String::as_str));
        Err(ConfigError::new(
            field,
            server,
            format!("a server of the scenario; {hint}"),
        ))
    }

    /// All servers, each after those that it calls.
    pub(in crate::rehearsal) fn callees_first(&self) -> Result<Vec<&str>, ConfigError> {
        let mut order = Vec::new();
        let mut left: Vec<_> = self.server.keys().map(String::as_str).collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|name| {
                let mut calls = self.server[*name].calls.iter();
                let waits = calls.any(|call| !order.contains(&&*call.server));
                if !waits {
                    order.push(*name);
                }
                waits
            });
            if left.len() == before {
                let field = format!("server.{}.calls", left[0]);
                let circle = left.join("`, `");
                let expected = format!("such that calls come to an end; see `{circle}`");
                return Err(ConfigError::new(field, Plain("a circle"), expected));
            }
        }
        Ok(order)
    }
}

/// In errors: without quotes.
pub(in crate::rehearsal) struct Plain<T>(pub(in crate::rehearsal) T);

impl<T: std::fmt::Display> std::fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
