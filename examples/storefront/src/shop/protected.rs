//! The protected storefront: what it takes to survive.

use super::{Dependencies, Page, recommendations, stock};
use crate::{recommendations::ATTEMPT, script::Script};
use axum::{
    Router,
    extract::{Path, State},
    http::Uri,
    routing::get,
};
use inventory_proto::inventory_client::InventoryClient;
use resilience_stack::{
    breaker,
    client::{ClientStack, GrpcClientStack},
    http::{Client, HttpReplay, client::Origin},
    prelude::*,
    server::ServerStack,
};
use std::{net::SocketAddr, time::Duration};
use tonic::transport::{Channel, Endpoint};
use tower::Layer;

#[derive(Clone, Debug)]
pub(crate) struct Protected {
    inventory: InventoryClient<<GrpcClientStack as Layer<Channel>>::Service>,
    recommendations: Client,
    recommendations_at: SocketAddr,
}

/// One attempt to reach a dependency may take so long; usually it takes a millisecond.
const TIMEOUT: Duration = Duration::from_millis(80);

/// One retry at the most, within a budget.
const ATTEMPTS: u32 = 2;

impl Protected {
    pub(crate) fn router(at: Dependencies, script: Script) -> Result<(Router, Breakers), BoxError> {
        // Not before a breaker has had the time to see an outage.
        let pause = Duration::from_millis(100);
        let pause = Backoff::exponential(pause, 2.0, pause)?.jitter(Jitter::Equal);
        let retry = RetryLayer::builder("inventory")
            .attempts(ATTEMPTS)
            .backoff(pause.clone());
        let inventory = ClientStack::grpc("inventory")
            .retry(retry.build()?.grpc())
            .attempt_timeout(TIMEOUT)
            .build()?;
        let recommendations = Client::builder("recommendations")
            .attempts(ATTEMPTS)
            .backoff(pause)
            .replay(HttpReplay::new().attempt_header(ATTEMPT))
            .attempt_timeout(TIMEOUT)
            .build()?;
        let breakers = Breakers {
            inventory: inventory.breaker().cloned(),
            recommendations: recommendations.clone(),
            recommendations_at: format!("http://{}", at.recommendations).parse()?,
        };
        let channel = Endpoint::new(format!("http://{}", at.inventory))?.connect_lazy();
        let shop = Self {
            inventory: InventoryClient::new(inventory.layer(channel)),
            recommendations,
            recommendations_at: at.recommendations,
        };
        // At the door: half as much again as usual, and for the others a word of when to come back.
        let quota = Quota::per_second(script.rps * 3 / 2).burst(script.rps / 5);
        let door = ServerStack::http("storefront")
            .rate_limit(RateLimit::builder("storefront").quota(quota).build()?)
            .bulkhead(Bulkhead::new("storefront", script.rps as usize)?)
            .build()?;
        let router = Router::new()
            .route("/product/{product}", get(page))
            .with_state(shop)
            .layer(door);
        Ok((router, breakers))
    }
}

/// The page does without what it cannot have.
async fn page(State(shop): State<Protected>, Path(product): Path<String>) -> Page {
    let (stock, recommendations) = tokio::join!(
        stock(shop.inventory, product.clone()),
        recommendations(
            shop.recommendations,
            shop.recommendations_at,
            product.clone()
        ),
    );
    Page {
        product,
        stock: stock.ok(),
        recommendations: recommendations.ok(),
    }
}

/// The circuit breakers, to look at.
#[derive(Clone, Debug)]
pub(crate) struct Breakers {
    inventory: Option<Breaker>,
    recommendations: Client,
    recommendations_at: Uri,
}

impl Breakers {
    pub(crate) fn states(&self) -> String {
        let [inventory, recommendations] = self.state();
        let states = [
            ("inventory", inventory),
            ("recommendations", recommendations),
        ];
        let states = states.into_iter().filter_map(|(name, state)| {
            let state = state?.label().replace('_', "-");
            Some(format!("{name} {state}"))
        });
        states.collect::<Vec<_>>().join(", ")
    }

    /// Those of inventory and of recommendations. The second is there when it has been asked once.
    pub(crate) fn state(&self) -> [Option<breaker::State>; 2] {
        let host = Origin::of(&self.recommendations_at);
        let recommendations = host.and_then(|host| self.recommendations.breaker(&host));
        [self.inventory.as_ref(), recommendations.as_ref()].map(|breaker| Some(breaker?.state()))
    }
}
