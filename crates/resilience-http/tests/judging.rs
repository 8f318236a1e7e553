//! Which classifiers `.http()` takes, and who is to blame for what a proxy answers.

mod support;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use resilience_core::{BoxError, Classify, Errors, GuardLayer, Outcome, Verdict, by_result};
use resilience_http::{EndVerdict, HttpClassify, HttpLayer, HttpVerdict};
use support::{Event, Log};
use tower::{Layer, ServiceExt, service_fn};

type Res = Response<Full<Bytes>>;

/// Sends a request through `.http()` with this classifier, to a service that answers 418 with a body.
async fn teapot<C>(classify: C) -> Vec<Event>
where
    C: Classify<Request<()>, Res, BoxError, Call: EndVerdict>,
    C: Clone,
{
    let log = Log::default();
    let layer = GuardLayer::new(log.clone()).http().classify(classify);
    let service = layer.layer(service_fn(|_: Request<()>| async {
        let mut res = Response::new(Full::from("short and stout"));
        *res.status_mut() = StatusCode::IM_A_TEAPOT;
        Ok::<_, BoxError>(res)
    }));
    let res = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(log.events().len(), 1, "held until the end of the body");
    res.into_body().collect().await.unwrap();
    log.events()
}

#[tokio::test]
async fn the_classifiers_of_core_judge_http_at_the_head() {
    let judged = |outcome| vec![Event::Head(Some(outcome)), Event::Finished(outcome)];
    assert_eq!(teapot(Errors).await, judged(Outcome::Success));
    let picky = by_result(|result: Result<&Res, &BoxError>| match result {
        Ok(res) if res.status().is_success() => Outcome::Success,
        _ => Outcome::Permanent,
    });
    assert_eq!(teapot(picky).await, judged(Outcome::Permanent));
}

#[test]
fn a_proxy_that_refuses_the_caller_is_no_failure_of_a_grpc_service() {
    for (status, outcome) in [
        (400, Outcome::Permanent),
        (401, Outcome::Success),
        (403, Outcome::Success),
        (404, Outcome::Permanent),
        (429, Outcome::OVERLOAD),
        (500, Outcome::Permanent),
        (502, Outcome::TRANSIENT),
        (503, Outcome::TRANSIENT),
        (504, Outcome::TRANSIENT),
    ] {
        let req = Request::new(());
        let mut res = Response::new(());
        *res.status_mut() = StatusCode::from_u16(status).unwrap();
        let grpc = HttpClassify::grpc();
        let mut verdict: HttpVerdict = Classify::<_, Response<()>, BoxError>::start(&grpc, &req);
        let judged = Verdict::<_, BoxError>::response(&mut verdict, &res);
        assert_eq!(judged, Some(outcome), "{status}");
    }
}
