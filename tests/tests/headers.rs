//! Headers that come from outside, with anything at all in them: no panic, no overflow, no delay without an end, and
//! no key of the caller's own choice. The checks are those of the fuzz targets, here with bytes of proptest's.

#[path = "../fuzz/src/lib.rs"]
#[allow(
    unreachable_pub,
    clippy::missing_panics_doc,
    reason = "it is a crate of its own as well"
)]
mod fuzz;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use proptest::{collection::vec, prelude::*, sample::select};
use resilience_core::clock;
use resilience_stack::prelude::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tower::{Layer, ServiceExt, service_fn};

/// Bytes of any kind, and bytes that the grammar is made of.
fn bytes(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = select(words).prop_map(|word| word.as_bytes().to_vec());
    let digits = any::<u64>().prop_map(|number| number.to_string().into_bytes());
    let noise = vec(any::<u8>(), 0..6);
    let piece = prop_oneof![6 => word, 1 => digits, 2 => noise];
    prop_oneof![
        vec(piece, 0..16).prop_map(|pieces| pieces.concat()),
        vec(any::<u8>(), 0..120),
    ]
}

/// The same, after bytes that say how trusted proxies write.
fn after_proxies() -> impl Strategy<Value = Vec<u8>> {
    let words: &[_] = &[
        "for=",
        "For=\"",
        "\"",
        "\\",
        "\\\"",
        ",",
        ";",
        "=",
        " ",
        "\n",
        "[",
        "]",
        ":80",
        "unknown",
        "_x",
        "1.2.3.4",
        "[2001:db8::6]",
        "host=\"a,b\"",
        "for=6.6.6.6",
    ];
    (vec(any::<u8>(), 0..100), bytes(words))
        .prop_map(|(proxies, spoofed)| [proxies, spoofed].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn retry_after(data in bytes(&[
        "0", "9", "120", "-", "+", ".", " ", "\n", "18446744073709551615", "18446744073709551616",
        "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, ", " GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "00 Jan 0000 99:99:99",
    ])) {
        fuzz::retry_after_and_date(&data);
    }

    #[test]
    fn grpc(data in bytes(&["0", "1", "4", "8", "14", "16", "17", "-1", "+1", "4294967295", "4294967296", " ", "\n"])) {
        fuzz::grpc_status_and_pushback(&data);
    }

    #[test]
    fn forwarded(data in after_proxies()) {
        fuzz::forwarded(&data);
    }

    #[test]
    fn x_forwarded_for(data in after_proxies()) {
        fuzz::x_forwarded_for(&data);
    }

    #[test]
    fn timeouts(data in bytes(&["0", "9", "99999999", "100000000", "H", "M", "S", "m", "u", "n", "-", "+", ".", " ", "\n", "250m\n"])) {
        fuzz::timeouts(&data);
    }

    #[test]
    fn by_header(data in bytes(&["blue", "\n", "                                                      a"])) {
        fuzz::by_header(&data);
    }

    #[test]
    fn certificate(data in vec((any::<u8>(), bytes(&["spiffe://a.example/b", "a.example", "*.b.example", ".", "\u{e9}"])), 0..6)) {
        let names = data.into_iter().map(|(tag, mut name)| {
            name.truncate(255);
            let len = u8::try_from(name.len()).unwrap();
            [vec![tag, len], name].concat()
        });
        fuzz::certificate(&names.collect::<Vec<_>>().concat());
    }

    #[test]
    fn noise_for_a_certificate(data in vec(any::<u8>(), 0..400)) {
        fuzz::certificate(&data);
    }
}

fn answer(status: StatusCode, headers: &[(&'static str, &str)]) -> Response<Empty<Bytes>> {
    let mut res = Response::new(Empty::new());
    *res.status_mut() = status;
    for &(name, value) in headers {
        res.headers_mut()
            .append(name, HeaderValue::from_str(value).unwrap());
    }
    res
}

/// How long a call takes, and how often it is sent, if the first answer is `hostile` and the second a good one.
async fn call(
    grpc: bool,
    cap: Option<Duration>,
    hostile: impl Fn() -> Response<Empty<Bytes>> + Clone,
) -> (Duration, u32) {
    let mut layer = RetryLayer::builder("hostile")
        .backoff(Backoff::constant(Duration::from_millis(1)).unwrap())
        .no_budget();
    if let Some(cap) = cap {
        layer = layer.advice_cap(cap);
    }
    let layer = layer.build().unwrap();
    let sent = Arc::new(AtomicU32::new(0));
    let service = {
        let sent = sent.clone();
        service_fn(move |_: Request<_>| {
            let first = sent.fetch_add(1, SeqCst) == 0;
            let good = || answer(StatusCode::OK, &[("grpc-status", "0")]);
            let res = if first { hostile() } else { good() };
            async { Ok::<_, BoxError>(res) }
        })
    };
    let req = Request::new(Empty::<Bytes>::new());
    let start = clock::now();
    if grpc {
        layer.grpc().layer(service).oneshot(req).await.unwrap();
    } else {
        layer.http().layer(service).oneshot(req).await.unwrap();
    }
    (clock::now() - start, sent.load(SeqCst))
}

const AGES: [&str; 6] = [
    "31",
    "31536000000",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999999999999999999999",
    "Fri, 31 Dec 9999 23:59:59 GMT",
];

/// Whatever a server asks for, the retry comes after `advice_cap`, with the backoff's wait on top.
#[tokio::test(start_paused = true)]
async fn no_server_delays_a_retry_for_longer_than_the_cap() {
    let ms = Duration::from_millis;
    for value in AGES {
        for status in [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::BAD_GATEWAY,
        ] {
            let hostile = || answer(status, &[("retry-after", value)]);
            for (cap, wait) in [(None, ms(30_000)), (Some(ms(70)), ms(70))] {
                let (took, sent) = call(false, cap, hostile).await;
                assert!(
                    took >= wait && took <= wait + ms(2),
                    "{status} {value}: {took:?}"
                );
                assert_eq!(sent, 2);
            }
        }
    }
    // What cannot be read is no advice; the backoff alone remains.
    for value in [
        "",
        "-1",
        "+5",
        "1e9",
        "1.5",
        "99999999999999999999x",
        "Fri, 31 Dec 99999 23:59:59 GMT",
    ] {
        let hostile = || answer(StatusCode::SERVICE_UNAVAILABLE, &[("retry-after", value)]);
        let (took, sent) = call(false, None, hostile).await;
        assert!(took <= ms(2), "{value}: {took:?}");
        assert_eq!(sent, 2);
    }
}

#[tokio::test(start_paused = true)]
async fn no_pushback_delays_a_retry_for_longer_than_the_cap() {
    let ms = Duration::from_millis;
    for (pushback, expected) in [
        ("4294967295", Some(ms(30_000))),
        ("30001", Some(ms(30_000))),
        ("30", Some(ms(30))),
        // Beyond what can be read, negative, or no number: do not retry.
        ("4294967296", None),
        ("99999999999999999999999999999999", None),
        ("-1", None),
        ("-99999999999999999999999999999999", None),
        ("soon", None),
        ("", None),
    ] {
        let (took, sent) = call(true, None, || {
            answer(
                StatusCode::OK,
                &[("grpc-status", "14"), ("grpc-retry-pushback-ms", pushback)],
            )
        })
        .await;
        match expected {
            Some(wait) => {
                assert!(took >= wait && took <= wait + ms(2), "{pushback}: {took:?}");
                assert_eq!(sent, 2);
            }
            None => assert_eq!((took, sent), (Duration::ZERO, 1), "{pushback}"),
        }
    }
}
