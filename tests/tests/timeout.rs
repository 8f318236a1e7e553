//! Which part of a call took too long, in the metrics.

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use metrics_exporter_prometheus::PrometheusBuilder;
use resilience_stack::{
    http::{AttemptTimeout, BodyTimeoutLayer},
    prelude::*,
};
use std::{future::pending, time::Duration};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, limit::ConcurrencyLimit, service_fn};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test(start_paused = true)]
async fn each_limit_is_counted_by_its_kind() {
    let layer = TimeoutLayer::new("inventory", ms(100)).unwrap().http();
    let layer = layer
        .body_idle(ms(20))
        .and_then(|layer| layer.body_total(ms(50)))
        .unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    layer.bind_recorder(&recorder);
    let count = |kind: &str| {
        let text = recorder.handle().render();
        let labels = format!("{{policy=\"inventory\",kind=\"{kind}\"}} ");
        let line = text.lines().find_map(|line| line.split_once(&labels));
        line.map_or(0, |(_, value)| value.parse().unwrap())
    };
    let counts = || ["ready", "head", "idle", "total"].map(count);

    // Frames without end, and the time before each in the path.
    let streaming = service_fn(|req: Request<()>| async move {
        let gap = ms(req.uri().path()[1..].parse().unwrap());
        let frames = stream::unfold((), move |()| async move {
            sleep(gap).await;
            let frame = Frame::data(Bytes::from_static(b"x"));
            Some((Ok::<_, BoxError>(frame), ()))
        });
        Ok::<_, BoxError>(Response::new(StreamBody::new(frames)))
    });
    let get = |gap: u64| Request::get(format!("/{gap}")).body(()).unwrap();
    for gap in [30, 10, 10] {
        let res = layer.layer(streaming).oneshot(get(gap)).await.unwrap();
        assert!(Box::pin(res.into_body()).collect().await.is_err());
    }
    assert_eq!(counts(), [0, 0, 1, 2]);

    let hanging = service_fn(|_: Request<()>| pending::<Result<Response<String>, BoxError>>());
    let mut own = get(0);
    own.extensions_mut().insert(AttemptTimeout(ms(0)));
    for req in [get(0), own] {
        layer.layer(hanging).oneshot(req).await.unwrap_err();
    }
    let unready = ConcurrencyLimit::new(hanging, 0);
    let covering = layer.clone().cover_readiness().layer(unready);
    covering.oneshot(get(0)).await.unwrap_err();
    assert_eq!(counts(), [1, 2, 1, 2]);
}
