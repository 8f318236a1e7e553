//! A policy that does as it is told and writes down what happens to it and its permits.

#![allow(dead_code, reason = "each test binary uses a part")]

use resilience_core::{Gate, Now, Outcome, Permit, Policy, Reason, Rejected};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

/// What happened, in order: `"<policy> <event>"`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// A spy that writes here.
    pub(crate) fn spy(&self, name: &'static str) -> Spy {
        Spy(Arc::new(State {
            name,
            log: self.clone(),
            full: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            gate: Gate::new(),
        }))
    }

    pub(crate) fn note(&self, name: &str, event: &str) {
        self.0.lock().unwrap().push(format!("{name} {event}"));
    }

    /// Takes out what has happened since the last look.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// The policy; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Spy(Arc<State>);

#[derive(Debug)]
struct State {
    name: &'static str,
    log: Log,
    full: AtomicBool,
    refusing: AtomicBool,
    gate: Gate,
}

impl Spy {
    pub(crate) fn new() -> (Self, Log) {
        let log = Log::default();
        (log.spy("spy"), log)
    }

    /// From now on (not), refuses when asked.
    pub(crate) fn set_full(&self, full: bool) {
        self.0.full.store(full, Ordering::SeqCst);
    }

    /// From now on, says that it refuses everybody, and releases its gate.
    pub(crate) fn start_refusing(&self) {
        self.0.refusing.store(true, Ordering::SeqCst);
        self.0.gate.release();
    }

    pub(crate) fn stop_refusing(&self) {
        self.0.refusing.store(false, Ordering::SeqCst);
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// The same policy?
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<Req: ?Sized> Policy<Req> for Spy {
    type Permit = SpyPermit;

    fn admit(&self, _: &Req, _: &mut Now) -> Result<SpyPermit, Rejected> {
        let State { name, log, .. } = &*self.0;
        if self.0.full.load(Ordering::SeqCst) {
            log.note(name, "refused");
            return Err(Rejected::new(Reason::Concurrency, *name));
        }
        log.note(name, "admitted");
        Ok(SpyPermit {
            name,
            log: log.clone(),
            ended: false,
        })
    }

    fn refusing(&self, _: &mut Now) -> bool {
        self.0.refusing.load(Ordering::SeqCst)
    }

    fn gates(&self, each: &mut dyn FnMut(&Gate)) {
        each(&self.0.gate);
    }
}

#[derive(Debug)]
pub(crate) struct SpyPermit {
    name: &'static str,
    log: Log,
    ended: bool,
}

impl Permit for SpyPermit {
    fn head(&mut self, verdict: Option<Outcome>, _: &mut Now) {
        let verdict = verdict.map_or("open", Outcome::label);
        self.log.note(self.name, &format!("head {verdict}"));
    }

    fn finish(mut self, outcome: Outcome, _: &mut Now) {
        self.ended = true;
        self.log
            .note(self.name, &format!("finished {}", outcome.label()));
    }

    fn revert(mut self, _: &mut Now) {
        self.ended = true;
        self.log.note(self.name, "reverted");
    }
}

impl Drop for SpyPermit {
    fn drop(&mut self) {
        if !self.ended {
            self.log.note(self.name, "abandoned");
        }
    }
}
