//! The storefronts. Both show the same product page, of the same parts.

mod bare;
mod protected;

pub(crate) use bare::Bare;
pub(crate) use protected::Protected;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, Request, Response},
    response::{AppendHeaders, IntoResponse},
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use inventory_proto::{StockRequest, inventory_client::InventoryClient};
use serde::Serialize;
use std::net::SocketAddr;
use tonic::client::GrpcService;
use tower::{BoxError, Service, ServiceExt};

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
    fn into_response(self) -> axum::response::Response {
        let missing = [
            (self.stock.is_none(), "inventory"),
            (self.recommendations.is_none(), "recommendations"),
        ];
        let missing = missing.into_iter().filter(|&(missing, _)| missing);
        let headers = missing.map(|(_, part)| (DEGRADED, HeaderValue::from_static(part)));
        (AppendHeaders(headers), Json(self)).into_response()
    }
}

/// Asks inventory how many there are. The client may be a plain one, or have layers around it.
async fn stock<S>(mut inventory: InventoryClient<S>, product: String) -> Result<u32, BoxError>
where
    S: GrpcService<tonic::body::Body, Error: Into<BoxError>>,
    S::ResponseBody: http_body::Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
{
    let reply = inventory.stock(StockRequest { product }).await?;
    Ok(reply.into_inner().count)
}

/// Asks for products that go with this one. The client may be a plain one, or have layers around it.
async fn recommendations<S, B>(
    client: S,
    at: SocketAddr,
    product: String,
) -> Result<Vec<String>, BoxError>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error: Into<BoxError>>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let request = Request::get(format!("http://{at}/for/{product}")).body(Empty::new())?;
    let response = client.oneshot(request).await.map_err(Into::into)?;
    if !response.status().is_success() {
        return Err(response.status().to_string().into());
    }
    let body = response.into_body().collect().await.map_err(Into::into)?;
    Ok(serde_json::from_slice(&body.to_bytes())?)
}
