//! What must not happen twice.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use resilience_core::{Outcome, Replay};
use resilience_http::HttpReplay;

#[test]
fn what_is_denied_is_repeated_only_if_it_was_never_sent() {
    let place = |req: &http::request::Parts| req.uri.path() == "/shop.Orders/Place";
    let request = |req: http::request::Builder| req.body(Full::<Bytes>::default()).unwrap();
    for (replay, req) in [
        (HttpReplay::grpc(), Request::post("/shop.Orders/Place")),
        (HttpReplay::new(), Request::put("/shop.Orders/Place")),
        (
            HttpReplay::new().allow_if(|_| true),
            Request::post("/shop.Orders/Place").header("idempotency-key", "7"),
        ),
    ] {
        let replay = replay.deny_if(place);
        let (_, kept) = replay.first(request(req), true);
        let kept = kept.unwrap();
        assert!(!replay.allows(&kept, Outcome::TRANSIENT));
        assert!(replay.allows(&kept, Outcome::Unsent));
    }
    let replay = HttpReplay::grpc().deny_if(place);
    let (_, kept) = replay.first(request(Request::post("/shop.Orders/Find")), true);
    assert!(replay.allows(&kept.unwrap(), Outcome::TRANSIENT));
}
