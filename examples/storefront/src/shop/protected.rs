//! The protected storefront: what it takes to survive.

use super::{Dependencies, Page, recommendations, stock};
use crate::{recommendations::ATTEMPT, script::Script};
use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use inventory_proto::inventory_client::InventoryClient;
use resilience_stack::{
    http::{HttpReplay, ReplayBody},
    prelude::*,
};
use std::{net::SocketAddr, time::Duration};
use tonic::{body::Body, codegen::http::Request, transport::Endpoint};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

/// A part of the page, for a product; or nothing, if it has to do without.
type Part<T> = BoxCloneSyncService<String, Option<T>, BoxError>;

#[derive(Clone, Debug)]
pub(crate) struct Protected {
    stock: Part<u32>,
    recommendations: Part<Vec<String>>,
}

/// One attempt to reach a dependency may take so long; usually it takes a millisecond.
const TIMEOUT: Duration = Duration::from_millis(80);

impl Protected {
    pub(crate) fn router(at: Dependencies, script: Script) -> Result<(Router, Breakers), BoxError> {
        let inventory = Breaker::new("inventory");
        let recommendations = Breaker::new("recommendations");
        let shop = Self {
            stock: stock_part(at.inventory, &inventory)?,
            recommendations: recommendations_part(at.recommendations, &recommendations)?,
        };
        // At the door: half as much again as usual, and for the others a word of when to come back.
        let quota = Quota::per_second(script.rps * 3 / 2).burst(script.rps / 5);
        let limits = GuardLayer::new((
            RateLimit::builder("storefront").quota(quota).build()?,
            Bulkhead::new("storefront", script.rps as usize)?,
        ));
        let router = Router::new()
            .route("/product/{product}", get(page))
            .with_state(shop)
            .layer(limits.http().respond());
        Ok((router, Breakers([inventory, recommendations])))
    }
}

async fn page(State(shop): State<Protected>, Path(product): Path<String>) -> Page {
    let (stock, recommendations) = tokio::join!(
        shop.stock.oneshot(product.clone()),
        shop.recommendations.oneshot(product.clone()),
    );
    Page {
        product,
        stock: stock.ok().flatten(),
        recommendations: recommendations.ok().flatten(),
    }
}

/// Inventory, over a tonic channel.
fn stock_part(at: SocketAddr, breaker: &Breaker) -> Result<Part<u32>, BoxError> {
    let channel = ServiceBuilder::new()
        .layer(retry("inventory")?.grpc())
        .map_request(|req: Request<ReplayBody<Body>>| req.map(Body::new))
        .layer(GuardLayer::new((Bulkhead::new("inventory", 64)?, breaker.clone())).grpc())
        .layer(TimeoutLayer::new("inventory", TIMEOUT)?)
        .service(Endpoint::new(format!("http://{at}"))?.connect_lazy());
    let client = InventoryClient::new(channel);
    Ok(ServiceBuilder::new()
        .layer(Part::layer())
        .layer(FallbackLayer::value("inventory", None))
        .service_fn(move |product| {
            let stock = stock(client.clone(), product);
            async { stock.await.map(Some) }
        }))
}

/// Recommendations, over hyper's pooled client.
fn recommendations_part(at: SocketAddr, breaker: &Breaker) -> Result<Part<Vec<String>>, BoxError> {
    let replay = HttpReplay::new().attempt_header(ATTEMPT);
    let client = ServiceBuilder::new()
        .layer(retry("recommendations")?.http().replay(replay))
        .layer(GuardLayer::new((Bulkhead::new("recommendations", 64)?, breaker.clone())).http())
        .layer(TimeoutLayer::new("recommendations", TIMEOUT)?)
        .service(Client::builder(TokioExecutor::new()).build(crate::connector()));
    Ok(ServiceBuilder::new()
        .layer(Part::layer())
        .layer(FallbackLayer::value("recommendations", None))
        .service_fn(move |product| {
            let recommendations = recommendations(client.clone(), at, product);
            async { recommendations.await.map(Some) }
        }))
}

/// One retry at the most, within a budget, and not before a breaker has had the time to see an outage.
fn retry(name: &'static str) -> Result<RetryLayer, ConfigError> {
    let pause = Duration::from_millis(100);
    RetryLayer::builder(name)
        .attempts(2)
        .backoff(Backoff::exponential(pause, 2.0, pause)?.jitter(Jitter::Equal))
        .build()
}

/// The circuit breakers, to look at.
#[derive(Clone, Debug)]
pub(crate) struct Breakers([Breaker; 2]);

impl Breakers {
    pub(crate) fn states(&self) -> String {
        let states = self.0.each_ref().map(|breaker| {
            let state = breaker.state().label();
            format!("{} {}", breaker.name(), state.replace('_', "-"))
        });
        states.join(", ")
    }
}
