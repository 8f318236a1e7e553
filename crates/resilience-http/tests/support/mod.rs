//! A policy that writes down what happens to its permits.

use resilience_core::{Now, Outcome, Permit, Policy, Rejected};
use std::sync::{Arc, Mutex};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Head(Option<Outcome>),
    Finished(Outcome),
    Reverted,
    Abandoned,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Event>>>);

impl Log {
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }
}

impl<Req: ?Sized> Policy<Req> for Log {
    type Permit = Logged;

    fn admit(&self, _: &Req, _: &mut Now) -> Result<Logged, Rejected> {
        Ok(Logged(Some(self.clone())))
    }
}

#[derive(Debug)]
pub(crate) struct Logged(Option<Log>);

impl Logged {
    fn end(&mut self, event: Event) {
        if let Some(log) = self.0.take() {
            log.0.lock().unwrap().push(event);
        }
    }
}

impl Permit for Logged {
    fn head(&mut self, verdict: Option<Outcome>, _: &mut Now) {
        if let Some(log) = &self.0 {
            log.0.lock().unwrap().push(Event::Head(verdict));
        }
    }

    fn finish(mut self, outcome: Outcome, _: &mut Now) {
        self.end(Event::Finished(outcome));
    }

    fn revert(mut self, _: &mut Now) {
        self.end(Event::Reverted);
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.end(Event::Abandoned);
    }
}
