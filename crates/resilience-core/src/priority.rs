//! How important a call is.

/// How important a call is, compared with others: when there is not room for all, the least important go first.
///
/// ```
/// use resilience_core::Priority;
///
/// assert!(Priority::Critical > Priority::Normal && Priority::Normal > Priority::Sheddable);
/// assert_eq!(Priority::default(), Priority::Normal);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// May be refused first, and nobody minds much: prefetching, batches, retries of a background job.
    Sheddable,
    /// What most calls are.
    #[default]
    Normal,
    /// To be served as long as anything is: a payment, a login, a heartbeat.
    Critical,
}
