//! The bare storefront: a timeout around each call, as everybody writes it.

use super::{Dependencies, Page};
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, Uri},
    routing::get,
};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use inventory_proto::{StockRequest, inventory_client::InventoryClient};
use std::{net::SocketAddr, time::Duration};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tower::BoxError;

const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct Bare {
    inventory: InventoryClient<Channel>,
    recommendations: Client<HttpConnector, Empty<Bytes>>,
    recommendations_at: SocketAddr,
}

impl Bare {
    pub(crate) fn router(at: Dependencies) -> Result<Router, BoxError> {
        let channel = Endpoint::new(format!("http://{}", at.inventory))?.connect_lazy();
        let shop = Self {
            inventory: InventoryClient::new(channel),
            recommendations: Client::builder(TokioExecutor::new()).build(crate::connector()),
            recommendations_at: at.recommendations,
        };
        Ok(Router::new()
            .route("/product/{product}", get(product_page))
            .with_state(shop))
    }

    async fn stock(&self, product: &str) -> Result<u32, StatusCode> {
        let mut client = self.inventory.clone();
        let request = StockRequest {
            product: product.into(),
        };
        match timeout(TIMEOUT, client.stock(request)).await {
            Ok(Ok(reply)) => Ok(reply.into_inner().count),
            Ok(Err(_)) => Err(StatusCode::BAD_GATEWAY),
            Err(_) => Err(StatusCode::GATEWAY_TIMEOUT),
        }
    }

    async fn recommendations(&self, product: &str) -> Result<Vec<String>, StatusCode> {
        match timeout(TIMEOUT, self.fetch(product)).await {
            Ok(Ok(products)) => Ok(products),
            Ok(Err(_)) => Err(StatusCode::BAD_GATEWAY),
            Err(_) => Err(StatusCode::GATEWAY_TIMEOUT),
        }
    }

    async fn fetch(&self, product: &str) -> Result<Vec<String>, BoxError> {
        let uri: Uri = format!("http://{}/for/{product}", self.recommendations_at).parse()?;
        let response = self.recommendations.get(uri).await?;
        if !response.status().is_success() {
            return Err(response.status().to_string().into());
        }
        let body = response.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    }
}

async fn product_page(
    State(shop): State<Bare>,
    Path(product): Path<String>,
) -> Result<Page, StatusCode> {
    let (stock, recommendations) =
        tokio::try_join!(shop.stock(&product), shop.recommendations(&product))?;
    Ok(Page {
        product,
        stock: Some(stock),
        recommendations: Some(recommendations),
    })
}
