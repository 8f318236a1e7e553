//! Requests that are sent again: which, and whether the bytes are the same.

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use pin_project_lite::pin_project;
use proptest::{collection::vec, prelude::*};
use resilience_core::{BoxError, Deadline, Outcome, Reason, Rejected, Replay, clock};
use resilience_http::{Attempt, HttpReplay, KeptRequest, ReplayBody};
use std::{
    cell::Cell,
    collections::VecDeque,
    marker::PhantomPinned,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

const CAP: usize = 64 * 1024;

/// What a scripted body does when it is polled.
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Pending,
    Fail,
    Panic,
    /// Runs something in the middle of the poll, then goes on.
    Run(Box<dyn FnOnce() + Send>),
}

pin_project! {
    /// A body that can neither be cloned, nor moved once it is polled, nor shared between threads.
    struct Script {
        steps: VecDeque<Step>,
        // Knows how much is left, as a body with a content length does.
        exact: bool,
        left: u64,
        not_sync: Cell<()>,
        #[pin]
        not_unpin: PhantomPinned,
    }
}

impl Script {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps: VecDeque<_> = steps.into_iter().collect();
        let length = |step: &Step| match step {
            Step::Data(data) => data.len() as u64,
            _ => 0,
        };
        Self {
            left: steps.iter().map(length).sum(),
            steps,
            exact: false,
            not_sync: Cell::new(()),
            not_unpin: PhantomPinned,
        }
    }

    fn exact(mut self) -> Self {
        self.exact = true;
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        loop {
            match this.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Data(data)) => {
                    *this.left -= data.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Step::Trailers(trailers)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Some(Step::Fail) => return Poll::Ready(Some(Err("broken".into()))),
                Some(Step::Panic) => panic!("by the test"),
                Some(Step::Pending) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Run(run)) => run(),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.exact && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.exact {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.left)
    }
}

/// So many bytes, no two neighbours alike, that go on from `start`.
fn bytes(start: usize, length: usize) -> Bytes {
    let byte = |at: usize| u8::try_from(at % 251).expect("below 251");
    (start..start + length).map(byte).collect()
}

/// The same bytes in chunks of these sizes.
fn chunks(sizes: impl IntoIterator<Item = usize>) -> Vec<Step> {
    let mut start = 0;
    let chunk = |size| {
        let data = bytes(start, size);
        start += size;
        Step::Data(data)
    };
    sizes.into_iter().map(chunk).collect()
}

fn trailers(value: &'static str) -> HeaderMap {
    let name = HeaderName::from_static("checksum");
    HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
}

fn request<B>(method: Method, body: B) -> Request<B> {
    let request = Request::builder().method(method).uri("/stock?sku=7");
    request.body(body).expect("valid")
}

/// A waker that counts.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Bell {
    fn rang(&self) -> usize {
        self.0.load(SeqCst)
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

fn poll<B>(body: &mut Pin<Box<ReplayBody<B>>>) -> Polled
where
    B: Body<Error: Into<BoxError>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    body.as_mut().poll_frame(&mut cx)
}

fn data(polled: Polled) -> Bytes {
    match polled {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().expect("data"),
        other => panic!("{other:?}"),
    }
}

/// What one attempt got.
#[derive(Debug, Default, PartialEq)]
struct Read {
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    ended: bool,
}

/// Reads at most `frames` frames; passes over what is pending. Checks the hints at every step.
fn read<B>(body: &mut Pin<Box<ReplayBody<B>>>, frames: usize) -> Result<Read, BoxError>
where
    B: Body<Error: Into<BoxError>>,
{
    let mut read = Read::default();
    let mut left = frames;
    while left > 0 {
        let before = body.size_hint();
        let at_end = body.is_end_stream();
        match poll(body) {
            Poll::Pending => continue,
            Poll::Ready(None) => {
                assert!(before.exact().unwrap_or(0) == 0);
                read.ended = true;
                return Ok(read);
            }
            Poll::Ready(Some(frame)) => {
                assert!(!at_end, "it said that it was at its end");
                let frame = frame?;
                let after = body.size_hint();
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                if let (Some(before), Some(after)) = (before.exact(), after.exact()) {
                    assert_eq!(before, after + length);
                }
                match frame.into_data() {
                    Ok(data) => read.data.extend_from_slice(&data),
                    Err(frame) => read.trailers = frame.into_trailers().ok(),
                }
            }
        }
        left -= 1;
    }
    Ok(read)
}

fn read_all<B>(body: &mut Pin<Box<ReplayBody<B>>>) -> Result<Read, BoxError>
where
    B: Body<Error: Into<BoxError>>,
{
    read(body, usize::MAX)
}

type Sent<B> = (Pin<Box<ReplayBody<B>>>, Option<KeptRequest<B>>);

fn first<B: Body>(replay: &HttpReplay, method: Method, body: B) -> Sent<B> {
    let (req, kept) = replay.first(request(method, body), true);
    (Box::pin(req.into_body()), kept)
}

fn again<B: Body>(
    replay: &HttpReplay,
    kept: KeptRequest<B>,
    attempt: u32,
    last: bool,
) -> Option<Sent<B>> {
    let (req, kept) = replay.again(kept, attempt, last)?;
    assert_eq!(kept.is_none(), last);
    Some((Box::pin(req.into_body()), kept))
}

/// A `PUT` with this body through one attempt that reads `frames` of it, and another that reads all.
fn twice(body: Script, frames: usize) -> Option<Read> {
    let replay = HttpReplay::new();
    let (mut one, kept) = first(&replay, Method::PUT, body);
    read(&mut one, frames).expect("the first attempt goes on in any case");
    drop(one);
    let kept = kept.expect("a retry was possible");
    let whole = replay.allows(&kept, Outcome::TRANSIENT);
    let two = again(&replay, kept, 2, true);
    assert_eq!(two.is_some(), whole);
    Some(read_all(&mut two?.0).expect("the body is sound"))
}

fn whole(length: usize) -> Read {
    Read {
        data: bytes(0, length).to_vec(),
        trailers: None,
        ended: true,
    }
}

#[test]
fn bodies_up_to_the_cap_are_sent_again_and_larger_ones_are_not() {
    let cut = |length: usize, chunk: usize| {
        let rest = Some(length % chunk).filter(|&rest| rest > 0);
        std::iter::repeat_n(chunk, length / chunk).chain(rest)
    };
    for length in [0, 1, 511, 512, 4_097, CAP - 1, CAP, CAP + 1, 3 * CAP] {
        for chunk in [1, 100, 511, 512, 4_096, 10_000, 1 << 20] {
            for exact in [false, true] {
                let mut body = Script::new(chunks(cut(length, chunk)));
                body.exact = exact;
                let expected = (length <= CAP).then(|| whole(length));
                let got = twice(body, usize::MAX);
                assert!(got == expected, "{length} bytes in chunks of {chunk}");
            }
        }
    }
}

/// However large it is: what was not read stays where it was.
#[test]
fn a_body_that_was_not_read_is_sent_again() {
    for length in [0, 1, CAP + 1, 10 * CAP] {
        let body = Script::new(chunks([length]));
        assert!(twice(body, 0) == Some(whole(length)));
    }
}

#[test]
fn a_body_that_was_read_in_part_goes_on_where_it_was() {
    for frames in 0..6 {
        let body = Script::new(chunks([10, 2_000, 3, 0, 600]));
        assert!(twice(body, frames) == Some(whole(2_613)), "after {frames}");
    }
    // The rest is larger than the cap: that does not matter to the last attempt.
    let body = Script::new(chunks([10, 5 * CAP]));
    assert!(twice(body, 1) == Some(whole(10 + 5 * CAP)));
}

#[test]
fn trailers_are_sent_again() {
    for frames in 0..=3 {
        let mut steps = chunks([100]);
        steps.push(Step::Trailers(trailers("7")));
        let expected = Read {
            trailers: Some(trailers("7")),
            ..whole(100)
        };
        assert_eq!(twice(Script::new(steps), frames), Some(expected));
    }
    let steps = [Step::Trailers(trailers("7"))];
    assert!(twice(Script::new(steps), 9).is_some_and(|read| read.trailers.is_some()));
}

#[test]
fn trailers_count_towards_the_cap() {
    for (cap, fits) in [(10 + 8 + 3, true), (10 + 8 + 2, false)] {
        let replay = HttpReplay::new().cap(cap);
        let mut steps = chunks([10]);
        steps.push(Step::Trailers(trailers("abc")));
        let (mut one, kept) = first(&replay, Method::PUT, Script::new(steps));
        assert!(read_all(&mut one).unwrap().trailers.is_some());
        let kept = kept.unwrap();
        assert_eq!(replay.allows(&kept, Outcome::TRANSIENT), fits);
        assert_eq!(again(&replay, kept, 2, true).is_some(), fits);
    }
}

#[test]
fn a_pending_body_wakes_whoever_reads_it_now() {
    let mut steps = chunks([5]);
    steps.insert(0, Step::Pending);
    steps.insert(0, Step::Pending);
    let replay = HttpReplay::new();
    let (mut one, kept) = first(&replay, Method::PUT, Script::new(steps));
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let wakers = bells.clone().map(Waker::from);
    let pending = one
        .as_mut()
        .poll_frame(&mut Context::from_waker(&wakers[0]));
    assert!(pending.is_pending());
    assert_eq!(bells[0].rang(), 1);
    let (mut two, _) = again(&replay, kept.unwrap(), 2, true).expect("nothing was read");
    let pending = two
        .as_mut()
        .poll_frame(&mut Context::from_waker(&wakers[1]));
    assert!(pending.is_pending());
    assert_eq!(bells[1].rang(), 1);
    assert_eq!(read_all(&mut two).unwrap(), whole(5));
}

#[test]
fn a_body_that_failed_is_not_sent_again() {
    let replay = HttpReplay::new();
    let mut steps = chunks([5]);
    steps.push(Step::Fail);
    let (mut one, kept) = first(&replay, Method::PUT, Script::new(steps));
    assert_eq!(read_all(&mut one).unwrap_err().to_string(), "broken");
    let kept = kept.unwrap();
    assert!(!replay.allows(&kept, Outcome::Unsent));
    assert!(again(&replay, kept, 2, true).is_none());
}

#[test]
fn an_error_in_the_second_attempt_reaches_it() {
    let replay = HttpReplay::new();
    let mut steps = chunks([5]);
    steps.push(Step::Fail);
    let (mut one, kept) = first(&replay, Method::PUT, Script::new(steps));
    read(&mut one, 1).unwrap();
    let (mut two, kept) = again(&replay, kept.unwrap(), 2, false).expect("not failed yet");
    assert_eq!(read(&mut two, 1).unwrap().data, *bytes(0, 5));
    assert_eq!(read_all(&mut two).unwrap_err().to_string(), "broken");
    assert!(again(&replay, kept.unwrap(), 3, true).is_none());
}

/// A connection may hold the first attempt's body long after the response.
#[test]
fn a_body_that_is_still_held_is_taken_over() {
    let replay = HttpReplay::new();
    let (mut one, kept) = first(
        &replay,
        Method::PUT,
        Script::new(chunks([600, 600, 600])).exact(),
    );
    read(&mut one, 1).unwrap();
    let (mut two, _) = again(&replay, kept.unwrap(), 2, true).expect("taken over");
    assert_eq!(two.size_hint().exact(), Some(1_800));
    assert!(
        read(&mut one, 1).is_err(),
        "the first must not steal a frame"
    );
    assert_eq!(read(&mut two, 2).unwrap().data, *bytes(0, 1_200));
    assert!(read(&mut one, 1).is_err());
    assert!(one.size_hint().exact().is_none() && !one.is_end_stream());
    drop(one);
    assert_eq!(read_all(&mut two).unwrap().data, *bytes(1_200, 600));
}

#[test]
fn a_holder_that_waits_for_the_body_learns_that_it_is_over() {
    let replay = HttpReplay::new();
    let hang = (0..9).map(|_| Step::Pending);
    let (mut one, kept) = first(&replay, Method::PUT, Script::new(hang));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    assert!(
        one.as_mut()
            .poll_frame(&mut Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(bell.rang(), 1, "by the script");
    let _two = again(&replay, kept.unwrap(), 2, true);
    assert_eq!(bell.rang(), 2);
    assert!(read(&mut one, 1).is_err());
}

type Slot<B> = Arc<Mutex<Option<KeptRequest<B>>>>;

/// A body during whose second frame the next attempt begins, as on another thread, and polls.
fn taken_over_in_mid_poll(end: Step) -> (Polled, Pin<Box<ReplayBody<Script>>>, Arc<Bell>) {
    let replay = HttpReplay::new();
    let slot = Slot::<Script>::default();
    let second = Arc::new(Mutex::new(None));
    let bell = Arc::new(Bell::default());
    let waker = Waker::from(bell.clone());
    let run = {
        let (replay, slot, second) = (replay.clone(), slot.clone(), second.clone());
        move || {
            let kept = slot.lock().unwrap().take().expect("put there below");
            let (mut two, _) = again(&replay, kept, 2, true).expect("nothing prevents it");
            assert_eq!(
                data(poll(&mut two)),
                bytes(0, 600),
                "what was read is there"
            );
            // The next frame is in the other reader's hands.
            let waiting = two.as_mut().poll_frame(&mut Context::from_waker(&waker));
            assert!(waiting.is_pending());
            *second.lock().unwrap() = Some(two);
        }
    };
    let mut steps = chunks([600]);
    steps.push(Step::Run(Box::new(run)));
    let goes_on = matches!(end, Step::Data(_));
    steps.push(end);
    if goes_on {
        steps.push(Step::Data(bytes(700, 600)));
    }
    let (mut one, kept) = first(&replay, Method::PUT, Script::new(steps));
    read(&mut one, 1).unwrap();
    *slot.lock().unwrap() = kept;
    let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut one)));
    let two = second.lock().unwrap().take().expect("begun");
    (polled.unwrap_or(Poll::Pending), two, bell)
}

#[test]
fn a_frame_that_an_earlier_attempt_has_in_hand_is_not_lost() {
    let (polled, mut two, bell) = taken_over_in_mid_poll(Step::Data(bytes(600, 100)));
    assert!(matches!(polled, Poll::Ready(Some(Err(_)))));
    assert_eq!(bell.rang(), 1);
    assert_eq!(read_all(&mut two).unwrap().data, *bytes(600, 700));
    let (_, mut two, bell) = taken_over_in_mid_poll(Step::Trailers(trailers("1")));
    assert_eq!(bell.rang(), 1);
    assert!(read_all(&mut two).unwrap().trailers.is_some());
    let (_, mut two, _) = taken_over_in_mid_poll(Step::Data(bytes(600, 100 + CAP)));
    assert_eq!(read(&mut two, 1).unwrap().data, *bytes(600, 100 + CAP));
}

#[test]
fn nobody_waits_for_a_body_that_was_lost_in_mid_poll() {
    for end in [Step::Fail, Step::Panic] {
        let (_, mut two, bell) = taken_over_in_mid_poll(end);
        assert_eq!(bell.rang(), 1);
        assert!(read(&mut two, 1).is_err());
    }
}

#[test]
fn a_body_that_panicked_is_not_sent_again() {
    let replay = HttpReplay::new();
    let (mut one, kept) = first(&replay, Method::PUT, Script::new([Step::Panic]));
    assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut one))).is_err());
    let kept = kept.unwrap();
    assert!(!replay.allows(&kept, Outcome::Unsent));
    assert!(again(&replay, kept, 2, true).is_none());
}

/// Counts the bytes that are alive.
struct Tracked(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0.len(), SeqCst);
    }
}

fn tracked(sizes: impl IntoIterator<Item = usize>, alive: &Arc<AtomicUsize>) -> Vec<Step> {
    let track = |step| match step {
        Step::Data(data) => {
            alive.fetch_add(data.len(), SeqCst);
            Step::Data(Bytes::from_owner(Tracked(data.to_vec(), alive.clone())))
        }
        other => other,
    };
    chunks(sizes).into_iter().map(track).collect()
}

#[test]
fn beyond_the_cap_all_is_freed_at_once_and_the_attempt_goes_on() {
    let alive = Arc::default();
    let replay = HttpReplay::new().cap(2_000);
    let (mut one, kept) = first(
        &replay,
        Method::PUT,
        Script::new(tracked([1_000; 5], &alive)),
    );
    for (kept, left) in [
        (1_000, 4_000),
        (2_000, 3_000),
        (0, 2_000),
        (0, 1_000),
        (0, 0),
    ] {
        drop(data(poll(&mut one)));
        assert_eq!(alive.load(SeqCst), kept + left);
    }
    assert!(!replay.allows(&kept.unwrap(), Outcome::Unsent));
}

#[test]
fn nothing_is_kept_once_the_response_is_accepted() {
    let alive = Arc::default();
    let replay = HttpReplay::new();
    let (mut one, kept) = first(
        &replay,
        Method::PUT,
        Script::new(tracked([1_000; 3], &alive)),
    );
    drop(data(poll(&mut one)));
    assert_eq!(alive.load(SeqCst), 3_000);
    drop(kept);
    assert_eq!(alive.load(SeqCst), 2_000);
    drop(data(poll(&mut one)));
    assert_eq!(alive.load(SeqCst), 1_000);
    assert_eq!(read_all(&mut one).unwrap().data, *bytes(2_000, 1_000));
}

#[test]
fn the_last_attempt_frees_as_it_goes() {
    let alive = Arc::default();
    let replay = HttpReplay::new();
    let (mut one, kept) = first(
        &replay,
        Method::PUT,
        Script::new(tracked([1_000; 4], &alive)),
    );
    read(&mut one, 2).unwrap();
    drop(one);
    let (mut two, _) = again(&replay, kept.unwrap(), 2, true).unwrap();
    for left in [3_000, 2_000, 1_000, 0] {
        drop(data(poll(&mut two)));
        assert_eq!(alive.load(SeqCst), left);
    }
}

/// One byte of a large buffer must not keep the whole buffer, nor cost many times its length.
#[test]
fn short_chunks_are_copied() {
    let alive = Arc::new(AtomicUsize::new(0));
    let replay = HttpReplay::new();
    let large = tracked([CAP], &alive);
    let Some(Step::Data(large)) = large.into_iter().next() else {
        unreachable!()
    };
    let steps: Vec<_> = (0..100)
        .map(|at| Step::Data(large.slice(at..=at)))
        .collect();
    drop(large);
    let (mut one, kept) = first(&replay, Method::PUT, Script::new(steps));
    assert_eq!(read_all(&mut one).unwrap(), whole(100));
    assert_eq!(alive.load(SeqCst), 0);
    let (mut two, _) = again(&replay, kept.unwrap(), 2, true).unwrap();
    assert_eq!(data(poll(&mut two)), bytes(0, 100));
}

#[test]
fn where_no_retry_is_possible_the_body_passes_through() {
    let alive = Arc::default();
    let replay = HttpReplay::new();
    let body = Script::new(tracked([1_000; 3], &alive)).exact();
    let (req, kept) = replay.first(request(Method::PUT, body), false);
    assert!(kept.is_none());
    let mut body = Box::pin(req.into_body());
    for left in [2_000, 1_000, 0] {
        drop(data(poll(&mut body)));
        assert_eq!(alive.load(SeqCst), usize::try_from(left).unwrap());
        assert_eq!(body.size_hint().exact(), Some(left));
        assert_eq!(body.is_end_stream(), left == 0);
    }
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
}

/// Clients choose between a content length, chunks and no body at all by these.
#[test]
fn size_and_end_are_known_in_every_attempt() {
    let replay = HttpReplay::new();
    for length in [0, 1, 5_000] {
        let (one, kept) = first(&replay, Method::PUT, Full::new(bytes(0, length)));
        let length = length as u64;
        assert_eq!(
            (one.size_hint().exact(), one.is_end_stream()),
            (Some(length), length == 0)
        );
        let (mut two, kept) = again(&replay, kept.unwrap(), 2, false).unwrap();
        assert_eq!(
            (two.size_hint().exact(), two.is_end_stream()),
            (Some(length), length == 0)
        );
        read(&mut two, 1).unwrap();
        assert_eq!(
            (two.size_hint().exact(), two.is_end_stream()),
            (Some(0), true)
        );
        let (mut three, _) = again(&replay, kept.unwrap(), 3, true).unwrap();
        assert_eq!(
            (three.size_hint().exact(), three.is_end_stream()),
            (Some(length), length == 0)
        );
        read(&mut three, 1).unwrap();
        assert_eq!(
            (three.size_hint().exact(), three.is_end_stream()),
            (Some(0), true)
        );
    }
    // Trailers left to be played are not the end.
    let mut steps = chunks([600]);
    steps.push(Step::Trailers(trailers("1")));
    let (mut one, kept) = first(&replay, Method::PUT, Script::new(steps).exact());
    read(&mut one, 2).unwrap();
    assert!(one.is_end_stream());
    let (mut two, _) = again(&replay, kept.unwrap(), 2, true).unwrap();
    for end in [false, false, true] {
        assert_eq!(two.is_end_stream(), end);
        let _ = poll(&mut two);
    }
}

/// A body without a length has one once it has been read to its end.
#[test]
fn the_second_attempt_knows_what_the_first_has_learned() {
    let replay = HttpReplay::new();
    let (mut one, kept) = first(&replay, Method::PUT, Script::new(chunks([600, 600])));
    assert_eq!(one.size_hint().exact(), None);
    read_all(&mut one).unwrap();
    let (mut two, _) = again(&replay, kept.unwrap(), 2, true).unwrap();
    assert_eq!(two.size_hint().exact(), Some(1_200));
    read(&mut two, 2).unwrap();
    assert!(two.is_end_stream());
}

#[test]
fn an_empty_body_costs_nothing_to_keep() {
    let replay = HttpReplay::new();
    let (req, kept) = replay.first(request(Method::GET, Empty::<Bytes>::new()), true);
    assert_eq!(format!("{:?}", req.body()), r#"ReplayBody("plain")"#);
    let (req, _) = replay.again(kept.unwrap(), 2, true).unwrap();
    assert_eq!(format!("{:?}", req.body()), r#"ReplayBody("empty")"#);
    let mut body = Box::pin(req.into_body());
    assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
}

/// Data that is not `Bytes`, and not contiguous.
#[tokio::test]
async fn any_buffer_can_be_replayed() {
    struct Twofold(Option<bytes::buf::Chain<&'static [u8], &'static [u8]>>);
    impl Body for Twofold {
        type Data = bytes::buf::Chain<&'static [u8], &'static [u8]>;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
            Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
        }
    }
    let body = || Twofold(Some(b"one, ".chain(&b"two"[..])));
    let replay = HttpReplay::new();
    let (plain, _) = replay.first(request(Method::PUT, body()), false);
    let (one, kept) = replay.first(request(Method::PUT, body()), true);
    let mut reads = vec![plain, one];
    for req in &mut reads {
        let read = req.body_mut().collect().await.unwrap();
        assert_eq!(read.to_bytes(), "one, two");
    }
    let (two, _) = replay.again(kept.unwrap(), 2, true).unwrap();
    assert_eq!(two.collect().await.unwrap().to_bytes(), "one, two");
}

/// A request for each rule, its first byte read, and whether it may be repeated after a transient failure.
#[test]
fn only_what_is_safe_is_repeated_once_it_was_sent() {
    let plain = HttpReplay::new;
    let none = HeaderMap::new;
    let with = |name: &'static str, value: &'static str| {
        let header = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        HeaderMap::from_iter([header])
    };
    let grpc = |value| with("content-type", value);
    let search = || HttpReplay::new().allow_if(|head| head.uri.path() == "/stock");
    let patch = || HttpReplay::new().methods([Method::PATCH]);
    let table = [
        (plain(), Method::GET, none(), true),
        (plain(), Method::HEAD, none(), true),
        (plain(), Method::OPTIONS, none(), true),
        (plain(), Method::TRACE, none(), true),
        (plain(), Method::PUT, none(), true),
        (plain(), Method::DELETE, none(), true),
        (plain(), Method::POST, none(), false),
        (plain(), Method::PATCH, none(), false),
        (plain(), Method::CONNECT, none(), false),
        (plain(), Method::from_bytes(b"BREW").unwrap(), none(), false),
        (
            plain(),
            Method::POST,
            with("idempotency-key", "\"8e03\""),
            true,
        ),
        (plain(), Method::POST, with("idempotency-key", ""), false),
        (plain(), Method::POST, grpc("application/grpc"), true),
        (plain(), Method::POST, grpc("application/grpc+proto"), true),
        (plain(), Method::POST, grpc("application/grpc-web"), false),
        (plain(), Method::POST, grpc("application/json"), false),
        (HttpReplay::grpc(), Method::POST, none(), true),
        (search(), Method::POST, none(), true),
        (patch(), Method::PATCH, none(), true),
        (patch(), Method::GET, none(), false),
    ];
    for (replay, method, headers, safe) in table {
        let mut req = request(method, Script::new(chunks([10, 10])));
        *req.headers_mut() = headers;
        let what = format!("{} {:?}", req.method(), req.headers());
        let (req, kept) = replay.first(req, true);
        let kept = kept.unwrap();
        let refused = Rejected::new(Reason::Concurrency, "bulkhead").outcome();
        assert_eq!(replay.allows(&kept, Outcome::TRANSIENT), safe, "{what}");
        assert!(replay.allows(&kept, Outcome::Unsent), "{what}");
        assert!(replay.allows(&kept, refused), "{what}");
        read(&mut Box::pin(req.into_body()), 1).unwrap();
        assert_eq!(replay.allows(&kept, Outcome::TRANSIENT), safe, "{what}");
        assert_eq!(replay.allows(&kept, Outcome::Unsent), safe, "{what}");
        assert_eq!(again(&replay, kept, 2, true).is_some(), safe, "{what}");
    }
}

/// Nothing of it is buffered, and nothing else than bytes makes it be read.
#[test]
fn an_unsafe_request_is_kept_as_long_as_it_is_unread() {
    let replay = HttpReplay::new();
    let mut steps = chunks([0, 10]);
    steps.insert(0, Step::Pending);
    let (mut one, kept) = first(&replay, Method::POST, Script::new(steps));
    assert!(poll(&mut one).is_pending());
    assert_eq!(data(poll(&mut one)), "");
    drop(one);
    let kept = kept.unwrap();
    assert!(replay.allows(&kept, Outcome::Unsent));
    let (mut two, _) = again(&replay, kept, 2, true).unwrap();
    assert_eq!(read_all(&mut two).unwrap(), whole(10));
}

#[test]
fn attempts_are_numbered() {
    let header = HeaderName::from_static("x-attempt");
    let replay = HttpReplay::new().attempt_header(header.clone());
    let (req, kept) = replay.first(request(Method::GET, Script::new([])), true);
    assert!(req.extensions().get::<Attempt>().is_none() && req.headers().is_empty());
    let (req, kept) = replay.again(kept.unwrap(), 2, false).unwrap();
    assert_eq!(req.extensions().get(), Some(&Attempt(2)));
    assert_eq!(
        (req.headers().len(), &req.headers()[&header]),
        (1, &HeaderValue::from(2))
    );
    let (req, _) = replay.again(kept.unwrap(), 3, true).unwrap();
    assert_eq!(req.extensions().get(), Some(&Attempt(3)));
    assert_eq!(
        (req.headers().len(), &req.headers()[&header]),
        (1, &HeaderValue::from(3))
    );
}

#[test]
fn grpc_attempts_are_numbered_as_the_protocol_has_it() {
    let replay = HttpReplay::grpc().attempt_header(HeaderName::from_static("x-attempt"));
    let (req, kept) = replay.first(request(Method::POST, Script::new([])), true);
    assert!(req.headers().is_empty());
    let (req, _) = replay.again(kept.unwrap(), 2, true).unwrap();
    let previous = &req.headers()["grpc-previous-rpc-attempts"];
    assert_eq!((req.headers().len(), previous), (1, &HeaderValue::from(1)));
}

#[test]
fn the_head_is_sent_again() {
    let replay = HttpReplay::new();
    let mut req = request(Method::DELETE, Script::new(chunks([3])));
    *req.version_mut() = Version::HTTP_2;
    req.headers_mut()
        .append("accept", HeaderValue::from_static("text/plain"));
    req.headers_mut()
        .append("accept", HeaderValue::from_static("text/html"));
    req.extensions_mut().insert("mine");
    let (one, kept) = replay.first(req, true);
    let (two, kept) = replay.again(kept.unwrap(), 2, false).unwrap();
    let (three, _) = replay.again(kept.unwrap(), 3, true).unwrap();
    for req in [one, two, three] {
        assert_eq!(
            (req.method(), req.version()),
            (&Method::DELETE, Version::HTTP_2)
        );
        assert_eq!(req.uri(), "/stock?sku=7");
        assert_eq!(req.headers().get_all("accept").iter().count(), 2);
        assert_eq!(req.extensions().get(), Some(&"mine"));
    }
}

#[test]
fn extensions_are_those_of_the_first_attempt_with_a_deadline_and_without() {
    let deadline = Deadline::at(clock::now());
    for (bounded, mine) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut req = request(Method::GET, Empty::<Bytes>::new());
        let deadline = bounded.then_some(deadline);
        let mine = mine.then_some("mine");
        deadline.map(|deadline| req.extensions_mut().insert(deadline));
        mine.map(|mine| req.extensions_mut().insert(mine));
        let replay = HttpReplay::new();
        let (one, kept) = replay.first(req, true);
        let (two, kept) = replay.again(kept.unwrap(), 2, false).unwrap();
        let (three, _) = replay.again(kept.unwrap(), 3, true).unwrap();
        for (attempt, req) in [(None, one), (Some(2), two), (Some(3), three)] {
            assert_eq!(req.extensions().get().copied(), deadline);
            assert_eq!(req.extensions().get().copied(), mine);
            assert_eq!(req.extensions().get().copied(), attempt.map(Attempt));
        }
    }
}

#[test]
fn what_clients_ask_of_a_body_holds() {
    fn sendable<T: Send>(_: &T) {}
    fn shareable<T: Send + Sync>(_: &T) {}
    fn unpin<T: Unpin>(_: &T) {}
    let replay = HttpReplay::new();
    let (req, kept) = replay.first(request(Method::PUT, Script::new([])), true);
    sendable(&req);
    sendable(&kept);
    let (req, kept) = replay.first(request(Method::PUT, Full::new(Bytes::new())), true);
    shareable(&req);
    shareable(&kept);
    unpin(&req);
}

proptest! {
    /// However the body is cut, and wherever attempts break off: the next one gets the same bytes, or there is
    /// none. What is kept is never above the cap and one chunk.
    #[test]
    fn every_attempt_reads_the_same(
        cap in 0_usize..6_000,
        sizes in vec(prop_oneof![0_usize..40, 400_usize..700, 0_usize..3_000], 0..12),
        pending in vec(any::<bool>(), 12),
        with_trailers in any::<bool>(),
        exact in any::<bool>(),
        reads in vec((0_usize..16, any::<bool>()), 1..5),
    ) {
        let alive = Arc::new(AtomicUsize::new(0));
        let total: usize = sizes.iter().sum();
        let largest = sizes.iter().max().copied().unwrap_or(0);
        let mut steps = Vec::new();
        for (step, pending) in tracked(sizes, &alive).into_iter().zip(pending) {
            if pending {
                steps.push(Step::Pending);
            }
            steps.push(step);
        }
        if with_trailers {
            steps.push(Step::Trailers(trailers("seven")));
        }
        let expected = Read {
            trailers: with_trailers.then(|| trailers("seven")),
            ..whole(total)
        };
        let length = total + if with_trailers { 8 + 5 } else { 0 };
        let mut body = Script::new(steps);
        body.exact = exact;
        let replay = HttpReplay::new().cap(cap);
        let (mut body, mut kept) = first(&replay, Method::PUT, body);
        let mut holders = Vec::new();
        // The most that any attempt has read.
        let mut most = 0;
        for (attempt, (frames, hold)) in (2..).zip(reads) {
            if exact {
                prop_assert_eq!(body.size_hint().exact(), Some(total as u64));
            }
            let got = read(&mut body, frames).expect("the body is sound");
            prop_assert!(expected.data.starts_with(&got.data));
            let trailed = got.trailers.is_some();
            most = most.max(got.data.len() + if trailed { 8 + 5 } else { 0 });
            let waiting = total - most.min(total);
            let kept_alive = alive.load(SeqCst) - waiting.min(alive.load(SeqCst));
            prop_assert!(kept_alive <= cap + largest);
            let whole = replay.allows(kept.as_ref().unwrap(), Outcome::TRANSIENT);
            prop_assert_eq!(whole, most <= cap);
            if most > cap {
                prop_assert_eq!(kept_alive, 0);
            }
            let next = again(&replay, kept.take().unwrap(), attempt, false);
            prop_assert_eq!(next.is_some(), whole);
            let Some((next, next_kept)) = next else {
                // The attempt goes on to its end.
                let rest = read_all(&mut body).expect("the body is sound");
                prop_assert!(expected.data.ends_with(&rest.data));
                prop_assert_eq!(got.data.len() + rest.data.len(), total);
                return Ok(());
            };
            let before = std::mem::replace(&mut body, next);
            kept = next_kept;
            // An empty body has nothing to be taken over.
            if hold && length > 0 {
                holders.push(before);
            }
            for holder in &mut holders {
                prop_assert!(read(holder, 1).is_err());
            }
        }
        prop_assert_eq!(read_all(&mut body).expect("the body is sound"), expected);
        let whole = replay.allows(kept.as_ref().unwrap(), Outcome::TRANSIENT);
        prop_assert_eq!(whole, length <= cap);
    }
}

#[cfg(feature = "retry")]
mod layer {
    use super::*;
    use http::{Response, StatusCode};
    use resilience_core::Backoff;
    use resilience_http::HttpLayer;
    use resilience_retry::RetryLayer;
    use std::time::Duration;
    use tower::{Layer, ServiceExt, service_fn};

    fn layer() -> RetryLayer {
        let steady = Backoff::constant(Duration::from_millis(10)).expect("valid");
        RetryLayer::builder("http")
            .backoff(steady)
            .build()
            .expect("valid")
    }

    type Collected = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

    /// Answers with these statuses in turn, and notes what it got.
    async fn statuses(
        statuses: &'static [u16],
        got: Collected,
        req: Request<ReplayBody<Script>>,
    ) -> Result<Response<String>, BoxError> {
        let (head, body) = req.into_parts();
        let body = body.collect().await?.to_bytes();
        let mut got = got.lock().unwrap();
        got.push((head.headers, body));
        let mut response = Response::new(format!("attempt {}", got.len()));
        *response.status_mut() = StatusCode::from_u16(statuses[got.len() - 1])?;
        Ok(response)
    }

    async fn send(
        method: Method,
        answers: &'static [u16],
    ) -> (Response<String>, Vec<(HeaderMap, Bytes)>) {
        let got = Collected::default();
        let inner = {
            let got = got.clone();
            service_fn(move |req| statuses(answers, got.clone(), req))
        };
        let service = layer().http().layer(inner);
        let req = request(method, Script::new(chunks([1_000, 10, 2_000])));
        let response = service.oneshot(req).await.expect("no errors");
        let got = got.lock().unwrap().clone();
        (response, got)
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_request_is_sent_again_with_its_body() {
        let (response, got) = send(Method::PUT, &[503, 502, 200]).await;
        assert_eq!((response.status().as_u16(), got.len()), (200, 3));
        assert!(got.iter().all(|(_, body)| *body == bytes(0, 3_010)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_response_is_the_callers() {
        let (response, got) = send(Method::PUT, &[503, 502, 504]).await;
        assert_eq!((response.status().as_u16(), got.len()), (504, 3));
        assert_eq!(response.body(), "attempt 3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_that_was_sent_is_sent_once() {
        let (response, got) = send(Method::POST, &[503]).await;
        assert_eq!((response.status().as_u16(), got.len()), (503, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_failure_is_sent_once() {
        let (response, got) = send(Method::PUT, &[500]).await;
        assert_eq!((response.status().as_u16(), got.len()), (500, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_that_never_left_is_sent_again() {
        let attempts = Arc::new(AtomicUsize::new(0));
        let inner = {
            let attempts = attempts.clone();
            service_fn(move |req: Request<ReplayBody<Script>>| {
                let attempt = attempts.fetch_add(1, SeqCst);
                async move {
                    if attempt == 0 {
                        let refused = std::io::ErrorKind::ConnectionRefused;
                        return Err(BoxError::from(std::io::Error::from(refused)));
                    }
                    let body = req.into_body().collect().await?.to_bytes();
                    Ok(Response::new(body))
                }
            })
        };
        let service = layer().http().layer(inner);
        let req = request(Method::POST, Script::new(chunks([3 * CAP])));
        let response = service.oneshot(req).await.unwrap();
        assert_eq!(*response.body(), bytes(0, 3 * CAP));
        assert_eq!(attempts.load(SeqCst), 2);
    }

    /// An answer that comes before the body has been read, by a server that goes on reading.
    #[tokio::test(start_paused = true)]
    async fn an_early_answer_does_not_stop_the_retry() {
        let held = Arc::new(Mutex::new(Vec::new()));
        let inner = {
            let held = held.clone();
            service_fn(move |req: Request<ReplayBody<Script>>| {
                let held = held.clone();
                async move {
                    let mut body = Box::pin(req.into_body());
                    if held.lock().unwrap().is_empty() {
                        read(&mut body, 1)?;
                        held.lock().unwrap().push(body);
                        let early = Response::builder().status(503).body(Bytes::new());
                        return Ok::<_, BoxError>(early?);
                    }
                    Ok(Response::new(body.collect().await?.to_bytes()))
                }
            })
        };
        let service = layer().http().layer(inner);
        let req = request(Method::PUT, Script::new(chunks([600, 600])));
        let response = service.oneshot(req).await.unwrap();
        assert_eq!(*response.body(), bytes(0, 1_200));
        let mut first = held.lock().unwrap().pop().unwrap();
        assert!(read(&mut first, 1).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn grpc_is_judged_and_repeated_as_grpc() {
        let attempts = Arc::new(AtomicUsize::new(0));
        let inner = {
            let attempts = attempts.clone();
            service_fn(move |req: Request<ReplayBody<Script>>| {
                let attempt = attempts.fetch_add(1, SeqCst);
                async move {
                    let previous = req.headers().get("grpc-previous-rpc-attempts").cloned();
                    assert_eq!(previous.is_some(), attempt > 0);
                    req.into_body().collect().await?;
                    let status = if attempt == 0 { "14" } else { "0" };
                    let response = Response::builder().header("grpc-status", status);
                    Ok::<_, BoxError>(response.body(())?)
                }
            })
        };
        let service = layer().grpc().layer(inner);
        let req = request(Method::POST, Script::new(chunks([50])));
        let response = service.oneshot(req).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "0");
        assert_eq!(attempts.load(SeqCst), 2);
    }
}
