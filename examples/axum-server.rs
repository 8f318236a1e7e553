//! Limits on an axum `Router`: rate limit, bulkhead and breaker as one layer, refusing with 429 and 503.
//!
//! `cargo run -p examples --example axum-server`

use axum::{Router, extract::Request, http::StatusCode, routing::get};
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use resilience_stack::prelude::*;
use std::{collections::BTreeMap, time::Duration};
use tokio::{net::TcpListener, task::JoinSet};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let quota = Quota::per_second(1).burst(8);
    let limits = (
        RateLimit::builder("api").quota(quota).build()?,
        Bulkhead::new("api", 5)?,
        Breaker::new("api"),
    );
    let bulkhead = limits.1.clone();
    let layer = GuardLayer::new(limits)
        .http()
        .respond()
        .exempt(|req: &Request| req.uri().path() == "/health");

    let app = Router::new()
        .route("/", get(work))
        .route("/health", get(|| async { "up" }))
        .layer(layer);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());

    // The first 100 find five slots, and leave about three calls of the quota to the next 100.
    for (path, calls) in [("/", 100), ("/", 100), ("/health", 20)] {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let mut answers = JoinSet::new();
        for _ in 0..calls {
            answers.spawn(client.get(format!("http://{address}{path}").parse()?));
        }
        let mut counts = BTreeMap::<StatusCode, u32>::new();
        while let Some(answer) = answers.join_next().await {
            *counts.entry(answer??.status()).or_default() += 1;
        }
        println!("{calls} calls at once of {path}: {counts:?}");
    }
    println!("in flight now: {}", bulkhead.in_flight());
    Ok(())
}

async fn work() -> &'static str {
    tokio::time::sleep(Duration::from_millis(100)).await;
    "done"
}
