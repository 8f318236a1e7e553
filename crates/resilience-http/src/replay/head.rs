//! The head of a request, for further attempts.

use http::request::Parts;
use resilience_core::Deadline;
use std::mem;

/// A copy of a head.
#[derive(Clone)]
pub(super) struct KeptHead {
    parts: Parts,
    /// The only one of the extensions, if it is alone: mostly nobody but the deadline's layer puts anything there, and a
    /// copy of the map would be three allocations of every call: 950 instructions of 7,770 of a client's whole stack.
    deadline: Option<Deadline>,
}

impl KeptHead {
    pub(super) fn of(head: &mut Parts) -> Self {
        let deadline = head.extensions.get().copied();
        let deadline = deadline.filter(|_| head.extensions.len() == 1);
        let left_out = deadline.map(|_| mem::take(&mut head.extensions));
        let parts = head.clone();
        if let Some(extensions) = left_out {
            head.extensions = extensions;
        }
        Self { parts, deadline }
    }

    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The head, as it was.
    pub(super) fn into_parts(self) -> Parts {
        let mut parts = self.parts;
        if let Some(deadline) = self.deadline {
            parts.extensions.insert(deadline);
        }
        parts
    }
}
