//! What a refused caller gets.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use resilience_core::{
    BoxError, Classify, GuardLayer, Now, Outcome, Policy, Reason, Rejected, Verdict,
};
use resilience_http::{
    HttpClassify, HttpLayer, Protocol, RespondLayer, grpc_code, http_status, refusal,
};
use std::{convert::Infallible, time::Duration};
use tower::{Layer, ServiceExt, service_fn};

/// Refuses everybody.
#[derive(Clone)]
struct No(Rejected);

impl<Req: ?Sized> Policy<Req> for No {
    type Permit = ();

    fn admit(&self, _: &Req, _: &mut Now) -> Result<(), Rejected> {
        Err(self.0.clone())
    }
}

fn respond(protocol: Protocol, why: Rejected) -> Response<Full<Bytes>> {
    refusal(protocol, why)
}

#[test]
fn every_reason_has_a_status_and_a_code() {
    for (reason, status, code) in [
        (Reason::Concurrency, 503, 8),
        (Reason::Rate, 429, 8),
        (Reason::Open, 503, 14),
        (Reason::Shed, 503, 14),
        (Reason::Deadline, 504, 4),
        (Reason::ShuttingDown, 503, 14),
        (Reason::NotReady, 503, 14),
        (Reason::NoKey, 400, 3),
        (Reason::Other, 503, 14),
    ] {
        assert_eq!(http_status(reason).as_u16(), status, "{reason:?}");
        assert_eq!(grpc_code(reason).number(), code, "{reason:?}");
        let res = respond(Protocol::Http, Rejected::new(reason, "x"));
        assert_eq!(res.status().as_u16(), status);
        let res = respond(Protocol::Grpc, Rejected::new(reason, "x"));
        assert_eq!(res.status(), StatusCode::OK);
        assert_eq!(res.headers()["grpc-status"], code.to_string().as_str());
    }
}

#[test]
fn the_advice_is_exact_and_rounded_up() {
    for (delay, seconds, millis) in [
        (Duration::ZERO, "0", "0"),
        (Duration::from_nanos(1), "1", "1"),
        (Duration::from_millis(250), "1", "250"),
        (Duration::from_secs(2), "2", "2000"),
        (Duration::from_micros(2_000_001), "3", "2001"),
    ] {
        let why = Rejected::new(Reason::Open, "x").retry_after(delay);
        let http = respond(Protocol::Http, why.clone());
        assert_eq!(http.headers()["retry-after"], seconds);
        let grpc = respond(Protocol::Grpc, why);
        assert_eq!(grpc.headers()["grpc-retry-pushback-ms"], millis);
    }
}

#[test]
fn without_an_exact_delay_the_advice_is_a_second_or_never() {
    let full = respond(Protocol::Http, Rejected::new(Reason::Concurrency, "x"));
    assert_eq!(full.headers()["retry-after"], "1");
    for hopeless in [Reason::Rate, Reason::Deadline, Reason::NoKey] {
        let http = respond(Protocol::Http, Rejected::new(hopeless, "x"));
        assert!(!http.headers().contains_key("retry-after"));
        let grpc = respond(Protocol::Grpc, Rejected::new(hopeless, "x"));
        assert_eq!(grpc.headers()["grpc-retry-pushback-ms"], "-1");
    }
}

#[test]
fn any_policy_name_makes_a_valid_message() {
    let why = Rejected::new(Reason::Open, "100 % \n käse".to_string());
    let res = respond(Protocol::Grpc, why);
    assert_eq!(
        res.headers()["grpc-message"],
        "100 %25 %0A k%C3%A4se: circuit breaker open"
    );
    assert!(res.body().is_end_stream());
}

#[tokio::test]
async fn the_protocol_is_the_requests() {
    let layer = GuardLayer::new(No(
        Rejected::new(Reason::Rate, "x").retry_after(Duration::ZERO)
    ))
    .http()
    .respond();
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    let service = layer.layer(inner);
    for (content_type, is_grpc) in [
        ("application/json", false),
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc;charset=x", true),
        ("application/grpc-web", false),
        ("text/plain", false),
    ] {
        let req = Request::builder().header("content-type", content_type);
        let res = service
            .clone()
            .oneshot(req.body(()).unwrap())
            .await
            .unwrap();
        assert_eq!(
            res.headers().contains_key("grpc-status"),
            is_grpc,
            "{content_type}"
        );
        let text = res.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text.is_empty(), is_grpc);
    }
}

#[tokio::test]
async fn an_outer_layer_does_not_take_our_refusal_for_the_dependencys_failure() {
    let why = Rejected::new(Reason::Concurrency, "x");
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, BoxError>(Response::new(Full::new(Bytes::new())))
    });

    let responding = GuardLayer::new(No(why.clone()))
        .http()
        .respond()
        .layer(inner);
    let res = responding.oneshot(Request::new(())).await;
    assert_eq!(judge(&res), why.outcome());

    let failing = GuardLayer::new(No(why.clone())).http().layer(inner);
    let res = failing.oneshot(Request::new(())).await;
    assert_eq!(judge(&res), why.outcome());
    assert!(!why.outcome().is_failure());
}

fn judge<B>(res: &Result<Response<B>, BoxError>) -> Outcome {
    let classify = HttpClassify::new();
    let mut verdict =
        Classify::<Request<()>, Response<B>, BoxError>::start(&classify, &Request::new(()));
    match res {
        Ok(res) => Verdict::<_, BoxError>::response(&mut verdict, res).unwrap(),
        Err(error) => Verdict::<Response<B>, _>::error(&mut verdict, error),
    }
}

#[cfg(feature = "tonic")]
#[tokio::test]
async fn a_status_error_carries_status_and_refusal() {
    use resilience_http::StatusLayer;
    for (reason, code) in [
        (Reason::Open, tonic::Code::Unavailable),
        (Reason::Concurrency, tonic::Code::ResourceExhausted),
        (Reason::Deadline, tonic::Code::DeadlineExceeded),
    ] {
        let refusing = GuardLayer::new(No(Rejected::new(reason, "x")));
        let passing = GuardLayer::new(()).with_status();
        let inner = service_fn(|(): ()| async { Ok::<_, BoxError>(()) });

        let direct = refusing.clone().with_status().layer(inner).oneshot(());
        let error = direct.await.unwrap_err();
        assert_eq!(tonic::Status::from_error(error).code(), code);

        let below = passing.layer(refusing.layer(inner)).oneshot(());
        let error = below.await.unwrap_err();
        assert_eq!(Rejected::find(&*error).unwrap().reason(), reason);
        let status = tonic::Status::from_error(error);
        assert_eq!(status.code(), code);
        assert_eq!(Rejected::find(&status).unwrap().reason(), reason);
    }
}

#[cfg(all(feature = "tonic", feature = "timeout"))]
#[tokio::test(start_paused = true)]
async fn a_timeout_below_has_a_status() {
    use resilience_http::StatusLayer;
    use resilience_timeout::{TimedOut, TimeoutLayer};
    let hang = service_fn(|(): ()| std::future::pending::<Result<(), BoxError>>());
    let timeout = TimeoutLayer::new("x", Duration::from_secs(1)).unwrap();
    let service = GuardLayer::new(()).with_status().layer(timeout.layer(hang));
    let error = service.oneshot(()).await.unwrap_err();
    assert!(TimedOut::find(&*error).is_some());
    let status = tonic::Status::from_error(error);
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
}
