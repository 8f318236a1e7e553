//! A server, twice: bare, and behind the full stack of a server.

use crate::{Protocol, Result};
use axum::{Router, routing::get};
use inventory_proto::{
    StockReply, StockRequest,
    inventory_server::{Inventory, InventoryServer},
};
use resilience_stack::{
    prelude::*,
    server::{ServerBuilder, ServerStack},
};
use std::{io, pin::Pin};
use tokio::{net::TcpListener, runtime::Runtime};
use tonic::{
    Request, Response, Status, Streaming, codegen::tokio_stream::Stream,
    transport::server::TcpIncoming,
};

/// What every call is answered with, over HTTP.
pub const HELLO: &str = "hello";

/// What every call is answered with, over gRPC.
pub const COUNT: u32 = 7;

/// Serves on two free ports, prints their addresses, and goes on until its input ends: with whoever has started it.
pub fn run(protocol: Protocol) -> Result<()> {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        let [bare, stack] = [
            TcpListener::bind("127.0.0.1:0").await?,
            TcpListener::bind("127.0.0.1:0").await?,
        ];
        println!("{} {}", bare.local_addr()?, stack.local_addr()?);
        match protocol {
            Protocol::Http => http(bare, stack)?,
            Protocol::Grpc => grpc(bare, stack)?,
        }
        tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
        Ok(())
    })
}

/// The preset with all that it can have, and limits that nothing here reaches.
fn full(builder: ServerBuilder) -> Result<ServerStack> {
    let quota = Quota::per_second(10_000_000);
    let limit = RateLimit::builder("traffic").quota(quota).build()?;
    Ok(builder.rate_limit(limit).build()?)
}

fn http(bare: TcpListener, stack: TcpListener) -> Result<()> {
    let app = Router::new().route("/", get(|| async { HELLO }));
    let guarded = app.clone().layer(full(ServerStack::http("traffic"))?);
    tokio::spawn(async { axum::serve(bare, app).await });
    tokio::spawn(async { axum::serve(stack, guarded).await });
    Ok(())
}

fn grpc(bare: TcpListener, stack: TcpListener) -> Result<()> {
    let layer = full(ServerStack::grpc("traffic"))?;
    let server = tonic::transport::Server::builder;
    let plain = server().add_service(InventoryServer::new(Stock));
    let guarded = server()
        .layer(layer)
        .add_service(InventoryServer::new(Stock));
    tokio::spawn(plain.serve_with_incoming(TcpIncoming::from(bare).with_nodelay(Some(true))));
    tokio::spawn(guarded.serve_with_incoming(TcpIncoming::from(stack).with_nodelay(Some(true))));
    Ok(())
}

struct Stock;

type Replies = Pin<Box<dyn Stream<Item = std::result::Result<StockReply, Status>> + Send>>;

/// Unary calls alone are made here.
#[tonic::async_trait]
impl Inventory for Stock {
    async fn stock(
        &self,
        req: Request<StockRequest>,
    ) -> std::result::Result<Response<StockReply>, Status> {
        Ok(Response::new(StockReply {
            product: req.into_inner().product,
            count: COUNT,
        }))
    }

    type WatchStream = Replies;

    async fn watch(
        &self,
        _: Request<StockRequest>,
    ) -> std::result::Result<Response<Replies>, Status> {
        Err(Status::unimplemented("streams are not measured"))
    }

    async fn deliver(
        &self,
        _: Request<Streaming<StockReply>>,
    ) -> std::result::Result<Response<StockReply>, Status> {
        Err(Status::unimplemented("streams are not measured"))
    }

    type AskStream = Replies;

    async fn ask(
        &self,
        _: Request<Streaming<StockRequest>>,
    ) -> std::result::Result<Response<Replies>, Status> {
        Err(Status::unimplemented("streams are not measured"))
    }
}
