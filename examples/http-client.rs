//! The client that brings its stack along: retries, a breaker for each host, timeouts, a fallback, and hooks that tell what
//! happens.
//!
//! `cargo run -p examples --example http-client`

use axum::{Router, extract::Path, http::StatusCode, routing::get};
use resilience_core::{Backoff, BoxError, Rejected};
use resilience_stack::http::{
    Client, Degraded,
    client::{Body, error_for_status},
};
use std::{
    future::pending,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::net::TcpListener;

/// A shop whose every other answer is a 503, and which hangs at times.
async fn shop() -> Result<String, BoxError> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let stock = |Path(item): Path<String>| async move {
        if item == "hang" {
            pending::<()>().await;
        }
        match CALLS.fetch_add(1, Ordering::Relaxed) % 2 {
            0 => Err(StatusCode::SERVICE_UNAVAILABLE),
            _ => Ok(format!("3 {item}")),
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/stock/{item}", get(stock));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}"))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let shop = shop().await?;
    // A port where nobody listens.
    let down = format!(
        "http://{}",
        TcpListener::bind("127.0.0.1:0").await?.local_addr()?
    );
    let client = Client::builder("shop")
        .timeout(Duration::from_secs(2))
        .attempt_timeout(Duration::from_millis(100))
        .backoff(Backoff::constant(Duration::from_millis(10))?)
        .breaker(|breaker| {
            breaker
                .consecutive_failures(3)
                .minimum_spread(Duration::ZERO)
        })
        .on_end(|event| println!("  attempt {}: {}", event.attempt.attempt, event.status))
        .on_error(|event| println!("  attempt {}: {}", event.attempt.attempt, event.error))
        .build()?;

    for item in ["apples", "pears"] {
        let response = client.get(format!("{shop}/stock/{item}")).send().await?;
        let text = error_for_status(response)?.into_body().text().await?;
        println!("{item}: {text}");
    }

    let hangs = client.get(format!("{shop}/stock/hang")).no_retry();
    if let Err(error) = hangs.send().await {
        println!("hang: {error}; a timeout: {}", error.is_timeout());
    }

    // The breaker of this host opens, and no other's.
    for call in 1..=2 {
        match client.get(&down).send().await {
            Ok(response) => println!("down, {call}: {}", response.status()),
            Err(error) => match Rejected::find(&error) {
                Some(refused) => println!("down, {call}: {refused}"),
                None => println!("down, {call}: {error}"),
            },
        }
    }
    for host in client.hosts() {
        println!("{host}: {:?}", client.breaker(&host));
    }

    let prices = Client::builder("prices")
        .attempts(1)
        .fallback(|failed, target| {
            println!("  {target}: {:?}", failed.outcome());
            hyper::Response::new(Body::from("the list price"))
        })
        .build()?;
    let response = prices.get(format!("{down}/price/apples")).send().await?;
    let degraded = Degraded::of(&response).is_some();
    let text = response.into_body().text().await?;
    println!("apples cost {text}; degraded: {degraded}");
    Ok(())
}
