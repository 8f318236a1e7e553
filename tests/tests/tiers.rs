//! Three tiers over a dependency that is down, each with retries of its own: they do not multiply.
//!
//! A client calls an axum server, which calls a tonic server, which calls the dependency. All of them are on real sockets.

mod common;

use axum::{Router, body::Body, extract::Request, routing::get};
use common::{
    client,
    inventory::{OnlyStock, channel},
    serve, uri,
};
use futures_util::{StreamExt, stream};
use http::{Response, StatusCode};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use inventory_proto::{
    StockRequest, inventory_client::InventoryClient, inventory_server::InventoryServer,
};
use resilience_stack::{
    http::{ExhaustedLayer, RetriesExhausted, pass_on},
    prelude::*,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::net::TcpListener;
use tonic::{Status, transport::server::TcpIncoming};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

const CALLS: usize = 500;

#[derive(Clone, Copy)]
struct Setup {
    /// Whether the servers tell their callers what has been retried already.
    telling: bool,
    /// Whether there is more than retries around the calls.
    full: bool,
}

impl Setup {
    /// The default, but for waits that a test has time for.
    fn retries(self) -> RetryLayer {
        let brief = Backoff::constant(Duration::from_millis(1)).unwrap();
        let retries = RetryLayer::builder("tier").backoff(brief);
        let retries = if self.full {
            retries
        } else {
            // A share of the calls, and nothing besides: the floor is so much a second, however few the calls are.
            let budget = Budget::builder().floor_per_second(0.0);
            retries.budget(budget.build().unwrap())
        };
        retries.build().unwrap()
    }

    /// Calls HTTP servers.
    fn http(self) -> BoxCloneSyncService<Request, Response<Body>, BoxError> {
        let hyper = ServiceBuilder::new()
            .map_response(|res: Response<_>| res.map(Body::new))
            .map_err(|error| -> BoxError { Box::new(error) })
            .service(Client::builder(TokioExecutor::new()).build_http());
        if !self.full {
            let retries = self.retries().http();
            return BoxCloneSyncService::new(ServiceBuilder::new().layer(retries).service(hyper));
        }
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .map_response(|res: Response<_>| res.map(Body::new))
                .layer(self.retries().http())
                .layer(GuardLayer::new(policies()).http())
                .layer(timeout().http())
                .service(hyper),
        )
    }

    /// Calls gRPC servers.
    fn grpc(self, address: SocketAddr) -> Grpc {
        let channel = ServiceBuilder::new()
            .map_request(|req: http::Request<_>| req.map(tonic::body::Body::new))
            .map_err(|error| -> BoxError { Box::new(error) })
            .service(channel(address));
        if !self.full {
            let retries = self.retries().grpc();
            return BoxCloneSyncService::new(
                ServiceBuilder::new()
                    .map_err(Status::from_error)
                    .layer(retries)
                    .service(channel),
            );
        }
        BoxCloneSyncService::new(
            ServiceBuilder::new()
                .map_err(Status::from_error)
                .map_response(|res: Response<_>| res.map(tonic::body::Body::new))
                .layer(self.retries().grpc())
                .layer(GuardLayer::new(policies()).grpc().with_status())
                .layer(timeout().grpc())
                .service(channel),
        )
    }
}

/// Its errors are of a type of their own, not boxed: the compiler does not follow those through the generated client's
/// futures.
type Grpc =
    BoxCloneSyncService<http::Request<tonic::body::Body>, Response<tonic::body::Body>, Status>;

fn policies() -> (Bulkhead, Breaker) {
    let breaker = Breaker::builder("tier").build().unwrap();
    (Bulkhead::new("tier", 100).unwrap(), breaker)
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::new("tier", Duration::from_secs(5)).unwrap()
}

/// What every call ends at: counts the calls, and is down.
async fn dependency(calls: &Arc<AtomicUsize>) -> SocketAddr {
    let calls = calls.clone();
    let down = get(move || {
        calls.fetch_add(1, SeqCst);
        async { StatusCode::SERVICE_UNAVAILABLE }
    });
    serve(Router::new().route("/", down)).await
}

/// Asks the dependency for its stock.
async fn warehouse(setup: Setup, dependency: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = setup.http();
    let warehouse = OnlyStock(move |inbound: tonic::Request<StockRequest>| {
        let client = client.clone();
        let mut req = Request::new(Body::empty());
        *req.uri_mut() = uri(dependency, "/");
        pass_on(inbound.extensions(), req.extensions_mut());
        async move {
            match client.oneshot(req).await {
                Ok(res) if res.status().is_success() => unreachable!("it is down"),
                Ok(res) => Err(Status::unavailable(res.status().to_string())),
                Err(error) => Err(Status::unavailable(error.to_string())),
            }
        }
    });
    let incoming = TcpIncoming::from(listener);
    let service = InventoryServer::new(warehouse);
    let mut server = tonic::transport::Server::builder();
    if setup.telling {
        let mut server = server.layer(ExhaustedLayer::new());
        tokio::spawn(server.add_service(service).serve_with_incoming(incoming));
    } else {
        tokio::spawn(server.add_service(service).serve_with_incoming(incoming));
    }
    address
}

/// Asks the warehouse.
async fn shop(setup: Setup, warehouse: SocketAddr) -> SocketAddr {
    let inventory = InventoryClient::new(setup.grpc(warehouse));
    let ask = get(move |inbound: Request| {
        let mut inventory = inventory.clone();
        async move {
            let mut req = tonic::Request::new(common::inventory::ask("lamp"));
            pass_on(inbound.extensions(), req.extensions_mut());
            match inventory.stock(req).await {
                Ok(_) => unreachable!("it is down"),
                Err(_) => StatusCode::SERVICE_UNAVAILABLE,
            }
        }
    });
    let app = Router::new().route("/", ask);
    if setup.telling {
        serve(app.layer(ExhaustedLayer::new())).await
    } else {
        serve(app).await
    }
}

/// How many calls reach the dependency.
async fn outage(setup: Setup) -> usize {
    let calls = Arc::default();
    let dependency = dependency(&calls).await;
    let warehouse = warehouse(setup, dependency).await;
    let shop = shop(setup, warehouse).await;
    let client = setup.http();
    let answers = stream::iter(0..CALLS).map(|_| {
        let mut req = Request::new(Body::empty());
        *req.uri_mut() = uri(shop, "/");
        client.clone().oneshot(req)
    });
    let answers = answers.buffer_unordered(20).filter(|answer| {
        // The rest are refusals of the client's own breaker.
        std::future::ready(answer.is_ok())
    });
    let answered = answers.map(|answer| {
        let res = answer.unwrap();
        assert_eq!(res.status(), StatusCode::SERVICE_UNAVAILABLE);
        let told = res.headers().contains_key(RetriesExhausted::HEADER);
        assert_eq!(told, setup.telling);
    });
    let answered = answered.count().await;
    assert!(answered == CALLS || setup.full);
    calls.load(SeqCst)
}

#[tokio::test]
async fn the_dependency_gets_the_retries_of_one_tier() {
    let telling = Setup {
        telling: true,
        full: false,
    };
    let calls = outage(telling).await;
    // The innermost tier does retry, as much as its budget allows.
    assert!(
        (CALLS * 11 / 10..=CALLS * 12 / 10).contains(&calls),
        "{calls}"
    );

    // Each tier adds a fifth of what it gets, if it is not told.
    let calls = outage(Setup {
        telling: false,
        ..telling
    })
    .await;
    assert!(calls > CALLS * 14 / 10, "{calls}");
}

#[tokio::test]
async fn behind_full_stacks_it_gets_no_more() {
    let calls = outage(Setup {
        telling: true,
        full: true,
    })
    .await;
    assert!(calls <= CALLS * 12 / 10, "{calls}");
}

/// Though none of the tiers between has retries to exhaust.
#[tokio::test]
async fn what_the_dependency_says_reaches_the_client_through_all_tiers() {
    let setup = Setup {
        telling: true,
        full: false,
    };
    let down = get(|| async {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            [(RetriesExhausted::HEADER, "elsewhere")],
        )
    });
    let dependency = serve(Router::new().route("/", down)).await;
    let shop = shop(setup, warehouse(setup, dependency).await).await;
    let answer = common::get(&client(false), uri(shop, "/")).await;
    assert_eq!(answer.headers[RetriesExhausted::HEADER], "1");
}
