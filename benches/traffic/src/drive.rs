//! A client, twice: bare, and within the full stack of a client.

use crate::{IN_FLIGHT, Load, Protocol, Result, serve};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use inventory_proto::{StockRequest, inventory_client::InventoryClient};
use resilience_stack::{client::ClientStack, http::ReplayBody, prelude::*};
use std::{
    fmt::Debug,
    io::{self, Write},
    time::{Duration, Instant},
};
use tokio::{
    runtime::Runtime,
    task::{JoinSet, LocalSet},
};
use tonic::{
    client::GrpcService,
    codegen::{Body, StdError},
    transport::Endpoint,
};
use tower::{Layer, Service, ServiceExt};

/// For each line of the input, `bare MILLIS` or `stack MILLIS`, drives the server for so long, and prints what it has come to.
pub fn run(protocol: Protocol, server: &str) -> Result<()> {
    let quota = Quota::per_second(10_000_000);
    let limit = RateLimit::builder("traffic").quota(quota).build()?;
    let runtime = Runtime::new()?;
    let _entered = runtime.enter();
    match protocol {
        Protocol::Http => {
            let uri: Uri = format!("http://{server}/").parse()?;
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            let builder = Client::builder(TokioExecutor::new());
            let bare = builder.build::<_, Empty<Bytes>>(connector.clone());
            let stack = ClientStack::http("traffic").rate_limit(limit).build()?;
            let stack = stack.layer(builder.build::<_, ReplayBody<Empty<Bytes>>>(connector));
            let elsewhere = uri.clone();
            follow(
                &runtime,
                move || get(bare.clone(), uri.clone()),
                move || get(stack.clone(), elsewhere.clone()),
            )
        }
        Protocol::Grpc => {
            let channel = || Endpoint::from_shared(format!("http://{server}"));
            let bare = InventoryClient::new(channel()?.connect_lazy());
            let stack = ClientStack::grpc("traffic").rate_limit(limit).build()?;
            let stack = InventoryClient::new(stack.layer(channel()?.connect_lazy()));
            follow(
                &runtime,
                move || stock(bare.clone()),
                move || stock(stack.clone()),
            )
        }
    }
}

/// One call with a clone of its own, as services are called that are shared.
async fn get<S, B>(service: S, uri: Uri)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error: Debug>,
    B: Body<Data = Bytes, Error: Debug>,
{
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri;
    let response = service.oneshot(request).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await;
    assert_eq!(body.expect("all of it").to_bytes(), serve::HELLO);
}

async fn stock<S>(mut client: InventoryClient<S>)
where
    S: GrpcService<tonic::body::Body, Error: Into<StdError>>,
    S::ResponseBody: Body<Data = Bytes, Error: Into<StdError> + Send> + Send + 'static,
{
    let request = StockRequest {
        product: "teapot".to_owned(),
    };
    let reply = client.stock(request).await.expect("an answer");
    assert_eq!(reply.into_inner().count, serve::COUNT);
}

fn follow<A, B, FA, FB>(runtime: &Runtime, bare: A, stack: B) -> Result<()>
where
    A: Fn() -> FA + Clone + 'static,
    B: Fn() -> FB + Clone + 'static,
    FA: Future<Output = ()> + 'static,
    FB: Future<Output = ()> + 'static,
{
    for line in io::stdin().lines() {
        let line = line?;
        let (which, millis) = line.split_once(' ').ok_or("which, and how long")?;
        let length = Duration::from_millis(millis.parse()?);
        let load = match which {
            "bare" => slice(runtime, length, &bare),
            _ => slice(runtime, length, &stack),
        };
        println!("{}", load.line());
        io::stdout().flush()?;
    }
    Ok(())
}

/// So many callers, each of which calls again as soon as it is answered.
fn slice<F>(runtime: &Runtime, length: Duration, call: &(impl Fn() -> F + Clone + 'static)) -> Load
where
    F: Future<Output = ()> + 'static,
{
    let start = Instant::now();
    let callers = LocalSet::new();
    let latencies = callers.block_on(runtime, async {
        let mut tasks = JoinSet::new();
        for _ in 0..IN_FLIGHT {
            let call = call.clone();
            tasks.spawn_local(async move {
                let mut latencies = Vec::new();
                let mut now = Instant::now();
                while now - start < length {
                    call().await;
                    let then = std::mem::replace(&mut now, Instant::now());
                    latencies.push((now - then).as_nanos() as u32);
                }
                latencies
            });
        }
        tasks.join_all().await.concat()
    });
    Load::of(latencies, start.elapsed())
}
