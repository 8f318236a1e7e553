//! The client over TLS, on real sockets, with certificates made at start.
#![cfg(feature = "client-rustls")]

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use resilience_http::{
    Client,
    client::{ClientBuilder, Tls},
};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// Serves one short text over HTTP/1 and TLS, as `localhost`. The port, and the authority that vouches for it.
async fn serve() -> (u16, CertificateDer<'static>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.signed_by(&key, &ca).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let Ok(mut connection) = acceptor.accept(connection).await else {
                continue;
            };
            let mut read = Vec::new();
            while !read.ends_with(b"\r\n\r\n") {
                read.push(connection.read_u8().await.unwrap());
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret";
            connection.write_all(answer).await.unwrap();
        }
    });
    (port, ca.as_ref().der().clone())
}

fn builder() -> ClientBuilder {
    Client::builder("tls").attempts(1)
}

#[tokio::test]
async fn trusts_whom_it_is_told_to() {
    let (port, ca) = serve().await;
    let mut roots = RootCertStore::empty();
    roots.add(ca).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    // The client sets its own.
    config.alpn_protocols = vec![b"something else".to_vec()];
    let client = builder()
        .tls(Tls::Config(Box::new(config)))
        .build()
        .unwrap();
    let res = client.get(format!("https://localhost:{port}/")).send();
    assert_eq!(
        res.await.unwrap().into_body().text().await.unwrap(),
        "secret"
    );

    let by_address = client.get(format!("https://127.0.0.1:{port}/")).send();
    let error = by_address.await.unwrap_err();
    assert!(
        error.is_connect(),
        "the certificate is for another name: {error:?}"
    );
}

#[tokio::test]
async fn trusts_nobody_else() {
    let (port, _) = serve().await;
    let client = builder().build().unwrap();
    let error = client
        .get(format!("https://localhost:{port}/"))
        .send()
        .await;
    assert!(error.unwrap_err().is_connect());
}

#[test]
fn reads_the_authorities_of_the_machine() {
    // Whether there are any depends on the machine; to have none is an error that names the setting.
    if let Err(error) = builder().tls(Tls::NativeRoots).build() {
        assert_eq!(error.field(), "tls");
    }
}
