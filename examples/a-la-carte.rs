//! One crate of the family around hyper-util's client: a breaker that keeps calls away from a server that is down.
//! `resilience-core` has the words that all of them share.
//!
//! `cargo run -p examples --example a-la-carte`

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use resilience_breaker::Breaker;
use resilience_core::{BoxError, Rejected};
use std::time::Duration;
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let breaker = Breaker::builder("shop")
        .consecutive_failures(3)
        .minimum_spread(Duration::ZERO)
        .on_transition(|transition| println!("{transition:?}"))
        .build()?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut client = breaker.layer().layer(client);

    // A port where nobody listens.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let uri = format!("http://{}/", listener.local_addr()?);
    drop(listener);
    for attempt in 1..=5 {
        let request = hyper::Request::get(&uri).body(Empty::new())?;
        match client.ready().await?.call(request).await {
            Ok(response) => println!("{attempt}: {}", response.status()),
            Err(error) => match Rejected::find(&*error) {
                Some(refused) => println!("{attempt}: not sent: {refused}"),
                None => println!("{attempt}: failed: {error}"),
            },
        }
    }
    println!("{:?}", breaker.snapshot());
    Ok(())
}
