//! The tables of `HttpClassify`, line by line.

use http::{Request, Response};
use resilience_core::{BothFailed, BoxError, Classify, Outcome, Verdict};
use resilience_http::{HttpClassify, by_head, pushback, retry_after};
use std::{io, time::Duration};

type Headers<'a> = &'a [(&'a str, &'a str)];

fn response(status: u16, headers: Headers<'_>) -> Response<()> {
    let mut res = Response::builder().status(status);
    for &(name, value) in headers {
        res = res.header(name, value);
    }
    res.body(()).unwrap()
}

fn judge(content_type: &str, status: u16, headers: Headers<'_>) -> Option<Outcome> {
    let req = Request::builder()
        .header("content-type", content_type)
        .body(())
        .unwrap();
    let res = response(status, headers);
    let mut verdict = Classify::<_, Response<()>, BoxError>::start(&HttpClassify::new(), &req);
    Verdict::<_, BoxError>::response(&mut verdict, &res)
}

const fn transient(seconds: u64) -> Outcome {
    Outcome::Transient {
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

const fn overload(seconds: u64) -> Outcome {
    Outcome::Overload {
        retry_after: Some(Duration::from_secs(seconds)),
    }
}

#[test]
fn http() {
    let advice: Headers<'_> = &[("retry-after", "7")];
    for (status, headers, outcome) in [
        (200, &[][..], Outcome::Success),
        (204, &[], Outcome::Success),
        (304, &[], Outcome::Success),
        (400, &[], Outcome::Success),
        (404, &[], Outcome::Success),
        (408, &[], Outcome::TRANSIENT),
        (429, &[], Outcome::OVERLOAD),
        (429, advice, overload(7)),
        (500, &[], Outcome::Permanent),
        (500, advice, Outcome::Permanent),
        (501, &[], Outcome::Permanent),
        (502, &[], Outcome::TRANSIENT),
        (502, advice, transient(7)),
        (503, &[], Outcome::TRANSIENT),
        (503, advice, overload(7)),
        (504, &[], Outcome::TRANSIENT),
        (599, &[], Outcome::Permanent),
    ] {
        assert_eq!(
            judge("text/plain", status, headers),
            Some(outcome),
            "{status} {headers:?}"
        );
    }
}

#[test]
fn grpc_head() {
    for (status, headers, outcome) in [
        (200, &[][..], None),
        (200, &[("grpc-status", "0")], Some(Outcome::Success)),
        (200, &[("grpc-status", "14")], Some(Outcome::TRANSIENT)),
        (
            200,
            &[("grpc-status", "14"), ("grpc-retry-pushback-ms", "3000")],
            Some(transient(3)),
        ),
        (
            200,
            &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "3000")],
            Some(overload(3)),
        ),
        (
            200,
            &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "-1")],
            Some(Outcome::Permanent),
        ),
        (
            200,
            &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "x")],
            Some(Outcome::Permanent),
        ),
        (
            200,
            &[("grpc-status", "8"), ("grpc-retry-pushback-ms", "+3")],
            Some(Outcome::Permanent),
        ),
        (
            200,
            &[("grpc-status", "5"), ("grpc-retry-pushback-ms", "-1")],
            Some(Outcome::Success),
        ),
        (502, &[], Some(Outcome::TRANSIENT)),
        (404, &[], Some(Outcome::Permanent)),
    ] {
        assert_eq!(
            judge("application/grpc", status, headers),
            outcome,
            "{status} {headers:?}"
        );
    }
}

#[test]
fn errors() {
    let judge = |error: BoxError| {
        let mut verdict =
            Classify::<_, Response<()>, BoxError>::start(&HttpClassify::new(), &Request::new(()));
        Verdict::<Response<()>, _>::error(&mut verdict, &error)
    };
    let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    assert_eq!(judge(refused.into()), Outcome::Unsent);
    assert_eq!(judge(reset.into()), Outcome::TRANSIENT);
    assert_eq!(judge("anything".into()), Outcome::TRANSIENT);
    // Somebody else was asked first, or after.
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    for both in [
        BothFailed::new(refused(), "lost"),
        BothFailed::new("lost", refused()),
    ] {
        assert_eq!(judge(both.into()), Outcome::TRANSIENT);
    }
}

#[test]
fn retry_after_in_seconds_and_dates() {
    let of = |headers: Headers<'_>| retry_after(response(503, headers).headers());
    assert_eq!(of(&[]), None);
    assert_eq!(
        of(&[("retry-after", " 120 ")]),
        Some(Duration::from_secs(120))
    );
    let date = [
        ("date", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("retry-after", "Wed, 21 Oct 2015 07:29:30 GMT"),
    ];
    assert_eq!(of(&date), Some(Duration::from_secs(90)));
    let past = [("retry-after", "Wed, 21 Oct 2015 07:29:30 GMT")];
    assert_eq!(of(&past), Some(Duration::ZERO));
    for unreadable in ["", "-1", "1.5", "soon", "+3", "1e3"] {
        assert_eq!(of(&[("retry-after", unreadable)]), None, "{unreadable}");
    }
    let endless = "9".repeat(40);
    assert_eq!(
        of(&[("retry-after", &endless)]),
        Some(Duration::from_secs(u64::MAX))
    );
}

#[test]
fn hostile_headers_do_no_harm() {
    use proptest::prelude::*;
    proptest!(|(value in "[ -~]{0,40}")| {
        let headers = [("retry-after", &*value), ("grpc-retry-pushback-ms", &*value)];
        let res = response(503, &headers);
        let _ = retry_after(res.headers());
        prop_assert!(pushback(res.headers()).is_some());
    });
}

#[test]
fn by_head_infers_its_types() {
    let classify = by_head(|head| {
        if head.headers.contains_key("x-stale") {
            return Outcome::TRANSIENT;
        }
        Outcome::Success
    });
    let mut verdict = Classify::<_, Response<()>, BoxError>::start(&classify, &Request::new(()));
    let stale = response(200, &[("x-stale", "1")]);
    let judged = Verdict::<_, BoxError>::response(&mut verdict, &stale);
    assert_eq!(judged, Some(Outcome::TRANSIENT));
}
