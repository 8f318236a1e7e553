//! Callers that show a certificate, and ask the server for one.

use crate::{
    certificates::{Authority, Credentials},
    servers::Servers,
};
use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Empty};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use inventory_proto::{StockRequest, inventory_client::InventoryClient};
use resilience_stack::prelude::BoxError;
use std::{error::Error, iter, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

pub(crate) struct Caller {
    http: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    uri: http::Uri,
    inventory: InventoryClient<Channel>,
    tls: TlsConnector,
    pub(crate) servers: Servers,
}

impl Caller {
    /// A caller of `servers` that shows `credentials`, if any, and believes servers that `trusted` vouches for.
    pub(crate) fn new(
        servers: &Servers,
        trusted: &Authority,
        credentials: Option<&Credentials>,
    ) -> Result<Self, BoxError> {
        let tls = trusted.client_config(credentials)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_only()
            .enable_http1()
            .build();
        let channel = Endpoint::from_shared(format!("https://{}", servers.grpc))?
            .tls_config(trusted.tonic_config(credentials))?
            .connect_lazy();
        Ok(Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            uri: format!("https://{}/", servers.http).parse()?,
            inventory: InventoryClient::new(channel),
            tls: Arc::new(tls).into(),
            servers: *servers,
        })
    }

    /// Connects and calls nobody, to hear what is wrong: what the server says of this caller, or this caller of it.
    ///
    /// By TLS 1.3 a caller may call before the server has looked at its certificate. Its client then sees the connection
    /// end in the middle of the call, and may not say why.
    pub(crate) async fn knock(&self, address: SocketAddr) -> Result<String, BoxError> {
        let tcp = TcpStream::connect(address).await?;
        let answer = async {
            let mut stream = self.tls.connect(address.ip().into(), tcp).await?;
            stream.read_u8().await
        };
        let answer = timeout(Duration::from_secs(5), answer).await?;
        Ok(answer.map_or_else(|error| error.to_string(), |_| "an answer".into()))
    }

    /// Over HTTP.
    pub(crate) async fn greet(&self) -> Result<Response<Bytes>, BoxError> {
        let (head, body) = self.http.get(self.uri.clone()).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Over gRPC: how many lamps there are.
    pub(crate) async fn stock(&self) -> Result<u32, Status> {
        let lamps = StockRequest {
            product: "lamp".into(),
        };
        let reply = self.inventory.clone().stock(lamps).await?;
        Ok(reply.into_inner().count)
    }
}

/// What is wrong in the end: what there is under `transport error`.
pub(crate) fn cause(error: &(dyn Error + 'static)) -> String {
    let causes = iter::successors(Some(error), |&error| error.source());
    causes.last().unwrap_or(error).to_string()
}
