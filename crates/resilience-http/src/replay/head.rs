//! The head of a request, for further attempts.

use http::{Extensions, Request, request::Parts};
use resilience_core::Deadline;

/// A copy of a head.
#[derive(Clone)]
pub(super) struct KeptHead {
    parts: Parts,
    /// The only one of the extensions, if it is alone: mostly nobody but the deadline's layer puts anything there, and a
    /// copy of the map would be three allocations of every call: 950 instructions of 7,770 of a client's whole stack.
    deadline: Option<Deadline>,
}

impl KeptHead {
    pub(super) fn of(head: &Parts) -> Self {
        let deadline = head.extensions.get().copied();
        let alone = deadline.filter(|_| head.extensions.len() == 1);
        let extensions = match alone {
            Some(_) => Extensions::new(),
            None => head.extensions.clone(),
        };
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = head.method.clone();
        parts.uri = head.uri.clone();
        parts.version = head.version;
        parts.headers = head.headers.clone();
        parts.extensions = extensions;
        Self {
            parts,
            deadline: alone,
        }
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
