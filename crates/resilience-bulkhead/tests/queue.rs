//! The waiting form, through the Tower layer, with tokio's clock paused.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_bulkhead::{Bulkhead, BulkheadQueue};
use resilience_core::{BoxError, Now, Permit, Policy, Queue, Reason, Rejected, clock};
use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, layer::layer_fn};
use tower_test::mock;

const MILLIS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn bulkhead(limit: usize) -> Bulkhead {
    Bulkhead::new("b", limit).unwrap()
}

fn queue(limit: usize, max_wait: Duration) -> BulkheadQueue {
    bulkhead(limit).wait_up_to(max_wait).unwrap()
}

fn refusal(error: &BoxError) -> (Reason, Option<Duration>) {
    let refusal = Rejected::find(&**error).expect("a refusal");
    (refusal.reason(), refusal.delay())
}

fn admit(bulkhead: &Bulkhead) -> Result<impl Permit + use<>, Rejected> {
    bulkhead.admit(&(), &mut Now::lazy())
}

/// Notes what is called, and when. Each call takes as long as it was told.
#[derive(Clone)]
struct Inner(Arc<Notes>);

struct Notes {
    start: Instant,
    takes: Duration,
    calls: Mutex<Vec<(u32, u128)>>,
    ready_polls: AtomicUsize,
    /// Not ready before.
    ready_at: Mutex<Option<Instant>>,
}

impl Inner {
    fn new(takes: Duration) -> Self {
        Self(Arc::new(Notes {
            start: clock::instant(clock::now()),
            takes,
            calls: Mutex::default(),
            ready_polls: AtomicUsize::new(0),
            ready_at: Mutex::default(),
        }))
    }

    fn not_ready_for(self, time: Duration) -> Self {
        *self.0.ready_at.lock().unwrap() = Some(self.0.start + time);
        self
    }

    /// The calls, with the milliseconds at which they came.
    fn calls(&self) -> Vec<(u32, u128)> {
        self.0.calls.lock().unwrap().clone()
    }

    fn ready_polls(&self) -> usize {
        self.0.ready_polls.load(Ordering::SeqCst)
    }

    fn millis(&self) -> u128 {
        (clock::instant(clock::now()) - self.0.start).as_millis()
    }
}

impl Service<u32> for Inner {
    type Response = u32;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.ready_polls.fetch_add(1, Ordering::SeqCst);
        let ready_at = *self.0.ready_at.lock().unwrap();
        let Some(ready_at) = ready_at.filter(|at| clock::instant(clock::now()) < *at) else {
            return Poll::Ready(Ok(()));
        };
        let waker = cx.waker().clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(ready_at).await;
            waker.wake();
        });
        Poll::Pending
    }

    fn call(&mut self, req: u32) -> Self::Future {
        self.0.calls.lock().unwrap().push((req, self.millis()));
        let takes = self.0.takes;
        Box::pin(async move {
            assert!(req != 13, "in the future");
            sleep(takes).await;
            match req {
                99 => Err("failed".into()),
                _ => Ok(req),
            }
        })
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
async fn callers_go_in_order_and_nobody_polls_for_nothing() {
    let inner = Inner::new(100 * MILLIS);
    let queue = queue(2, 10 * SECOND);
    // A layer for each, as routers do.
    let calls: Vec<_> = (0..8)
        .map(|req| {
            let service = queue.clone().layer().layer(inner.clone());
            tokio::spawn(counted(service.oneshot(req)))
        })
        .collect();
    sleep(MILLIS).await;
    assert_eq!(queue.bulkhead().in_flight(), 2);
    assert_eq!(queue.bulkhead().waiting(), 6);
    assert_eq!(
        inner.ready_polls(),
        2,
        "nothing is reserved for those who wait"
    );
    let mut polls = Vec::new();
    for call in calls {
        let (result, count) = call.await.unwrap();
        result.unwrap();
        polls.push(count);
    }
    let expected: Vec<_> = (0..8).map(|req| (req, u128::from(req / 2) * 100)).collect();
    assert_eq!(inner.calls(), expected);
    // On arrival, at the turn, and at the end. Who found a slot did not wait.
    assert_eq!(polls, [2, 2, 3, 3, 3, 3, 3, 3]);
    assert_eq!(queue.bulkhead().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn where_too_many_wait_already_the_next_one_is_refused_at_once() {
    let inner = Inner::new(SECOND);
    let queue = queue(1, 60 * SECOND).max_waiting(2).unwrap();
    let service = queue.layer().layer(inner.clone());
    let mut calls: Vec<_> = (0..3)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    let before = clock::now();
    let error = service.clone().oneshot(3).await.unwrap_err();
    assert_eq!(refusal(&error), (Reason::Concurrency, None));
    assert_eq!(clock::now(), before);
    assert_eq!(inner.ready_polls(), 1);
    // One leaves, so one more may come.
    drop(calls.remove(1));
    let mut fourth = task::spawn(service.clone().oneshot(4));
    assert_pending!(fourth.poll());
    assert_eq!(queue.bulkhead().waiting(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_nobody_polls_stands_in_nobodys_way() {
    let inner = Inner::new(SECOND);
    let queue = queue(1, SECOND);
    let service = queue.layer().layer(inner);
    let unpolled = service.clone().oneshot(1);
    assert_eq!(
        (queue.bulkhead().in_flight(), queue.bulkhead().waiting()),
        (0, 0)
    );
    service.oneshot(2).await.unwrap();
    drop(unpolled);
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_for_the_maximum_is_refused_then_and_not_earlier() {
    let inner = Inner::new(SECOND);
    let queue = queue(1, 300 * MILLIS);
    let service = queue.layer().layer(inner.clone());
    let first = tokio::spawn(service.clone().oneshot(1));
    sleep(MILLIS).await;
    let before = clock::now();
    let error = service.clone().oneshot(2).await.unwrap_err();
    assert_eq!(refusal(&error), (Reason::Concurrency, None));
    assert_eq!(clock::now() - before, 300 * MILLIS);
    assert_eq!(queue.bulkhead().waiting(), 0);
    first.await.unwrap().unwrap();
    assert_eq!(inner.calls(), [(1, 0)]);
    assert_eq!(inner.ready_polls(), 1);
    service.oneshot(3).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn those_behind_callers_that_leave_move_up() {
    let inner = Inner::new(100 * MILLIS);
    let queue = queue(1, 60 * SECOND);
    let service = queue.layer().layer(inner.clone());
    let calls: Vec<_> = (0..500)
        .map(|req| tokio::spawn(service.clone().oneshot(req + 1_000)))
        .collect();
    sleep(MILLIS).await;
    assert_eq!(queue.bulkhead().waiting(), 499);
    // All but every fiftieth go away, the head among them, and the one in flight.
    for (req, call) in calls.iter().enumerate() {
        if req % 50 != 49 {
            call.abort();
        }
    }
    for call in calls {
        let _gone = call.await;
    }
    let expected: Vec<_> = [(1_000, 0)]
        .into_iter()
        .chain((0..10).map(|turn| (1_049 + turn * 50, 1 + u128::from(turn) * 100)))
        .collect();
    assert_eq!(inner.calls(), expected);
    assert_eq!(
        (queue.bulkhead().in_flight(), queue.bulkhead().waiting()),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_that_leaves_after_it_was_woken_hands_the_slot_on() {
    let inner = Inner::new(SECOND);
    let queue = queue(1, 60 * SECOND);
    let service = queue.layer().layer(inner.clone());
    let permit = admit(queue.bulkhead()).unwrap();
    let mut calls: Vec<_> = (0..3)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    drop(permit);
    assert!(calls[0].is_woken() && !calls[1].is_woken());
    drop(calls.remove(0));
    assert!(calls[0].is_woken() && !calls[1].is_woken());
    assert_pending!(calls[0].poll());
    assert_eq!(inner.calls(), [(1, 0)]);
    assert!(!calls[1].is_woken());
}

#[tokio::test(start_paused = true)]
async fn the_slot_of_a_call_goes_to_the_next_however_it_ends() {
    let inner = Inner::new(100 * MILLIS);
    let queue = queue(1, 60 * SECOND);
    let service = queue.layer().layer(inner.clone());
    // 99 fails, 13 panics, 7 is cancelled during the call.
    let calls = [99, 13, 7, 1].map(|req| tokio::spawn(service.clone().oneshot(req)));
    let [failed, panicked, cancelled, last] = calls;
    assert!(failed.await.unwrap().is_err());
    assert!(panicked.await.unwrap_err().is_panic());
    sleep(50 * MILLIS).await;
    cancelled.abort();
    assert!(cancelled.await.unwrap_err().is_cancelled());
    last.await.unwrap().unwrap();
    assert_eq!(inner.calls(), [(99, 0), (13, 100), (7, 100), (1, 150)]);
    assert_eq!(queue.bulkhead().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_inner_service_is_driven_after_admission_and_within_the_maximum() {
    let inner = Inner::new(100 * MILLIS).not_ready_for(150 * MILLIS);
    let queue = queue(1, 200 * MILLIS);
    let service = queue.layer().layer(inner.clone());
    let call = |req| tokio::spawn(service.clone().oneshot(req));
    let (first, second) = (call(1), call(2));
    sleep(MILLIS).await;
    assert_eq!(
        inner.ready_polls(),
        1,
        "only who has a slot asks the inner service"
    );
    assert_eq!(
        (queue.bulkhead().in_flight(), queue.bulkhead().waiting()),
        (1, 1)
    );
    first.await.unwrap().unwrap();
    // Its turn would have come after 250 ms.
    let error = second.await.unwrap().unwrap_err();
    assert_eq!(refusal(&error), (Reason::Concurrency, None));
    assert_eq!(inner.calls(), [(1, 150)]);
}

#[tokio::test(start_paused = true)]
async fn who_finds_the_inner_service_stuck_gives_its_slot_back_in_time() {
    let inner = Inner::new(100 * MILLIS).not_ready_for(1_000 * MILLIS);
    let queue = queue(1, 300 * MILLIS);
    let service = queue.layer().layer(inner.clone());
    let call = |req| tokio::spawn(service.clone().oneshot(req));
    let first = call(1);
    sleep(100 * MILLIS).await;
    let second = call(2);
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(
        (refusal(&error), inner.millis()),
        ((Reason::NotReady, None), 300)
    );
    sleep(MILLIS).await;
    assert_eq!(
        (queue.bulkhead().in_flight(), queue.bulkhead().waiting()),
        (1, 0)
    );
    let error = second.await.unwrap().unwrap_err();
    assert_eq!(
        (refusal(&error), inner.millis()),
        ((Reason::NotReady, None), 400)
    );
    assert_eq!(queue.bulkhead().in_flight(), 0);
    assert!(inner.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_the_inner_service_is_stuck_gives_its_slot_back() {
    let inner = Inner::new(MILLIS).not_ready_for(SECOND);
    let queue = queue(1, SECOND);
    let service = queue.layer().layer(inner.clone());
    let mut first = task::spawn(service.clone().oneshot(1));
    let mut second = task::spawn(service.oneshot(2));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    drop(first);
    assert!(second.is_woken());
    assert_pending!(second.poll());
    assert_eq!(
        (queue.bulkhead().in_flight(), queue.bulkhead().waiting()),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_services_readiness_reaches_the_caller_and_the_slot_the_next_one() {
    let queue = queue(1, SECOND);
    let (service, mut inner) =
        mock::spawn_layer::<u32, u32, _>(layer_fn(|mock| queue.layer().layer(mock)));
    inner.allow(0);
    let service = service.into_inner();
    let mut first = task::spawn(service.clone().oneshot(1));
    let mut second = task::spawn(service.oneshot(2));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    inner.send_error("broken");
    let error = assert_ready_err!(first.poll());
    assert_eq!(error.to_string(), "broken");
    drop(first);
    assert!(second.is_woken());
    assert_eq!(queue.bulkhead().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn immediate_callers_do_not_overtake_those_who_wait() {
    let inner = Inner::new(SECOND);
    let queue = queue(1, 60 * SECOND);
    let at_once = queue.bulkhead().layer().layer(inner.clone());
    let permit = admit(queue.bulkhead()).unwrap();
    let mut waiting = task::spawn(queue.layer().layer(inner.clone()).oneshot(1));
    assert_pending!(waiting.poll());
    drop(permit);
    // The slot is free, and belongs to the head, which has not been polled yet.
    assert_eq!(queue.bulkhead().in_flight(), 0);
    let error = at_once.clone().oneshot(2).await.unwrap_err();
    assert_eq!(refusal(&error), (Reason::Concurrency, None));
    let refused = queue.admit(&(), &mut Now::lazy()).map(drop).unwrap_err();
    assert_eq!(refused.reason(), Reason::Concurrency);
    assert_pending!(waiting.poll());
    assert_eq!(inner.calls(), [(1, 0)]);
    drop(waiting);
    at_once.oneshot(3).await.unwrap();
    let _permit = queue.admit(&(), &mut Now::lazy()).unwrap();
    assert_eq!(queue.bulkhead().in_flight(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_immediate_callers_does_not_starve_those_who_wait() {
    let inner = Inner::new(10 * MILLIS);
    let queue = queue(2, 60 * SECOND);
    let at_once = queue.bulkhead().layer().layer(inner.clone());
    let flood = tokio::spawn(async move {
        let mut calls = Vec::new();
        for req in 0..4_000 {
            calls.push(tokio::spawn(at_once.clone().oneshot(10_000 + req)));
            sleep(MILLIS).await;
        }
        calls
    });
    sleep(5 * MILLIS).await;
    let service = queue.layer().layer(inner.clone());
    let waiting: Vec<_> = (0..100)
        .map(|req| tokio::spawn(service.clone().oneshot(1_000 + req)))
        .collect();
    for call in waiting {
        call.await.unwrap().unwrap();
    }
    // Fifty pairs, each of 10 ms; none of the flood in between.
    let queued: Vec<_> = inner.calls().into_iter().skip(2).take(100).collect();
    assert!(queued.iter().map(|(req, _)| *req).eq(1_000..1_100));
    assert!(queued.last().unwrap().1 <= 5 + 10 * 51);
    let mut admitted = 0;
    for call in flood.await.unwrap() {
        admitted += usize::from(call.await.unwrap().is_ok());
    }
    assert!(admitted > 500, "afterwards they get in again: {admitted}");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_for_inner_is_sent_home_while_others_stand_in_line() {
    let queue = queue(1, 60 * SECOND);
    let (mut guard, mut inner) =
        mock::spawn_layer::<u32, u32, _>(layer_fn(|mock| queue.bulkhead().layer().layer(mock)));
    inner.allow(0);
    assert_pending!(guard.poll_ready());
    let permit = admit(queue.bulkhead()).unwrap();
    assert!(guard.is_woken());
    let mut waiting = task::spawn(queue.layer().layer(Inner::new(MILLIS)).oneshot(1));
    assert_pending!(waiting.poll());
    drop(permit);
    assert_ready_ok!(guard.poll_ready());
    assert_ready_err!(task::spawn(guard.call(1)).poll());
}

#[tokio::test(start_paused = true)]
async fn closing_refuses_all_who_wait_and_drained_waits_for_them_and_for_calls() {
    let inner = Inner::new(100 * MILLIS);
    let queue = queue(1, 60 * SECOND);
    let service = queue.layer().layer(inner.clone());
    let mut first = task::spawn(service.clone().oneshot(0));
    assert_pending!(first.poll());
    let mut waiting: Vec<_> = (1..4)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    for call in &mut waiting {
        assert_pending!(call.poll());
    }
    queue.bulkhead().close();
    let mut drained = task::spawn(queue.bulkhead().drained());
    assert_pending!(drained.poll());
    assert!(
        waiting.iter().all(task::Spawn::is_woken),
        "each of them, at once"
    );

    let error = service.clone().oneshot(4).await.unwrap_err();
    assert_eq!(refusal(&error), (Reason::ShuttingDown, None));
    // In whatever order they look; and no slot is needed for that.
    for call in waiting.iter_mut().rev().take(2) {
        let error = assert_ready_err!(call.poll());
        assert_eq!(refusal(&error), (Reason::ShuttingDown, None));
    }
    advance(100 * MILLIS).await;
    assert_ready_ok!(first.poll());
    assert_eq!(
        (queue.bulkhead().in_flight(), queue.bulkhead().waiting()),
        (0, 1)
    );
    assert_pending!(drained.poll(), "one has not heard of it yet");
    assert_ready_err!(waiting[0].poll());
    assert!(drained.is_woken());
    assert_ready!(drained.poll());
    assert_eq!(inner.calls(), [(0, 0)]);
}

#[tokio::test(start_paused = true)]
async fn queues_of_one_bulkhead_are_one_line_even_with_other_maxima() {
    let inner = Inner::new(100 * MILLIS);
    let bulkhead = bulkhead(1);
    let patient = bulkhead.wait_up_to(10 * SECOND).unwrap();
    let hasty = bulkhead.wait_up_to(50 * MILLIS).unwrap().max_waiting(2);
    let hasty = hasty.unwrap();
    let call =
        |queue: &BulkheadQueue, req| tokio::spawn(queue.layer().layer(inner.clone()).oneshot(req));
    let calls = [call(&patient, 0), call(&patient, 1)];
    sleep(MILLIS).await;
    let late = call(&hasty, 2);
    sleep(MILLIS).await;
    let refused = call(&hasty, 3);
    let last = call(&patient, 4);
    let error = refused.await.unwrap().unwrap_err();
    assert_eq!(
        (refusal(&error), inner.millis()),
        ((Reason::Concurrency, None), 2)
    );
    let error = late.await.unwrap().unwrap_err();
    assert_eq!(
        (refusal(&error), inner.millis()),
        ((Reason::Concurrency, None), 51)
    );
    for call in calls.into_iter().chain([last]) {
        call.await.unwrap().unwrap();
    }
    assert_eq!(inner.calls(), [(0, 0), (1, 100), (4, 200)]);
}

#[tokio::test(start_paused = true)]
async fn cancellations_at_any_time_leave_nothing_behind_and_keep_the_limit() {
    let inner = Inner::new(20 * MILLIS);
    let queue = queue(3, 200 * MILLIS).max_waiting(20).unwrap();
    let service = queue.layer().layer(inner.clone());
    let mut calls = Vec::new();
    for req in 0..1_000_u32 {
        let patience = Duration::from_millis(u64::from(req * 37 % 300));
        calls.push(tokio::spawn(tokio::time::timeout(
            patience,
            service.clone().oneshot(1_000 + req),
        )));
        assert!(queue.bulkhead().in_flight() <= 3 && queue.bulkhead().waiting() <= 20);
        sleep(Duration::from_millis(u64::from(req * 13 % 11))).await;
    }
    for call in calls {
        let _any = call.await.unwrap();
    }
    assert_eq!(
        (queue.bulkhead().in_flight(), queue.bulkhead().waiting()),
        (0, 0)
    );
    let calls = inner.calls();
    assert!(calls.is_sorted(), "in the order in which they came");
    // Never idle while somebody waits: three every 20 ms.
    let whole = calls.last().unwrap().1;
    assert!(
        calls.len() as u128 >= whole / 20 * 3 - 3,
        "{} in {whole} ms",
        calls.len()
    );
}

#[test]
fn a_ticket_that_is_dropped_before_its_turn_was_never_there() {
    let queue = queue(1, SECOND);
    let now = &mut Now::lazy();
    let inside = queue.join(&(), None, now).unwrap();
    assert_eq!(queue.bulkhead().in_flight(), 1, "there was a slot");
    let in_line = queue.join(&(), None, now).unwrap();
    assert_eq!(queue.bulkhead().waiting(), 1);
    drop(in_line);
    drop(inside);
    assert_eq!(
        (queue.bulkhead().in_flight(), queue.bulkhead().waiting()),
        (0, 0)
    );
}

#[test]
fn asked_again_after_its_answer_a_ticket_is_refused() {
    let queue = queue(1, SECOND);
    let (cx, now) = (&mut Context::from_waker(Waker::noop()), &mut Now::lazy());
    let mut ticket = queue.join(&(), None, now).unwrap();
    let turn = |turn: resilience_core::Turn<_>| match turn {
        resilience_core::Turn::Admitted(permit) => Ok(permit),
        other => Err(format!("{other:?}")),
    };
    let permit = turn(Queue::<()>::turn(&queue, &mut ticket, cx, now)).unwrap();
    drop(permit);
    let again = turn(Queue::<()>::turn(&queue, &mut ticket, cx, now)).unwrap_err();
    assert!(again.contains("Concurrency"), "{again}");
    drop(ticket);
    assert_eq!(queue.bulkhead().in_flight(), 0);
}

#[test]
fn a_configuration_that_makes_no_sense_names_field_value_and_range() {
    let bulkhead = bulkhead(1);
    let longest = Duration::from_secs(365 * 86_400);
    for bad in [Duration::ZERO, longest + MILLIS, Duration::MAX] {
        let error = bulkhead.wait_up_to(bad).unwrap_err();
        let expected = (error.field(), error.value(), error.expected());
        let range = "more than zero and at most 365 days";
        assert_eq!(expected, ("wait_up_to", &*format!("{bad:?}"), range));
    }
    for bad in [0, 10_000_001, usize::MAX] {
        let error = bulkhead.wait_up_to(SECOND).unwrap().max_waiting(bad);
        let error = error.unwrap_err();
        let expected = (error.field(), error.value(), error.expected());
        assert_eq!(
            expected,
            ("max_waiting", &*bad.to_string(), "from 1 to 10000000")
        );
    }
    for good in [1, 10_000_000] {
        let queue = bulkhead.wait_up_to(longest).unwrap();
        assert!(queue.max_waiting(good).is_ok());
    }
    assert!(bulkhead.wait_up_to(Duration::from_nanos(1)).is_ok());
}

#[test]
fn a_clone_is_the_same_line() {
    fn shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn sent<T: Send + Sync + 'static>(_: &T) {}
    let queue = queue(1, 2 * SECOND);
    shared(&queue);
    shared(&queue.layer());
    let _inside = queue.join(&(), None, &mut Now::lazy()).unwrap();
    let ticket = queue.clone().join(&(), None, &mut Now::lazy()).unwrap();
    sent(&ticket);
    assert_eq!(
        format!("{ticket:?}"),
        r#"BulkheadTicket { bulkhead: "b", .. }"#
    );
    assert_eq!(
        format!("{queue:?}"),
        r#"BulkheadQueue { bulkhead: Bulkhead { name: "b", limit: 1, in_flight: 1, closed: false }, waiting: 1, max_wait: 2s, max_waiting: 1000 }"#
    );
}
