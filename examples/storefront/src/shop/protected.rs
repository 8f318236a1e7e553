//! The protected storefront.

use super::{Bare, Dependencies};
use crate::script::Script;
use axum::Router;
use tower::BoxError;

#[derive(Clone, Debug)]
pub(crate) struct Protected;

impl Protected {
    pub(crate) fn router(at: Dependencies, _: Script) -> Result<(Router, Breakers), BoxError> {
        Ok((Bare::router(at)?, Breakers))
    }
}

/// The circuit breakers, to look at.
#[derive(Clone, Debug)]
pub(crate) struct Breakers;

impl Breakers {
    pub(crate) fn states(&self) -> String {
        "?".into()
    }
}
