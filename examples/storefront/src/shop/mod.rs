//! The storefronts. Both show the same product page, of the same parts.

mod bare;
mod protected;

pub(crate) use bare::Bare;
pub(crate) use protected::Protected;

use axum::{
    Json,
    http::{HeaderName, HeaderValue},
    response::{AppendHeaders, IntoResponse, Response},
};
use serde::Serialize;
use std::net::SocketAddr;

/// The header of pages on which something is missing: what it is.
pub(crate) const DEGRADED: HeaderName = HeaderName::from_static("x-degraded");

/// Where a storefront finds what it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dependencies {
    pub(crate) inventory: SocketAddr,
    pub(crate) recommendations: SocketAddr,
}

/// The product page. Where a part is missing, the page says so.
#[derive(Debug, Serialize)]
struct Page {
    product: String,
    stock: Option<u32>,
    recommendations: Option<Vec<String>>,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let missing = [
            (self.stock.is_none(), "inventory"),
            (self.recommendations.is_none(), "recommendations"),
        ];
        let missing = missing.into_iter().filter(|&(missing, _)| missing);
        let headers = missing.map(|(_, part)| (DEGRADED, HeaderValue::from_static(part)));
        (AppendHeaders(headers), Json(self)).into_response()
    }
}
