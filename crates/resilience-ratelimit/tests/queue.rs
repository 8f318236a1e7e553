//! The waiting form, through the Tower layer, with tokio's clock paused.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_core::{BoxError, Now, Permit, Policy, Reason, Rejected, Timestamp, clock};
use resilience_ratelimit::{Quota, RateLimit, RateLimitQueue};
use std::{
    future::{Future, Ready, poll_fn, ready},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};

const MILLIS: Duration = Duration::from_millis(1);

fn limit(quota: Quota) -> RateLimit {
    RateLimit::builder("q").quota(quota).build().unwrap()
}

/// One every 100 ms, and no burst.
fn ten_per_second(max_wait: Duration) -> RateLimitQueue {
    limit(Quota::per_second(10).burst(1))
        .wait_up_to(max_wait)
        .unwrap()
}

fn refusal(error: &BoxError) -> (Reason, Option<Duration>) {
    let refusal = Rejected::find(&**error).expect("a refusal");
    (refusal.reason(), refusal.delay())
}

/// Notes what is called, and when.
#[derive(Clone)]
struct Inner(Arc<Notes>);

struct Notes {
    start: Timestamp,
    calls: Mutex<Vec<(u32, u128)>>,
    ready_polls: AtomicUsize,
    stuck: AtomicBool,
}

impl Inner {
    fn new() -> Self {
        Self(Arc::new(Notes {
            start: clock::now(),
            calls: Mutex::default(),
            ready_polls: AtomicUsize::new(0),
            stuck: AtomicBool::new(false),
        }))
    }

    /// The calls, with the milliseconds at which they came.
    fn calls(&self) -> Vec<(u32, u128)> {
        self.0.calls.lock().unwrap().clone()
    }

    fn ready_polls(&self) -> usize {
        self.0.ready_polls.load(Ordering::SeqCst)
    }
}

impl Service<u32> for Inner {
    type Response = u32;
    type Error = BoxError;
    type Future = Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.ready_polls.fetch_add(1, Ordering::SeqCst);
        if self.0.stuck.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: u32) -> Self::Future {
        let at = (clock::now() - self.0.start).as_millis();
        self.0.calls.lock().unwrap().push((req, at));
        ready(Ok(req))
    }
}

/// Runs a call to its end, and counts how often it is polled.
async fn counted<F: Future>(call: F) -> (F::Output, usize) {
    let mut call = pin!(call);
    let mut polls = 0;
    let output = poll_fn(|cx| {
        polls += 1;
        call.as_mut().poll(cx)
    });
    (output.await, polls)
}

#[tokio::test(start_paused = true)]
async fn callers_go_in_order_evenly_spaced_and_nobody_polls_for_nothing() {
    let inner = Inner::new();
    let layer = ten_per_second(Duration::from_secs(1)).layer();
    let calls: Vec<_> = (0..8)
        .map(|req| tokio::spawn(counted(layer.clone().layer(inner.clone()).oneshot(req))))
        .collect();
    sleep(MILLIS).await;
    assert_eq!(inner.calls(), [(0, 0)]);
    assert_eq!(
        inner.ready_polls(),
        1,
        "nothing is reserved while callers wait"
    );
    let mut polls = Vec::new();
    for call in calls {
        let (result, count) = call.await.unwrap();
        result.unwrap();
        polls.push(count);
    }
    let expected: Vec<_> = (0..8).map(|req| (req, u128::from(req) * 100)).collect();
    assert_eq!(inner.calls(), expected);
    // On arrival; when it becomes the head, to set the timer; at the turn. The first two have fewer.
    assert_eq!(polls, [1, 2, 3, 3, 3, 3, 3, 3]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_make_it_is_refused_at_once_with_the_exact_time_to_join() {
    let inner = Inner::new();
    let queue = ten_per_second(Duration::from_millis(250));
    let service = queue.layer().layer(inner.clone());
    let mut calls: Vec<_> = (0..5)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    let mut last_two = calls.split_off(3);
    assert_ready_ok!(calls[0].poll());
    assert_pending!(calls[1].poll());
    assert_pending!(calls[2].poll());
    // The turn would come after 300 ms.
    for call in &mut last_two {
        let error = assert_ready_err!(call.poll());
        assert_eq!(
            refusal(&error),
            (Reason::Rate, Some(Duration::from_millis(50)))
        );
    }
    assert_eq!(queue.limit().waiting(), 2);

    advance(Duration::from_millis(49)).await;
    let error = assert_ready_err!(task::spawn(service.clone().oneshot(5)).poll());
    assert_eq!(refusal(&error), (Reason::Rate, Some(MILLIS)));
    advance(MILLIS).await;
    let in_time = tokio::spawn(service.clone().oneshot(6));
    let waiting: Vec<_> = calls.drain(1..).map(tokio::spawn).collect();
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    in_time.await.unwrap().unwrap();
    assert_eq!(inner.calls(), [(0, 0), (1, 100), (2, 200), (6, 300)]);
}

#[tokio::test(start_paused = true)]
async fn a_heavy_request_at_the_head_is_not_overtaken() {
    let inner = Inner::new();
    let queue = limit(Quota::per_second(10).burst(5))
        .cost(|req: &u32| req / 100)
        .wait_up_to(Duration::from_secs(5))
        .unwrap();
    let service = queue.layer().layer(inner.clone());
    // The cost is the hundreds. After the first, 1 is left: enough for the light ones, had they come first.
    let calls: Vec<_> = [401, 502, 103, 104]
        .into_iter()
        .map(|req| tokio::spawn(service.clone().oneshot(req)))
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(
        inner.calls(),
        [(401, 0), (502, 400), (103, 500), (104, 600)]
    );

    let error = service.oneshot(601).await.unwrap_err();
    assert_eq!(
        refusal(&error),
        (Reason::Rate, None),
        "more than a burst: never"
    );
}

#[tokio::test(start_paused = true)]
async fn a_free_request_does_not_stand_in_line() {
    let inner = Inner::new();
    let queue = limit(Quota::per_second(10).burst(1))
        .cost(|req: &u32| *req)
        .wait_up_to(Duration::from_secs(5))
        .unwrap();
    let service = queue.layer().layer(inner.clone());
    service.clone().oneshot(1).await.unwrap();
    let waiting = tokio::spawn(service.clone().oneshot(1));
    sleep(MILLIS).await;
    service.oneshot(0).await.unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(inner.calls(), [(1, 0), (0, 1), (1, 100)]);
}

#[tokio::test(start_paused = true)]
async fn those_behind_a_caller_that_leaves_move_up_and_no_more_than_the_quota_goes() {
    let inner = Inner::new();
    let queue = ten_per_second(Duration::from_secs(60));
    let service = queue.layer().layer(inner.clone());
    let mut calls: Vec<_> = (0..500)
        .map(|req| tokio::spawn(service.clone().oneshot(req)))
        .collect();
    sleep(MILLIS).await;
    assert_eq!(queue.limit().waiting(), 499);
    // All but every fiftieth go away, the head among them.
    for (req, call) in calls.iter().enumerate() {
        if req % 50 != 49 {
            call.abort();
        }
    }
    for call in calls.drain(..) {
        let _gone = call.await;
    }
    let expected: Vec<_> = [0]
        .into_iter()
        .chain((0..10).map(|place| place * 50 + 49))
        .zip((0..).map(|turn| turn * 100))
        .collect();
    assert_eq!(inner.calls(), expected);
    assert_eq!(queue.limit().waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn cancellations_at_any_time_never_let_more_through_than_the_bound() {
    // Every caller gives up after a time of its own; all the while others arrive.
    let inner = Inner::new();
    let quota = Quota::per_second(20).burst(3);
    let queue = limit(quota).wait_up_to(Duration::from_secs(2)).unwrap();
    let service = queue.layer().layer(inner.clone());
    let mut calls = Vec::new();
    for req in 0..600_u32 {
        let patience = Duration::from_millis(u64::from(req * 37 % 400));
        calls.push(tokio::spawn(tokio::time::timeout(
            patience,
            service.clone().oneshot(req),
        )));
        sleep(Duration::from_millis(u64::from(req * 13 % 17))).await;
    }
    for call in calls {
        let _any = call.await.unwrap();
    }
    let calls = inner.calls();
    for (index, (_, start)) in calls.iter().enumerate() {
        let within = calls[index..]
            .iter()
            .take_while(|(_, at)| *at < start + 1_000);
        assert!(within.count() <= 22, "n + burst - 1");
    }
    let whole = calls.last().unwrap().1;
    let steady = usize::try_from(whole / 50).unwrap();
    assert!(
        calls.len() >= steady,
        "{} in {whole} ms: nothing got lost either",
        calls.len()
    );
    assert!(calls.is_sorted(), "and in the order in which they came");
    assert_eq!(queue.limit().waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_maximum_covers_the_inner_service_and_what_was_not_called_is_reverted() {
    let inner = Inner::new();
    inner.0.stuck.store(true, Ordering::SeqCst);
    let queue = limit(Quota::per_hour(2))
        .wait_up_to(Duration::from_millis(300))
        .unwrap();
    let started = clock::now();
    let error = queue
        .layer()
        .layer(inner.clone())
        .oneshot(1)
        .await
        .unwrap_err();
    assert_eq!(refusal(&error), (Reason::NotReady, None));
    assert_eq!(clock::now() - started, Duration::from_millis(300));
    assert!(inner.calls().is_empty());
    assert_eq!(queue.limit().available(clock::now()), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_while_the_inner_service_is_stuck_has_spent_nothing() {
    let inner = Inner::new();
    inner.0.stuck.store(true, Ordering::SeqCst);
    let queue = limit(Quota::per_hour(2))
        .wait_up_to(Duration::from_secs(1))
        .unwrap();
    let mut call = task::spawn(queue.layer().layer(inner).oneshot(1));
    assert_pending!(call.poll());
    assert_eq!(queue.limit().available(clock::now()), 1);
    drop(call);
    assert_eq!(queue.limit().available(clock::now()), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_reverted_goes_to_the_head_of_the_line_at_once() {
    let inner = Inner::new();
    let limit = limit(Quota::per_hour(60).burst(1));
    let queue = limit.clone().wait_up_to(Duration::from_secs(120)).unwrap();
    let taken = limit.admit(&(), &mut Now::lazy()).unwrap();
    let mut call = task::spawn(queue.layer().layer(inner).oneshot(1));
    assert_pending!(call.poll());
    taken.revert(&mut Now::lazy());
    assert!(call.is_woken());
    assert_ready_ok!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn a_reset_serves_who_waits() {
    let inner = Inner::new();
    let queue = limit(Quota::per_hour(2))
        .wait_up_to(Duration::from_secs(7_200))
        .unwrap();
    let service = queue.layer().layer(inner.clone());
    let mut calls: Vec<_> = (0..5)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    for call in &mut calls {
        let _any = call.poll();
    }
    assert_eq!(queue.limit().waiting(), 3);
    queue.limit().reset();
    for call in &mut calls[2..4] {
        assert!(call.is_woken());
        assert_ready_ok!(call.poll());
    }
    assert_pending!(calls[4].poll());
}

#[tokio::test(start_paused = true)]
async fn deciding_at_once_through_the_queue_does_not_overtake_the_line() {
    let inner = Inner::new();
    let queue = ten_per_second(Duration::from_secs(1));
    let service = queue.layer().layer(inner);
    let admit = || queue.admit(&1_u32, &mut Now::lazy()).map(drop);
    admit().unwrap();
    let refused = admit().unwrap_err();
    assert_eq!(refused.delay(), Some(Duration::from_millis(100)));
    let mut waiting: Vec<_> = (0..2)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    advance(Duration::from_millis(150)).await;
    // One is available, and it belongs to the head, which has not been polled yet. The next one goes 100 ms after.
    let refused = admit().unwrap_err();
    assert_eq!(refused.delay(), Some(Duration::from_millis(200)));
    assert_ready_ok!(waiting[0].poll());
}

#[tokio::test(start_paused = true)]
async fn who_is_overtaken_past_the_line_and_comes_too_late_is_told_so_as_soon_as_it_is_known() {
    let inner = Inner::new();
    let limit = limit(Quota::per_second(10).burst(1));
    let queue = limit
        .clone()
        .wait_up_to(Duration::from_millis(150))
        .unwrap();
    let _first = limit.admit(&(), &mut Now::lazy()).unwrap();
    let mut call = task::spawn(queue.layer().layer(inner.clone()).oneshot(1));
    assert_pending!(call.poll());
    advance(Duration::from_millis(100)).await;
    let _overtakes = limit.admit(&(), &mut Now::lazy()).unwrap();
    let error = assert_ready_err!(call.poll());
    // It may stand in line again at once: a time, since `Rate` without one means never.
    assert_eq!(refusal(&error), (Reason::Rate, Some(Duration::ZERO)));
    assert_eq!((queue.limit().waiting(), inner.ready_polls()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_behind_others_is_told_when_to_come_back() {
    let inner = Inner::new();
    let limit = limit(Quota::per_second(10).burst(1));
    let queue = |millis| {
        let max = Duration::from_millis(millis);
        limit.clone().wait_up_to(max).unwrap().layer()
    };
    let _first = limit.admit(&(), &mut Now::lazy()).unwrap();
    let mut patient = task::spawn(queue(1_000).layer(inner.clone()).oneshot(1));
    let mut hasty = task::spawn(queue(200).layer(inner.clone()).oneshot(2));
    assert_pending!(patient.poll());
    assert_pending!(hasty.poll());
    advance(Duration::from_millis(199)).await;
    let _overtakes = limit.admit(&(), &mut Now::lazy()).unwrap();
    advance(MILLIS).await;
    let error = assert_ready_err!(hasty.poll());
    // The turn would come 199 ms from now.
    assert_eq!(refusal(&error), (Reason::Rate, Some(Duration::ZERO)));
    assert_eq!(limit.waiting(), 1);
}

#[tokio::test(start_paused = true)]
async fn queues_of_one_limit_are_one_line_even_with_other_maxima() {
    let inner = Inner::new();
    let limit = limit(Quota::per_second(10).burst(1));
    let queue = |millis| {
        limit
            .clone()
            .wait_up_to(Duration::from_millis(millis))
            .unwrap()
    };
    let (patient, hasty) = (queue(1_000), queue(150));
    let call =
        |queue: &RateLimitQueue, req| tokio::spawn(queue.layer().layer(inner.clone()).oneshot(req));
    let calls = [call(&patient, 0), call(&patient, 1), call(&patient, 2)];
    sleep(MILLIS).await;
    let error = call(&hasty, 3).await.unwrap().unwrap_err();
    // The turn would come 299 ms from now.
    assert_eq!(
        refusal(&error),
        (Reason::Rate, Some(Duration::from_millis(149)))
    );
    let last = call(&patient, 4);
    for call in calls.into_iter().chain([last]) {
        call.await.unwrap().unwrap();
    }
    assert_eq!(inner.calls(), [(0, 0), (1, 100), (2, 200), (4, 300)]);
}

#[tokio::test(start_paused = true)]
async fn the_line_has_a_maximum_length() {
    let inner = Inner::new();
    let queue = ten_per_second(Duration::from_secs(60))
        .max_waiting(2)
        .unwrap();
    let service = queue.layer().layer(inner);
    let mut calls: Vec<_> = (0..4)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    assert_ready_ok!(calls[0].poll());
    assert_pending!(calls[1].poll());
    assert_pending!(calls[2].poll());
    let error = assert_ready_err!(calls[3].poll());
    // Not `Rate` without a time, which means never.
    assert_eq!(refusal(&error), (Reason::Concurrency, None));
    drop(calls);
    assert_eq!(queue.limit().waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_burst_makes_up_for_timers_that_come_late() {
    // 2,000 per second is two in each of the timer's milliseconds.
    let inner = Inner::new();
    let queue = limit(Quota::per_second(2_000).burst(4))
        .wait_up_to(Duration::from_secs(1))
        .unwrap();
    let service = queue.layer().layer(inner.clone());
    let calls: Vec<_> = (0..204)
        .map(|req| tokio::spawn(service.clone().oneshot(req)))
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(inner.calls().last(), Some(&(203, 100)));
}

#[test]
fn a_clone_is_the_same_line() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let queue = ten_per_second(Duration::from_secs(2));
    shared(&queue);
    shared(&queue.layer());
    assert_eq!(
        format!("{:?}", queue.clone()),
        r#"RateLimitQueue { limit: RateLimit { name: "q", quota: Quota(10 per 1s, burst 1), waiting: 0, .. }, max_wait: 2s, max_waiting: 10000 }"#
    );
}

mod deadlines {
    use super::*;
    use resilience_core::{Classify, Deadline, Errors};

    /// Every call has until then.
    #[derive(Clone)]
    struct Until(Deadline);

    impl Classify<u32, u32, BoxError> for Until {
        type Call = Errors;

        fn start(&self, _: &u32) -> Errors {
            Errors
        }

        fn deadline(&self, _: &u32) -> Option<Deadline> {
            Some(self.0)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_make_it_before_is_refused_at_once() {
        let inner = Inner::new();
        let queue = ten_per_second(Duration::from_millis(250));
        let call = |req, left| {
            let layer = queue.layer().classify(Until(Deadline::within(left)));
            layer.layer(inner.clone()).oneshot(req)
        };
        assert_ready_ok!(task::spawn(call(0, MILLIS)).poll());
        // Its turn comes after 100 ms, which is when the time is over.
        let error = assert_ready_err!(task::spawn(call(1, 100 * MILLIS)).poll());
        assert_eq!(refusal(&error), (Reason::Deadline, None));
        let just_in_time = tokio::spawn(call(2, 101 * MILLIS));
        sleep(MILLIS).await;
        // 199 ms to wait: the deadline forbids it, and the maximum would not.
        let error = assert_ready_err!(task::spawn(call(3, 199 * MILLIS)).poll());
        assert_eq!(refusal(&error), (Reason::Deadline, None));
        let last = tokio::spawn(call(4, 300 * MILLIS));
        sleep(MILLIS).await;
        // 298 ms: the maximum forbids it already, whatever the deadline.
        let error = assert_ready_err!(task::spawn(call(5, 100 * MILLIS)).poll());
        assert_eq!(refusal(&error), (Reason::Rate, Some(48 * MILLIS)));

        just_in_time.await.unwrap().unwrap();
        last.await.unwrap().unwrap();
        assert_eq!(inner.calls(), [(0, 0), (2, 100), (4, 200)]);
    }

    /// Somebody goes past the line, so that the turn of one who has joined in time comes too late.
    #[tokio::test(start_paused = true)]
    async fn who_is_overtaken_and_cannot_make_it_any_more_is_refused_then() {
        let inner = Inner::new();
        let limit = limit(Quota::per_second(10).burst(1));
        let queue = limit.clone().wait_up_to(Duration::from_secs(1)).unwrap();
        let layer = queue.layer();
        assert_ready_ok!(task::spawn(layer.layer(inner.clone()).oneshot(0)).poll());
        let until = Until(Deadline::within(150 * MILLIS));
        let mut call = task::spawn(layer.classify(until).layer(inner.clone()).oneshot(1));
        assert_pending!(call.poll());
        advance(100 * MILLIS).await;
        assert!(call.is_woken());
        let past = Policy::<u32>::admit(&limit, &0, &mut Now::lazy());
        drop(past.expect("the turn of the caller in line"));
        let error = assert_ready_err!(call.poll());
        assert_eq!(refusal(&error), (Reason::Deadline, None));
        assert_eq!(inner.calls(), [(0, 0)]);
    }
}
