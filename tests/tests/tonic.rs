//! A tonic client and a tonic server through the layers.

mod common;

use common::{
    Ledger,
    inventory::{ask, channel, reply, serve_behind},
};
use futures_util::stream;
use inventory_proto::inventory_client::InventoryClient;
use resilience_stack::{breaker::State, prelude::*};
use std::time::Duration;
use tonic::Code;
use tower::{Layer, layer::util::Identity};

fn breaker() -> Breaker {
    Breaker::builder("inventory")
        .consecutive_failures(3)
        .minimum_spread(Duration::ZERO)
        .open_for(Duration::from_secs(30))
        .build()
        .unwrap()
}

/// The messages of a stream, and the status at its end.
async fn read<T>(mut stream: tonic::Streaming<T>) -> (Vec<T>, Code) {
    let mut messages = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, Code::Ok),
            Err(status) => return (messages, status.code()),
        }
    }
}

#[tokio::test]
async fn all_four_kinds_of_call_pass_and_finish_on_both_sides() {
    let (server, client) = (Ledger::default(), Ledger::default());
    let (busy_server, busy_client) = (
        Bulkhead::new("server", 4).unwrap(),
        Bulkhead::new("client", 4).unwrap(),
    );
    let address = serve_behind(
        GuardLayer::new((server.clone(), busy_server.clone(), breaker()))
            .grpc()
            .respond(),
    )
    .await;
    let guarded = GuardLayer::new((client.clone(), busy_client.clone(), breaker()))
        .grpc()
        .respond()
        .layer(channel(address));
    let mut inventory = InventoryClient::new(guarded);

    let unary = inventory.stock(ask("lamp")).await.unwrap();
    assert_eq!(unary.into_inner(), reply("lamp", 1));

    let watched = inventory.watch(ask("lamp")).await.unwrap();
    let (replies, code) = read(watched.into_inner()).await;
    assert_eq!((replies.len(), code), (3, Code::Ok));

    let deliveries = stream::iter((1..=4).map(|count| reply("lamp", count)));
    let sum = inventory.deliver(deliveries).await.unwrap();
    assert_eq!(sum.into_inner(), reply("sum", 10));

    let questions = stream::iter(["lamp", "chair"].map(ask));
    let answers = inventory.ask(questions).await.unwrap();
    let (answers, code) = read(answers.into_inner()).await;
    assert_eq!(
        (answers, code),
        (vec![reply("lamp", 7), reply("chair", 7)], Code::Ok)
    );

    busy_client.drained().await;
    busy_server.drained().await;
    for ledger in [client, server] {
        let counts = ledger.settled().await;
        assert_eq!(
            (counts.finished, counts.abandoned, counts.failed),
            (4, 0, 0),
            "{counts:?}"
        );
    }
}

#[tokio::test]
async fn failures_in_the_trailers_open_the_breaker_of_the_client() {
    let address = serve_behind(Identity::new()).await;
    let breaker = breaker();
    let guarded = GuardLayer::new(breaker.clone()).grpc().respond();
    let mut inventory = InventoryClient::new(guarded.layer(channel(address)));
    for failures in 0..3 {
        assert_eq!(breaker.state(), State::Closed, "after {failures} failures");
        let watched = inventory.watch(ask("lost")).await.unwrap();
        // The head was good, and so was the first message.
        let (replies, code) = read(watched.into_inner()).await;
        assert_eq!((replies, code), (vec![reply("lost", 1)], Code::Unavailable));
    }
    assert_eq!(breaker.state(), State::Open);
    let refused = inventory.watch(ask("lamp")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert_eq!(
        refused.message(),
        refusal_of("inventory: circuit breaker open", refused.message())
    );
}

/// `message` if it begins with `text`: what follows is the delay.
fn refusal_of<'a>(text: &str, message: &'a str) -> &'a str {
    assert!(message.starts_with(text), "{message}");
    message
}

#[tokio::test]
async fn failures_in_the_trailers_open_the_breaker_of_the_server() {
    let breaker = breaker();
    let address = serve_behind(GuardLayer::new(breaker.clone()).grpc().respond()).await;
    let mut inventory = InventoryClient::new(channel(address));
    for _ in 0..3 {
        let watched = inventory.watch(ask("lost")).await.unwrap();
        assert_eq!(read(watched.into_inner()).await.1, Code::Unavailable);
    }
    assert_eq!(breaker.state(), State::Open);
    let refused = inventory.stock(ask("lamp")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    refusal_of("inventory: circuit breaker open", refused.message());
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").unwrap();
    let millis: u64 = pushback.to_str().unwrap().parse().unwrap();
    assert!((1..=30_000).contains(&millis), "{millis}");
}

#[tokio::test]
async fn a_failure_in_the_head_opens_the_breaker_too() {
    let address = serve_behind(Identity::new()).await;
    let breaker = breaker();
    let guarded = GuardLayer::new(breaker.clone()).http().respond();
    let mut inventory = InventoryClient::new(guarded.layer(channel(address)));
    for _ in 0..3 {
        let status = inventory.stock(ask("lost")).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unavailable, "lost")
        );
    }
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test]
async fn the_permit_is_held_until_the_stream_ends_or_is_dropped() {
    let ledger = Ledger::default();
    let bulkhead = Bulkhead::new("client", 1).unwrap();
    let on_server = Bulkhead::new("server", 1).unwrap();
    let address = serve_behind(GuardLayer::new(on_server.clone()).grpc().respond()).await;
    let guarded = GuardLayer::new((ledger.clone(), bulkhead.clone()))
        .grpc()
        .respond();
    let mut inventory = InventoryClient::new(guarded.layer(channel(address)));

    let mut watched = inventory.watch(ask("lamp")).await.unwrap().into_inner();
    for _ in 0..3 {
        assert_eq!(bulkhead.in_flight(), 1);
        watched.message().await.unwrap().unwrap();
    }
    assert_eq!(watched.message().await.unwrap(), None);
    bulkhead.drained().await;
    on_server.drained().await;
    assert_eq!(ledger.settled().await.finished, 1);

    let mut watched = inventory.watch(ask("hang")).await.unwrap().into_inner();
    watched.message().await.unwrap().unwrap();
    assert_eq!((bulkhead.in_flight(), on_server.in_flight()), (1, 1));
    drop(watched);
    bulkhead.drained().await;
    on_server.drained().await;
    let counts = ledger.settled().await;
    assert_eq!((counts.ignored, counts.abandoned), (1, 0));
}

#[tokio::test]
async fn a_refused_call_has_the_right_code_from_either_side() {
    let free = serve_behind(Identity::new()).await;

    // Refused by the client's own layers: as a response, and as an error.
    let (open, full) = (breaker(), Bulkhead::new("client", 1).unwrap());
    open.force_open();
    let refusing = GuardLayer::new(open.clone()).grpc();
    let mut responding = InventoryClient::new(refusing.clone().respond().layer(channel(free)));
    let mut failing = InventoryClient::new(refusing.with_status().layer(channel(free)));
    let status = responding.stock(ask("lamp")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let status = failing.stock(ask("lamp")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(
        Rejected::find(&status).map(Rejected::reason),
        Some(Reason::Open)
    );

    let holding = GuardLayer::new(full.clone()).grpc();
    let mut responding = InventoryClient::new(holding.clone().respond().layer(channel(free)));
    let mut failing = InventoryClient::new(holding.with_status().layer(channel(free)));
    let held = responding.watch(ask("hang")).await.unwrap();
    let status = responding.stock(ask("lamp")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    let status = failing.stock(ask("lamp")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    drop(held);
    full.drained().await;
    assert!(failing.stock(ask("lamp")).await.is_ok());

    // Refused by the server's.
    let full = Bulkhead::new("server", 1).unwrap();
    let quota = Quota::per(1, Duration::from_secs(3_600)).burst(1);
    let spent = RateLimit::builder("server").quota(quota).build().unwrap();
    let address = serve_behind(GuardLayer::new(full).grpc().respond()).await;
    let mut inventory = InventoryClient::new(channel(address));
    let _held = inventory.watch(ask("hang")).await.unwrap();
    let status = inventory.stock(ask("lamp")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);

    let address = serve_behind(GuardLayer::new(spent).grpc().respond()).await;
    let mut inventory = InventoryClient::new(channel(address));
    inventory.stock(ask("lamp")).await.unwrap();
    let status = inventory.stock(ask("lamp")).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_full_bulkhead_in_the_tuple_leaves_the_breaker_untouched() {
    let address = serve_behind(Identity::new()).await;
    let (full, breaker) = (Bulkhead::new("client", 1).unwrap(), breaker());
    let layer = GuardLayer::new((full.clone(), breaker.clone()))
        .grpc()
        .respond();
    let mut inventory = InventoryClient::new(layer.layer(channel(address)));
    let _held = inventory.watch(ask("hang")).await.unwrap();
    let before = breaker.snapshot();
    for _ in 0..20 {
        let status = inventory.stock(ask("lamp")).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
    }
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.snapshot(), before);
}
