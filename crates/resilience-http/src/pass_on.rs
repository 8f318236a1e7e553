use crate::InnerRetries;
use http::Extensions;
use resilience_core::{Deadline, Priority};

/// Passes on what belongs to a call as a whole, from the request that a service got to one that it sends for it: the
/// [`Deadline`], the [`Priority`], and where to note that retries are exhausted, [`InnerRetries`]. What the call asks of others then has what
/// is left of its time, and not more; and if it has been retried in vain, those who wait for the call can be told.
///
/// What `outbound` holds already is kept where it asks for less: the earlier of two deadlines counts, and the lower of two
/// priorities.
///
/// ```
/// use http::Request;
/// use resilience_core::Deadline;
/// use resilience_http::pass_on;
/// use std::time::Duration;
///
/// // What a handler got.
/// let mut inbound = Request::new(());
/// let deadline = Deadline::within(Duration::from_secs(2));
/// inbound.extensions_mut().insert(deadline);
///
/// // What it asks of others.
/// let mut outbound = Request::new("query");
/// pass_on(inbound.extensions(), outbound.extensions_mut());
/// assert_eq!(outbound.extensions().get(), Some(&deadline));
/// ```
pub fn pass_on(inbound: &Extensions, outbound: &mut Extensions) {
    let own = outbound.get::<Deadline>();
    let both = inbound.get::<Deadline>().into_iter().chain(own).copied();
    if let Some(deadline) = both.reduce(Deadline::earlier) {
        outbound.insert(deadline);
    }
    let own = outbound.get::<Priority>();
    let both = inbound.get::<Priority>().into_iter().chain(own).copied();
    if let Some(priority) = both.min() {
        outbound.insert(priority);
    }
    if let Some(retries) = inbound.get::<InnerRetries>() {
        outbound.insert(retries.clone());
    }
}
