//! How important a request is.

use http::Request;
use resilience_core::Priority;

/// The [`Priority`] in the extensions of `req`; [`Priority::Normal`] if there is none.
///
/// It is a function for policies that ask how important a call is. The priority is set by whoever knows, for example by a
/// layer outside that knows the path or the caller. It is not read from a header, since callers would all be critical.
///
/// ```
/// use resilience_bulkhead::Bulkhead;
/// use resilience_core::{GuardLayer, Priority};
/// use resilience_http::{HttpLayer, RespondLayer, priority};
///
/// let bulkhead = Bulkhead::new("api", 100)?.by_priority(priority::<axum::body::Body>);
/// let layer = GuardLayer::new(bulkhead).http().respond();
///
/// let mut prefetch = http::Request::new(axum::body::Body::empty());
/// prefetch.extensions_mut().insert(Priority::Sheddable);
/// assert_eq!(priority(&prefetch), Priority::Sheddable);
/// # let _ = layer;
/// # Ok::<(), resilience_core::ConfigError>(())
/// ```
pub fn priority<B>(req: &Request<B>) -> Priority {
    req.extensions().get().copied().unwrap_or_default()
}
