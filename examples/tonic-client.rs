//! A stack around a tonic `Channel` with the generated client on top, and limits on tonic's server.
//!
//! `cargo run -p examples --example tonic-client`

mod flaky;

use inventory_proto::{
    StockRequest, inventory_client::InventoryClient, inventory_server::InventoryServer,
};
use resilience_stack::{http::ReplayBody, prelude::*};
use std::time::Duration;
use tokio::net::TcpListener;
use tonic::{
    body::Body,
    transport::{Endpoint, Server, server::TcpIncoming},
};
use tower::ServiceBuilder;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let limits = GuardLayer::new(Bulkhead::new("server", 64)?)
        .grpc()
        .respond();
    let server = Server::builder()
        .layer(limits)
        .add_service(InventoryServer::new(flaky::Inventory::default()));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let breaker = Breaker::new("inventory");
    let policies = (Bulkhead::new("inventory", 32)?, breaker.clone());
    let timeout = TimeoutLayer::new("inventory", Duration::from_millis(500))?;
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::builder("inventory").build()?.grpc())
        .map_request(|req: hyper::Request<ReplayBody<Body>>| req.map(Body::new))
        .layer(GuardLayer::new(policies).grpc().respond())
        .layer(timeout.grpc().respond());
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    let mut client = InventoryClient::new(stack.service(channel));

    for product in ["lamp", "every other call fails", "unknown", "slow", "desk"] {
        if product == "desk" {
            println!("breaker: {:?}, now opened by hand", breaker.state());
            breaker.force_open();
        }
        let product = product.to_owned();
        match client
            .stock(StockRequest {
                product: product.clone(),
            })
            .await
        {
            Ok(reply) => println!("{product}: {} in stock", reply.into_inner().count),
            Err(status) => println!("{product}: {:?}, {}", status.code(), status.message()),
        }
    }
    Ok(())
}
