//! The bare storefront: a timeout around each call, as everybody writes it.

use super::{Dependencies, Page, recommendations, stock};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use inventory_proto::inventory_client::InventoryClient;
use std::{net::SocketAddr, time::Duration};
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
            .route("/product/{product}", get(page))
            .with_state(shop))
    }
}

async fn page(State(shop): State<Bare>, Path(product): Path<String>) -> Result<Page, StatusCode> {
    let recommendations = recommendations(
        shop.recommendations,
        shop.recommendations_at,
        product.clone(),
    );
    let (stock, recommendations) = tokio::try_join!(
        in_time(stock(shop.inventory, product.clone())),
        in_time(recommendations),
    )?;
    Ok(Page {
        product,
        stock: Some(stock),
        recommendations: Some(recommendations),
    })
}

async fn in_time<T>(call: impl Future<Output = Result<T, BoxError>>) -> Result<T, StatusCode> {
    match tokio::time::timeout(TIMEOUT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(StatusCode::BAD_GATEWAY),
        Err(_) => Err(StatusCode::GATEWAY_TIMEOUT),
    }
}
