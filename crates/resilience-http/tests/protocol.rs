//! Which protocol a request speaks, and what a gRPC response says, among however many headers.

use http::{HeaderMap, HeaderName, HeaderValue, Request};
use proptest::{collection::vec, option, prelude::*, sample::select};
use resilience_http::{GrpcCode, Protocol};

const STATUS: &str = "grpc-status";

/// Headers of which nothing depends, some of them repeated.
fn others() -> impl Strategy<Value = Vec<(HeaderName, HeaderValue)>> {
    let names = ["accept", "te", "user-agent", "x-one", "x-two", "grpc-statu"];
    let names = names
        .into_iter()
        .map(HeaderName::from_static)
        .chain((0..20).map(|number| HeaderName::try_from(format!("x-number-{number}")).unwrap()));
    let values = ["application/grpc", "0", "14", ""].map(HeaderValue::from_static);
    vec(
        (select(names.collect::<Vec<_>>()), select(values.to_vec())),
        0..20,
    )
}

fn among(
    mut others: Vec<(HeaderName, HeaderValue)>,
    place: prop::sample::Index,
    header: Option<(&'static str, &'static str)>,
) -> HeaderMap {
    if let Some((name, value)) = header {
        let header = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        let place = place.index(others.len() + 1);
        // The first counts.
        others.push((header.0.clone(), HeaderValue::from_static("16")));
        others.insert(place, header);
    }
    let mut headers = HeaderMap::new();
    for (name, value) in others {
        headers.append(name, value);
    }
    headers
}

proptest! {
    #[test]
    fn the_content_type_decides(
        others in others(),
        place: prop::sample::Index,
        content_type in option::of(select(vec![
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ])),
    ) {
        let header = content_type.map(|(value, _)| ("content-type", value));
        let mut req = Request::new(());
        *req.headers_mut() = among(others, place, header);
        let grpc = content_type.is_some_and(|(_, grpc)| grpc);
        let expected = if grpc { Protocol::Grpc } else { Protocol::Http };
        prop_assert_eq!(Protocol::of(&req), expected);
    }

    #[test]
    fn the_status_is_found_among_other_trailers(
        others in others(),
        place: prop::sample::Index,
        status in option::of(select(vec![
            ("0", GrpcCode::Ok),
            ("14", GrpcCode::Unavailable),
            ("17", GrpcCode::Unknown),
            ("x", GrpcCode::Unknown),
        ])),
    ) {
        let trailers = among(others, place, status.map(|(value, _)| (STATUS, value)));
        prop_assert_eq!(GrpcCode::of(&trailers), status.map(|(_, code)| code));
    }
}
