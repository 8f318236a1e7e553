//! An inventory with its moods, for the example beside it.

use inventory_proto::{StockReply, StockRequest, inventory_server};
use std::sync::atomic::{AtomicU32, Ordering};
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream};

#[derive(Debug, Default)]
pub(crate) struct Inventory {
    calls: AtomicU32,
}

#[tonic::async_trait]
impl inventory_server::Inventory for Inventory {
    type WatchStream = BoxStream<StockReply>;
    type AskStream = BoxStream<StockReply>;

    async fn stock(&self, req: Request<StockRequest>) -> Result<Response<StockReply>, Status> {
        let product = req.into_inner().product;
        match &*product {
            "unknown" => return Err(Status::not_found("no such product")),
            "slow" => std::future::pending().await,
            "every other call fails"
                if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) =>
            {
                return Err(Status::unavailable("try again"));
            }
            _ => {}
        }
        Ok(Response::new(StockReply { product, count: 3 }))
    }

    async fn watch(&self, _: Request<StockRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not in this example"))
    }

    async fn deliver(
        &self,
        _: Request<Streaming<StockReply>>,
    ) -> Result<Response<StockReply>, Status> {
        Err(Status::unimplemented("not in this example"))
    }

    async fn ask(
        &self,
        _: Request<Streaming<StockRequest>>,
    ) -> Result<Response<Self::AskStream>, Status> {
        Err(Status::unimplemented("not in this example"))
    }
}
