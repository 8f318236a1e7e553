//! What is kept of a body so that it can be sent again: the same bytes or nothing, and no more memory than the cap.

use allocation_counter::measure;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Empty;
use resilience_stack::{
    core::Backoff,
    http::{HttpReplay, ReplayBody},
    prelude::*,
};
use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tower::{Layer, Service, ServiceExt, service_fn};

const CAP: usize = 64 * 1024;

/// Everything besides the body's bytes: futures, boxes, the list of frames.
const OVERHEAD: usize = 8 * 1024;

/// A body that makes its frames when they are asked for, so that it has no memory of its own.
#[derive(Clone, Copy, Debug)]
struct Script {
    /// Bytes of data left to come.
    left: usize,
    /// How many of them in a frame.
    frame: usize,
    /// Whether it is pending before each frame.
    slow: bool,
    end: End,
    next: u8,
    pending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Plain,
    Trailers,
    Error,
}

impl Script {
    const fn new(length: usize, frame: usize) -> Self {
        Self {
            left: length,
            frame,
            slow: false,
            end: End::Plain,
            next: 0,
            pending: false,
        }
    }

    const fn slow(mut self) -> Self {
        self.slow = true;
        self
    }

    const fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.pending = self.slow && !self.pending;
        if self.pending {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let length = self.left.min(self.frame);
        if length > 0 {
            let mut bytes = (0..=u8::MAX).cycle().skip(usize::from(self.next));
            let data: Vec<u8> = bytes.by_ref().take(length).collect();
            self.next = bytes.next().expect("a cycle has no end");
            self.left -= length;
            return Poll::Ready(Some(Ok(Frame::data(data.into()))));
        }
        Poll::Ready(match std::mem::replace(&mut self.end, End::Plain) {
            End::Plain => None,
            End::Trailers => {
                let mut trailers = HeaderMap::new();
                trailers.insert("checksum", HeaderValue::from_static("7"));
                Some(Ok(Frame::trailers(trailers)))
            }
            End::Error => Some(Err("the caller's file broke off".into())),
        })
    }
}

/// What a server saw of one attempt's body, without keeping it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    bytes: usize,
    hash: u64,
    trailers: bool,
    failed: bool,
}

async fn read(mut body: ReplayBody<Script>) -> Seen {
    let mut seen = Seen::default();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        match frame {
            Ok(frame) if frame.is_trailers() => seen.trailers = true,
            Ok(frame) => {
                for byte in frame.into_data().expect("data or trailers") {
                    seen.bytes += 1;
                    seen.hash = seen.hash.wrapping_mul(31).wrapping_add(u64::from(byte) + 1);
                }
            }
            Err(_) => {
                seen.failed = true;
                break;
            }
        }
    }
    seen
}

/// What the server saw of each attempt when it has read all and fails, and the most memory that was held.
fn attempts(body: Script) -> (Vec<Seen>, usize) {
    let layer = RetryLayer::builder("memory")
        .backoff(Backoff::constant(Duration::from_millis(1)).expect("a wait"))
        .build()
        .expect("a valid configuration")
        .http()
        .replay(HttpReplay::new().cap(CAP));
    let seen = Arc::new(Mutex::new(Vec::with_capacity(8)));
    let note = seen.clone();
    let mut service = layer.layer(service_fn(move |req: Request<ReplayBody<Script>>| {
        let note = note.clone();
        async move {
            let one = read(req.into_body()).await;
            note.lock().unwrap().push(one);
            let mut res = Response::new(Empty::<Bytes>::new());
            *res.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            Ok::<_, BoxError>(res)
        }
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut call = || {
        let req = Request::put("/").body(body).unwrap();
        let res = runtime.block_on(async { service.ready().await?.call(req).await });
        assert_eq!(res.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    };
    // What is made once for all calls is not counted.
    call();
    seen.lock().unwrap().clear();
    let peak = measure(call).bytes_max;
    let seen = seen.lock().unwrap().clone();
    (seen, usize::try_from(peak).unwrap())
}

#[test]
fn a_second_attempt_sends_the_same_bytes_or_is_not_made_and_memory_stays_within_the_cap() {
    const K: usize = 1024;
    let again = [
        ("empty", Script::new(0, K)),
        ("one byte", Script::new(1, K)),
        ("the cap, in one frame", Script::new(CAP, CAP)),
        ("the cap, in chunks", Script::new(CAP, K)),
        ("many short chunks", Script::new(16 * K, 7)),
        ("slow", Script::new(32 * K, K).slow()),
        ("with trailers", Script::new(K, K).end(End::Trailers)),
        (
            "slow, chunked, with trailers",
            Script::new(8 * K, 100).slow().end(End::Trailers),
        ),
    ];
    let once = [
        (
            "a byte more than the cap, in one frame",
            Script::new(CAP + 1, CAP + 1),
        ),
        (
            "a byte more than the cap, in chunks",
            Script::new(CAP + 1, K),
        ),
        ("ten megabytes", Script::new(10 * K * K, 16 * K)),
        (
            "ten megabytes, slow",
            Script::new(10 * K * K, 16 * K).slow(),
        ),
        ("an error at its end", Script::new(K, K).end(End::Error)),
        (
            "an error beyond the cap",
            Script::new(2 * CAP, K).end(End::Error),
        ),
    ];
    let rows = again
        .iter()
        .map(|row| (row, 3))
        .chain(once.iter().map(|row| (row, 1)));
    for ((name, body), times) in rows {
        let (seen, peak) = attempts(*body);
        println!(
            "{name:40} {} bytes, {} attempts, at most {peak} bytes held",
            body.left,
            seen.len()
        );
        assert_eq!(seen.len(), times, "{name}: attempts");
        let first = seen[0];
        assert_eq!(first.bytes, body.left, "{name}: all of it arrives");
        assert_eq!(
            first.trailers,
            body.end == End::Trailers,
            "{name}: trailers"
        );
        assert_eq!(first.failed, body.end == End::Error, "{name}: error");
        assert!(
            seen.iter().all(|one| *one == first),
            "{name}: the same each time: {seen:?}"
        );
        // At most one frame more, which may be under way when the cap is passed.
        let most = CAP.min(body.left) + body.frame.min(body.left) + OVERHEAD;
        assert!(
            peak <= most,
            "{name}: {peak} bytes were held, more than {most}"
        );
    }
}
