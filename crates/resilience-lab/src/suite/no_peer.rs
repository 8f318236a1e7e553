//! In place of `peer` where that is not built.

use super::{Incoming, Outgoing};
use crate::sim::{BoxService, Request, Response};
use resilience_core::BoxError;
use std::time::Duration;
use tower::util::BoxCloneServiceLayer;

pub(super) const NOT_BUILT: Option<&str> = Some(WHY);

const WHY: &str = "`--peers` plays the layers of others, which are built with the feature `peers` alone: \
    cargo run --release -p resilience-lab --features peers -- suite --peers";

pub(super) fn version() -> Result<String, BoxError> {
    Err(WHY.into())
}

pub(super) fn client(_: bool) -> Result<Outgoing, BoxError> {
    Err(WHY.into())
}

pub(super) fn server(_: usize, _: Duration) -> Result<Incoming, BoxError> {
    Err(WHY.into())
}

pub(super) fn rate_limit(
    _: u32,
    _: Duration,
) -> Result<BoxCloneServiceLayer<BoxService, Request, Response, BoxError>, BoxError> {
    Err(WHY.into())
}
