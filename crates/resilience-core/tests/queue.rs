//! The adapter for policies that let callers wait, over a policy that lets them in one by one.
#![cfg(all(feature = "tower", not(resilience_loom)))]

use resilience_core::{
    BoxError, Deadline, Line, Now, Outcome, Permit, Place, Policy, Queue, QueueLayer, Reason,
    Rejected, Timestamp, Turn, by_result, clock,
};
use std::{
    convert::Infallible,
    future::{Future, pending, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};

const MAX_WAIT: Duration = Duration::from_secs(1);

/// Lets the head of its line through while it has tokens.
#[derive(Clone, Default)]
struct Turnstile(Arc<State>);

#[derive(Default)]
struct State {
    line: Line,
    tokens: AtomicUsize,
    /// When tokens come by themselves, if that is known.
    opens_at: Mutex<Option<Timestamp>>,
    /// Refuse at the turn.
    broken: Mutex<bool>,
    /// How permits ended.
    ends: Mutex<Vec<End>>,
    turns: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Finished(Outcome),
    Reverted,
    Abandoned,
}

struct Pass {
    state: Arc<State>,
    end: End,
}

impl Permit for Pass {
    fn finish(mut self, outcome: Outcome, _: &mut Now) {
        self.end = End::Finished(outcome);
    }

    fn revert(mut self, _: &mut Now) {
        self.end = End::Reverted;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.state.ends.lock().unwrap().push(self.end);
    }
}

impl Turnstile {
    /// Lets `tokens` more callers in.
    fn open(&self, tokens: usize) {
        self.0.tokens.fetch_add(tokens, Ordering::SeqCst);
        self.0.line.wake_head();
    }

    fn take_ends(&self) -> Vec<End> {
        std::mem::take(&mut self.0.ends.lock().unwrap())
    }

    fn turns(&self) -> usize {
        self.0.turns.load(Ordering::SeqCst)
    }

    fn layer(&self) -> QueueLayer<Self> {
        QueueLayer::new(self.clone())
    }
}

impl<Req: ?Sized> Policy<Req> for Turnstile {
    type Permit = Pass;

    fn admit(&self, _: &Req, now: &mut Now) -> Result<Pass, Rejected> {
        if self
            .0
            .opens_at
            .lock()
            .unwrap()
            .is_some_and(|at| now.get() >= at)
        {
            self.0.tokens.fetch_add(1, Ordering::SeqCst);
            *self.0.opens_at.lock().unwrap() = None;
        }
        let take = |tokens: usize| tokens.checked_sub(1);
        match self
            .0
            .tokens
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
        {
            Ok(_) => Ok(Pass {
                state: self.0.clone(),
                end: End::Abandoned,
            }),
            Err(_) => Err(Rejected::new(Reason::Other, "turnstile")),
        }
    }
}

impl<Req: ?Sized> Queue<Req> for Turnstile {
    type Ticket = Option<Place>;

    fn join(&self, _: &Req, _: Option<Deadline>, _: &mut Now) -> Result<Option<Place>, Rejected> {
        let joined = self.0.line.join(1, |ahead| match ahead.callers {
            0..4 => Ok(()),
            _ => Err(Rejected::new(Reason::Shed, "turnstile")),
        });
        joined.map(Some)
    }

    fn turn(&self, ticket: &mut Option<Place>, cx: &mut Context<'_>, now: &mut Now) -> Turn<Pass> {
        self.0.turns.fetch_add(1, Ordering::SeqCst);
        if !ticket.as_ref().unwrap().is_head(cx.waker()) {
            return Turn::Wait(None);
        }
        if *self.0.broken.lock().unwrap() {
            *ticket = None;
            return Turn::Refused(Rejected::new(Reason::Open, "turnstile"));
        }
        match self.admit(&(), now) {
            Ok(pass) => {
                *ticket = None;
                Turn::Admitted(pass)
            }
            Err(_) => Turn::Wait(*self.0.opens_at.lock().unwrap()),
        }
    }

    fn max_wait(&self) -> Duration {
        MAX_WAIT
    }

    fn too_late(&self, ticket: Option<Place>) -> Rejected {
        assert!(ticket.is_some(), "it still stands in line");
        Rejected::new(Reason::Deadline, "turnstile")
    }
}

/// An inner service that is told what to do, and notes what is done to it.
#[derive(Clone)]
struct Inner(Arc<Told>);

#[derive(Default)]
struct Told {
    /// Whether it is ready, and who waits for that.
    ready: Mutex<(Readiness, Vec<Waker>)>,
    ready_polls: AtomicUsize,
    calls: Mutex<Vec<u32>>,
    /// What calls come to; `None`: they hang.
    result: Mutex<Option<Result<u32, &'static str>>>,
    call_polls: AtomicUsize,
}

#[derive(Clone, Copy, Default)]
enum Readiness {
    #[default]
    Ready,
    Stuck,
    Broken,
    Panics,
    PanicsInCall,
}

impl Inner {
    fn new() -> Self {
        let inner = Self(Arc::default());
        *inner.0.result.lock().unwrap() = Some(Ok(7));
        inner
    }

    fn becomes(&self, readiness: Readiness) {
        let mut ready = self.0.ready.lock().unwrap();
        ready.0 = readiness;
        ready.1.drain(..).for_each(Waker::wake);
    }

    fn answers(&self, result: Option<Result<u32, &'static str>>) {
        *self.0.result.lock().unwrap() = result;
    }

    fn calls(&self) -> Vec<u32> {
        self.0.calls.lock().unwrap().clone()
    }

    fn ready_polls(&self) -> usize {
        self.0.ready_polls.load(Ordering::SeqCst)
    }

    fn call_polls(&self) -> usize {
        self.0.call_polls.load(Ordering::SeqCst)
    }
}

impl Service<u32> for Inner {
    type Response = u32;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.ready_polls.fetch_add(1, Ordering::SeqCst);
        let mut ready = self.0.ready.lock().unwrap();
        match ready.0 {
            Readiness::Ready | Readiness::PanicsInCall => Poll::Ready(Ok(())),
            Readiness::Broken => Poll::Ready(Err("broken".into())),
            Readiness::Panics => {
                drop(ready);
                panic!("in poll_ready")
            }
            Readiness::Stuck => {
                ready.1.push(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn call(&mut self, req: u32) -> Self::Future {
        let panics = matches!(self.0.ready.lock().unwrap().0, Readiness::PanicsInCall);
        assert!(!panics, "in call");
        self.0.calls.lock().unwrap().push(req);
        let told = self.0.clone();
        Box::pin(std::future::poll_fn(move |_| {
            told.call_polls.fetch_add(1, Ordering::SeqCst);
            match *told.result.lock().unwrap() {
                Some(result) => Poll::Ready(result.map_err(Into::into)),
                None => Poll::Pending,
            }
        }))
    }
}

fn reason(error: &BoxError) -> Option<Reason> {
    Rejected::find(&**error).map(Rejected::reason)
}

#[tokio::test(start_paused = true)]
async fn callers_pass_in_the_order_in_which_they_came_over_all_clones() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    let layer = turnstile.layer();
    let mut calls: Vec<_> = (0..4)
        .map(|req| task::spawn(layer.clone().layer(inner.clone()).oneshot(req)))
        .collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    assert_eq!(
        inner.ready_polls(),
        0,
        "nothing is reserved while callers wait"
    );
    for next in 0..4 {
        turnstile.open(1);
        let woken: Vec<_> = calls.iter().map(task::Spawn::is_woken).collect();
        assert_eq!(woken.iter().filter(|woken| **woken).count(), 1);
        assert!(woken[0], "only the head is woken");
        assert_ready_ok!(calls.remove(0).poll());
        assert_eq!(inner.calls().last(), Some(&next));
        if let Some(head) = calls.first_mut() {
            assert!(head.is_woken(), "the next one hears that it is the head");
            assert_pending!(head.poll());
        }
    }
    assert_eq!(turnstile.take_ends(), [End::Finished(Outcome::Success); 4]);
}

#[tokio::test(start_paused = true)]
async fn it_is_always_ready_and_joins_only_when_it_is_polled() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    inner.becomes(Readiness::Stuck);
    let mut service = turnstile.layer().layer(inner.clone());
    assert_ready_ok!(task::spawn(service.ready()).poll());
    let never_polled = service.call(1);
    assert!(turnstile.0.line.is_empty(), "it stands in nobody's way");
    inner.becomes(Readiness::Ready);
    turnstile.open(1);
    assert_ready_ok!(task::spawn(service.call(2)).poll());
    assert_eq!(inner.calls(), [2]);
    drop(never_polled);
    assert_eq!(turnstile.take_ends(), [End::Finished(Outcome::Success)]);
}

#[tokio::test(start_paused = true)]
async fn who_may_not_join_is_refused_at_once() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    let service = turnstile.layer().layer(inner.clone());
    let mut calls: Vec<_> = (0..5)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    let mut last = calls.pop().unwrap();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    assert_eq!(reason(&assert_ready_err!(last.poll())), Some(Reason::Shed));
    assert_eq!((inner.ready_polls(), inner.calls()), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_at_the_turn_is_final_and_the_next_one_moves_up() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    let service = turnstile.layer().layer(inner.clone());
    let mut calls: Vec<_> = (0..2)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    *turnstile.0.broken.lock().unwrap() = true;
    turnstile.0.line.wake_head();
    assert_eq!(
        reason(&assert_ready_err!(calls[0].poll())),
        Some(Reason::Open)
    );
    *turnstile.0.broken.lock().unwrap() = false;
    assert!(calls[1].is_woken());
    turnstile.open(1);
    assert_ready_ok!(calls[1].poll());
    assert_eq!(inner.calls(), [1]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_lets_those_behind_move_up() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    let service = turnstile.layer().layer(inner.clone());
    let mut calls: Vec<_> = (0..3)
        .map(|req| task::spawn(service.clone().oneshot(req)))
        .collect();
    for call in &mut calls {
        assert_pending!(call.poll());
    }
    drop(calls.remove(1));
    drop(calls.remove(0));
    assert!(calls[0].is_woken());
    assert_pending!(calls[0].poll());
    turnstile.open(1);
    assert_ready_ok!(calls[0].poll());
    assert_eq!(inner.calls(), [2]);
    assert!(turnstile.0.line.is_empty());
    assert_eq!(turnstile.take_ends(), [End::Finished(Outcome::Success)]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_in_line_for_the_maximum_and_no_longer() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    let mut call = task::spawn(turnstile.layer().layer(inner.clone()).oneshot(1));
    assert_pending!(call.poll());
    advance(Duration::from_millis(999)).await;
    assert!(!call.is_woken());
    advance(Duration::from_millis(1)).await;
    assert!(call.is_woken());
    let error = assert_ready_err!(call.poll());
    assert_eq!(reason(&error), Some(Reason::Deadline));
    assert!(turnstile.0.line.is_empty());
    assert_eq!((inner.ready_polls(), turnstile.take_ends()), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_known_time_is_waited_for_without_being_woken_and_without_polling_in_between() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    let opens_in = Duration::from_millis(300);
    *turnstile.0.opens_at.lock().unwrap() = Some(clock::now() + opens_in);
    let started = clock::now();
    let call = tokio::spawn(turnstile.layer().layer(inner.clone()).oneshot(1));
    call.await.unwrap().unwrap();
    assert_eq!(clock::now() - started, opens_in);
    assert_eq!(turnstile.turns(), 2, "when it joined, and at its turn");
}

#[tokio::test(start_paused = true)]
async fn an_earlier_turn_moves_the_timer_forward_and_a_later_one_back() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    let start = clock::now();
    let opens_at = |millis| {
        *turnstile.0.opens_at.lock().unwrap() = Some(start + Duration::from_millis(millis));
    };
    opens_at(300);
    let mut call = task::spawn(turnstile.layer().layer(inner).oneshot(1));
    assert_pending!(call.poll());
    opens_at(100);
    turnstile.0.line.wake_head();
    assert_pending!(call.poll());
    opens_at(200);
    advance(Duration::from_millis(100)).await;
    assert!(call.is_woken());
    assert_pending!(call.poll());
    advance(Duration::from_millis(99)).await;
    assert!(!call.is_woken());
    advance(Duration::from_millis(1)).await;
    assert!(call.is_woken());
    assert_ready_ok!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn the_maximum_covers_the_readiness_of_the_inner_service() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    inner.becomes(Readiness::Stuck);
    let mut call = task::spawn(turnstile.layer().layer(inner.clone()).oneshot(1));
    assert_pending!(call.poll());
    advance(Duration::from_millis(600)).await;
    turnstile.open(1);
    assert_pending!(call.poll());
    assert_eq!(inner.ready_polls(), 1);
    assert!(
        turnstile.0.line.is_empty(),
        "it does not stand in line for that"
    );
    advance(Duration::from_millis(399)).await;
    assert!(!call.is_woken());
    advance(Duration::from_millis(1)).await;
    let error = assert_ready_err!(call.poll());
    assert_eq!(reason(&error), Some(Reason::NotReady));
    assert_eq!(turnstile.take_ends(), [End::Reverted]);
    assert!(inner.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_admitted_caller_goes_on_when_the_inner_service_becomes_ready() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    turnstile.open(1);
    inner.becomes(Readiness::Stuck);
    let mut call = task::spawn(turnstile.layer().layer(inner.clone()).oneshot(1));
    assert_pending!(call.poll());
    assert_pending!(call.poll());
    assert_eq!(turnstile.turns(), 1, "not asked again after a final answer");
    inner.becomes(Readiness::Ready);
    assert!(call.is_woken());
    assert_ready_ok!(call.poll());
    assert_eq!(turnstile.take_ends(), [End::Finished(Outcome::Success)]);
}

#[tokio::test(start_paused = true)]
async fn an_inner_service_that_is_broken_reverts_the_admission_and_keeps_its_error() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    turnstile.open(1);
    inner.becomes(Readiness::Broken);
    let mut call = task::spawn(turnstile.layer().layer(inner.clone()).oneshot(1));
    assert_eq!(assert_ready_err!(call.poll()).to_string(), "broken");
    assert_eq!(turnstile.take_ends(), [End::Reverted]);
    assert!(inner.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn going_away_before_the_call_reverts_and_during_the_call_abandons() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    turnstile.open(2);
    let service = turnstile.layer().layer(inner.clone());

    inner.becomes(Readiness::Stuck);
    let mut before = task::spawn(service.clone().oneshot(1));
    assert_pending!(before.poll());
    drop(before);
    assert_eq!(
        turnstile.take_ends(),
        [End::Reverted],
        "the call was never made"
    );

    inner.becomes(Readiness::Ready);
    inner.answers(None);
    let mut during = task::spawn(service.oneshot(2));
    assert_pending!(during.poll());
    drop(during);
    assert_eq!(turnstile.take_ends(), [End::Abandoned]);
    assert_eq!(inner.calls(), [2]);
}

#[tokio::test(start_paused = true)]
async fn panics_leak_nothing() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    let service = turnstile.layer().layer(inner.clone());
    for (readiness, end) in [
        (Readiness::Panics, End::Reverted),
        (Readiness::PanicsInCall, End::Abandoned),
    ] {
        turnstile.open(1);
        inner.becomes(readiness);
        let call = service.clone().oneshot(1);
        let polled = catch_unwind(AssertUnwindSafe(|| task::spawn(call).poll().is_ready()));
        assert!(polled.is_err());
        assert_eq!(turnstile.take_ends(), [end]);
        assert!(turnstile.0.line.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn no_timer_of_the_wait_disturbs_the_call() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    inner.answers(None);
    let mut call = task::spawn(turnstile.layer().layer(inner.clone()).oneshot(1));
    assert_pending!(call.poll());
    turnstile.open(1);
    assert_pending!(call.poll());
    assert_eq!((inner.calls().len(), inner.call_polls()), (1, 1));
    advance(10 * MAX_WAIT).await;
    assert!(!call.is_woken(), "the maximum wait ends with the call");
    inner.answers(Some(Ok(3)));
    assert_eq!(assert_ready!(call.poll()).unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_verdict_on_the_result_ends_the_permit() {
    let (turnstile, inner) = (Turnstile::default(), Inner::new());
    turnstile.open(3);
    let judge = by_result(|result: Result<&u32, &BoxError>| match result {
        Ok(0) => Outcome::Permanent,
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::OVERLOAD,
    });
    let service = turnstile.layer().classify(judge).layer(inner.clone());
    for (result, outcome) in [
        (Ok(0), Outcome::Permanent),
        (Ok(1), Outcome::Success),
        (Err("no"), Outcome::OVERLOAD),
    ] {
        inner.answers(Some(result));
        let answer = service.clone().oneshot(1).await;
        assert_eq!(
            answer.map_err(|error| error.to_string()),
            result.map_err(String::from)
        );
        assert_eq!(turnstile.take_ends(), [End::Finished(outcome)]);
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_may_be_answered_with_responses() {
    #[derive(Clone)]
    struct Hangs;
    impl Service<u32> for Hangs {
        type Response = u32;
        type Error = Infallible;
        type Future = std::future::Pending<Result<u32, Infallible>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: u32) -> Self::Future {
            pending()
        }
    }
    let turnstile = Turnstile::default();
    let layer = turnstile.layer().answer(|req: &u32, why: Rejected| {
        assert_eq!(why.reason(), Reason::Deadline);
        req + 100
    });
    let answer: Result<u32, Infallible> = layer.layer(Hangs).oneshot(1).await;
    assert_eq!(answer, Ok(101));
}

#[tokio::test(start_paused = true)]
async fn the_future_is_send_where_its_parts_are() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    let turnstile = Turnstile::default();
    turnstile.open(1);
    let echo = tower::service_fn(|req: u32| ready(Ok::<_, BoxError>(req)));
    let call = send(turnstile.layer().layer(echo).oneshot(5));
    assert_eq!(call.await.unwrap(), 5);
}

mod deadlines {
    use super::*;
    use resilience_core::{Classify, Errors};

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

    const TENTH: Duration = Duration::from_millis(100);
    const TICK: Duration = Duration::from_millis(1);

    type Calls = task::Spawn<Pin<Box<dyn Future<Output = Result<u32, BoxError>>>>>;

    /// A call that has 100 ms from now.
    fn call(turnstile: &Turnstile, inner: &Inner) -> Calls {
        let layer = turnstile.layer().classify(Until(Deadline::within(TENTH)));
        task::spawn(Box::pin(layer.layer(inner.clone()).oneshot(1)))
    }

    fn assert_late(poll: Poll<Result<u32, BoxError>>) {
        assert_eq!(reason(&assert_ready_err!(poll)), Some(Reason::Deadline));
    }

    #[tokio::test(start_paused = true)]
    async fn past_it_a_call_does_not_join() {
        let (turnstile, inner) = (Turnstile::default(), Inner::new());
        turnstile.open(1);
        let mut call = call(&turnstile, &inner);
        advance(TENTH).await;
        assert_late(call.poll());
        assert_eq!((turnstile.turns(), inner.ready_polls()), (0, 0));
        assert_eq!(turnstile.take_ends(), [], "it was not admitted");
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_call_leaves_the_line_when_it_passes() {
        let (turnstile, inner) = (Turnstile::default(), Inner::new());
        let mut call = call(&turnstile, &inner);
        assert_pending!(call.poll());
        advance(Duration::from_millis(99)).await;
        assert!(!call.is_woken());
        advance(TICK).await;
        assert!(call.is_woken(), "long before the maximum wait");
        assert_late(call.poll());
        assert!(turnstile.0.line.is_empty());
        assert_eq!((inner.ready_polls(), inner.calls()), (0, vec![]));
    }

    /// The turn and the deadline come together.
    #[tokio::test(start_paused = true)]
    async fn a_turn_at_the_deadline_is_too_late() {
        let (turnstile, inner) = (Turnstile::default(), Inner::new());
        let mut call = call(&turnstile, &inner);
        assert_pending!(call.poll());
        advance(TENTH).await;
        turnstile.open(1);
        assert_late(call.poll());
        assert_eq!(turnstile.take_ends(), [], "it was not admitted");
        assert_eq!(turnstile.turns(), 1, "it was asked for the turn");
        assert_eq!(inner.calls(), [0; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_admitted_call_whose_inner_service_is_not_ready_is_reverted() {
        let (turnstile, inner) = (Turnstile::default(), Inner::new());
        inner.becomes(Readiness::Stuck);
        turnstile.open(1);
        let mut call = call(&turnstile, &inner);
        assert_pending!(call.poll());
        assert_eq!(inner.ready_polls(), 1);
        advance(TENTH).await;
        assert!(call.is_woken());
        assert_late(call.poll());
        assert_eq!(turnstile.take_ends(), [End::Reverted]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_inner_service_that_is_ready_at_the_deadline_is_not_called() {
        let (turnstile, inner) = (Turnstile::default(), Inner::new());
        inner.becomes(Readiness::Stuck);
        turnstile.open(1);
        let mut call = call(&turnstile, &inner);
        assert_pending!(call.poll());
        advance(TENTH).await;
        inner.becomes(Readiness::Ready);
        assert_late(call.poll());
        assert_eq!(turnstile.take_ends(), [End::Reverted]);
        assert_eq!(inner.calls(), [0; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_maximum_wait_still_counts() {
        let (turnstile, inner) = (Turnstile::default(), Inner::new());
        let two_seconds = Deadline::within(MAX_WAIT * 2);
        let layer = turnstile.layer().classify(Until(two_seconds));
        let mut call = task::spawn(layer.layer(inner.clone()).oneshot(1));
        assert_pending!(call.poll());
        advance(MAX_WAIT).await;
        assert!(call.is_woken());
        let error = assert_ready_err!(call.poll());
        assert_eq!(
            Rejected::find(&*error).map(|why| &**why.policy()),
            Some("turnstile")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_made_is_not_broken_off() {
        let (turnstile, inner) = (Turnstile::default(), Inner::new());
        inner.answers(None);
        turnstile.open(1);
        let mut call = call(&turnstile, &inner);
        assert_pending!(call.poll());
        advance(TENTH * 2).await;
        assert!(!call.is_woken(), "no timer is left armed");
        inner.answers(Some(Ok(3)));
        assert_eq!(assert_ready_ok!(call.poll()), 3);
    }
}
