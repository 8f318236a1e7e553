//! An inventory whose products tell it how to behave.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use inventory_proto::{
    StockReply, StockRequest,
    inventory_server::{Inventory, InventoryServer},
};
use std::{net::SocketAddr, pin::Pin};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    service::Routes,
    transport::{Channel, Endpoint, server::TcpIncoming},
};

pub(crate) struct Stock;

type Replies = Pin<Box<dyn Stream<Item = Result<StockReply, Status>> + Send>>;

pub(crate) fn ask(product: &str) -> StockRequest {
    StockRequest {
        product: product.into(),
    }
}

pub(crate) fn reply(product: &str, count: u32) -> StockReply {
    StockReply {
        product: product.into(),
        count,
    }
}

#[tonic::async_trait]
impl Inventory for Stock {
    /// `lost` fails in the head, `hang` never answers, `missing` is not there, everything else is.
    async fn stock(&self, req: Request<StockRequest>) -> Result<Response<StockReply>, Status> {
        match &*req.into_inner().product {
            "lost" => Err(Status::unavailable("lost")),
            "missing" => Err(Status::not_found("missing")),
            "hang" => std::future::pending().await,
            product => Ok(Response::new(reply(product, 1))),
        }
    }

    type WatchStream = Replies;

    /// Three replies; `lost` fails after the first, in the trailers; `hang` never ends.
    async fn watch(&self, req: Request<StockRequest>) -> Result<Response<Replies>, Status> {
        let product = req.into_inner().product;
        let first = stream::iter([Ok(reply(&product, 1))]);
        Ok(Response::new(match &*product {
            "lost" => first
                .chain(stream::iter([Err(Status::unavailable("lost"))]))
                .boxed(),
            "hang" => first.chain(stream::pending()).boxed(),
            _ => first
                .chain(stream::iter([
                    Ok(reply(&product, 2)),
                    Ok(reply(&product, 3)),
                ]))
                .boxed(),
        }))
    }

    async fn deliver(
        &self,
        req: Request<Streaming<StockReply>>,
    ) -> Result<Response<StockReply>, Status> {
        let mut deliveries = req.into_inner();
        let mut sum = reply("sum", 0);
        while let Some(delivery) = deliveries.message().await? {
            sum.count += delivery.count;
        }
        Ok(Response::new(sum))
    }

    type AskStream = Replies;

    async fn ask(
        &self,
        req: Request<Streaming<StockRequest>>,
    ) -> Result<Response<Replies>, Status> {
        let questions = req.into_inner();
        Ok(Response::new(
            questions
                .map(|question| question.map(|question| reply(&question.product, 7)))
                .boxed(),
        ))
    }
}

/// A `StockRequest` of this product, in its frame.
pub(crate) fn question(product: &str) -> Bytes {
    framed(&field_of(product))
}

/// A `StockReply`, in its frame.
pub(crate) fn answer(product: &str, count: u8) -> Bytes {
    assert!(count < 128, "in one byte");
    framed(&[field_of(product), vec![0x10, count]].concat())
}

fn field_of(product: &str) -> Vec<u8> {
    let length = u8::try_from(product.len()).unwrap();
    [&[0x0a, length], product.as_bytes()].concat()
}

/// Not compressed, so long, and the message.
fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap();
    [&[0], &length.to_be_bytes()[..], message].concat().into()
}

/// Serves the inventory behind `layer` on a free port of the loopback interface.
pub(crate) async fn serve_behind<L, B>(layer: L) -> SocketAddr
where
    L: tower::Layer<Routes> + Clone + Send + 'static,
    L::Service:
        tower::Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + 'static,
    <L::Service as tower::Service<http::Request<Body>>>::Future: Send,
    <L::Service as tower::Service<http::Request<Body>>>::Error:
        Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .layer(layer)
        .add_service(InventoryServer::new(Stock));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

/// A channel to `address` that connects when it is first used.
pub(crate) fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy()
}

/// An inventory of which only `stock` is asked for, and a function answers.
pub(crate) struct OnlyStock<F>(pub(crate) F);

#[tonic::async_trait]
impl<F, R> Inventory for OnlyStock<F>
where
    F: Fn(Request<StockRequest>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response<StockReply>, Status>> + Send,
{
    async fn stock(&self, req: Request<StockRequest>) -> Result<Response<StockReply>, Status> {
        (self.0)(req).await
    }

    type WatchStream = Replies;

    async fn watch(&self, _: Request<StockRequest>) -> Result<Response<Replies>, Status> {
        Err(Status::unimplemented("only stock"))
    }

    async fn deliver(
        &self,
        _: Request<Streaming<StockReply>>,
    ) -> Result<Response<StockReply>, Status> {
        Err(Status::unimplemented("only stock"))
    }

    type AskStream = Replies;

    async fn ask(&self, _: Request<Streaming<StockRequest>>) -> Result<Response<Replies>, Status> {
        Err(Status::unimplemented("only stock"))
    }
}
