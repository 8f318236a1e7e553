//! What the errors of real connections are taken for.

mod common;

use bytes::Bytes;
use common::Ledger;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{Empty, StreamBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use resilience_stack::{
    core::{Classify, Verdict},
    http::HttpClassify,
    prelude::*,
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};

/// Refuses the first stream of every connection, and answers the others.
async fn refuse_first(listener: TcpListener, streams: Arc<AtomicU32>) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let streams = streams.clone();
        tokio::spawn(async move {
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                if streams.fetch_add(1, SeqCst) == 0 {
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                } else {
                    respond.send_response(Response::new(()), true).unwrap();
                }
            }
        });
    }
}

#[tokio::test]
async fn a_refused_stream_was_never_processed_and_is_sent_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let streams = Arc::new(AtomicU32::new(0));
    tokio::spawn(refuse_first(listener, streams.clone()));
    let client = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let retry = RetryLayer::builder("x")
        .backoff(Backoff::constant(Duration::from_millis(1)).unwrap())
        .build()
        .unwrap();
    let service = retry.http().layer(client);
    let req = Request::post(common::uri(address, "/")).body(Empty::<Bytes>::new());
    let res = service.oneshot(req.unwrap()).await.unwrap();
    assert_eq!(res.status(), StatusCode::OK);
    assert_eq!(streams.load(SeqCst), 2);
}

#[tokio::test]
async fn a_request_body_that_fails_is_not_the_dependencys_failure() {
    let app = axum::Router::new().route("/", axum::routing::post(|_: Bytes| async { "read" }));
    let address = common::serve(app).await;
    for http2 in [false, true] {
        let ledger = Ledger::default();
        let client = Client::builder(TokioExecutor::new())
            .http2_only(http2)
            .build_http();
        let service = GuardLayer::new(ledger.clone()).http().layer(client);
        let frames = [
            Ok(Frame::data(Bytes::from("some"))),
            Err(io::Error::other("the file is gone")),
        ];
        let req = Request::post(common::uri(address, "/"));
        let req = req.body(StreamBody::new(stream::iter(frames))).unwrap();
        service.oneshot(req).await.unwrap_err();
        let counts = ledger.settled().await;
        assert_eq!((counts.ignored, counts.failed), (1, 0), "http2: {http2}");
    }
}

#[tokio::test]
async fn a_channel_that_cannot_connect_has_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    // The error is the channel's own with `.respond()`, and boxed with `.with_status()`.
    let classify = HttpClassify::grpc();
    let req = Request::post(common::uri(nobody, "/")).body(tonic::body::Body::empty());
    let error = common::inventory::channel(nobody)
        .oneshot(req.unwrap())
        .await
        .unwrap_err();
    let mut verdict =
        Classify::<_, Response<()>, tonic::transport::Error>::start(&classify, &Request::new(()));
    let judged = Verdict::<Response<()>, _>::error(&mut verdict, &error);
    assert_eq!(judged, Outcome::Unsent);
    let boxed = BoxError::from(error);
    let judged = Verdict::<Response<()>, _>::error(&mut verdict, &boxed);
    assert_eq!(judged, Outcome::Unsent);
}
