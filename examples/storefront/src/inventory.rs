//! The inventory: a tonic server with a database behind it that is about to have a bad day.

use crate::{
    capacity::{Capacity, QueueFull},
    script::{Health, PHASES, Stage},
    stats::Stats,
};
use inventory_proto::{
    StockReply, StockRequest,
    inventory_server::{Inventory, InventoryServer},
};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status, Streaming,
    codegen::tokio_stream::Stream,
    transport::{Server, server::TcpIncoming},
};

struct Warehouse {
    stage: Stage,
    stats: Arc<Stats>,
    capacity: Capacity,
}

/// Serves on a free port, and says on which.
pub(crate) async fn serve(stage: Stage, stats: Arc<Stats>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let capacity = Capacity::per_second(stage.script().rps * 2);
    let server = Server::builder()
        // A hanging inventory shall have all the calls that its clients make.
        .max_concurrent_streams(100_000)
        .add_service(InventoryServer::new(Warehouse {
            stage,
            stats,
            capacity,
        }))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
    tokio::spawn(server);
    Ok(address)
}

#[tonic::async_trait]
impl Inventory for Warehouse {
    async fn stock(&self, request: Request<StockRequest>) -> Result<Response<StockReply>, Status> {
        let phase = self.stage.phase();
        let previous = request.metadata().get("grpc-previous-rpc-attempts");
        self.stats.inventory.note(phase, previous.is_some());
        match phase.map_or(Health::Healthy, |phase| PHASES[phase].inventory) {
            Health::Healthy | Health::SlowAndFailing => {
                let turn = self.capacity.turn().await;
                turn.map_err(|QueueFull| Status::resource_exhausted("too much to do"))?;
                let product = request.into_inner().product;
                let count = u32::try_from(product.len()).unwrap_or(0);
                Ok(Response::new(StockReply { product, count }))
            }
            Health::Hanging => std::future::pending().await,
            Health::FailingFast => Err(Status::unavailable("the database is down")),
        }
    }

    type WatchStream = NoStream;
    async fn watch(&self, _: Request<StockRequest>) -> Result<Response<NoStream>, Status> {
        Err(not_here())
    }

    async fn deliver(
        &self,
        _: Request<Streaming<StockReply>>,
    ) -> Result<Response<StockReply>, Status> {
        Err(not_here())
    }

    type AskStream = NoStream;
    async fn ask(&self, _: Request<Streaming<StockRequest>>) -> Result<Response<NoStream>, Status> {
        Err(not_here())
    }
}

type NoStream = std::pin::Pin<Box<dyn Stream<Item = Result<StockReply, Status>> + Send>>;

fn not_here() -> Status {
    Status::unimplemented("the storefront asks for stock only")
}
