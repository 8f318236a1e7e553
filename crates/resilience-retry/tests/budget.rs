//! Retries and the budget: what is taken out, and what comes back.
#![cfg(all(feature = "tower", not(resilience_loom)))]

mod support;

use resilience_core::{Budget, Outcome, Reason, Rejected, by_result, clock};
use resilience_retry::{Retry, RetryBuilder};
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::atomic::Ordering::SeqCst,
    task::{Context, Poll, Waker},
};
use support::{
    Answer, BAD, GOOD, Judge, Readiness, Script, available, budget_of, build, builder, millis,
    number,
};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

fn service(builder: RetryBuilder, script: &Script) -> Retry<Script, Judge> {
    build(builder).layer(script.clone())
}

#[tokio::test(start_paused = true)]
async fn when_the_budget_is_spent_the_last_result_is_the_callers() {
    let script = Script::new([BAD; 6]);
    let service = service(builder().budget(budget_of(3)), &script);
    let mut attempts = Vec::new();
    let mut before = 0;
    for _ in 0..3 {
        let result = service.clone().oneshot(1).await;
        attempts.push(number(&result) - before);
        before = number(&result);
    }
    assert_eq!(attempts, [3, 2, 1]);
}

/// However many services the layer, and its clones, make.
#[tokio::test(start_paused = true)]
async fn one_layer_is_one_budget_of_a_fifth_and_the_floor() {
    let layer = build(builder().attempts(2));
    let script = Script::new([BAD; 500]);
    let calls: Vec<_> = (0..100)
        .map(|_| tokio::spawn(layer.clone().layer(script.clone()).oneshot(1)))
        .collect();
    for call in calls {
        call.await.unwrap().unwrap_err();
    }
    let retries = script.calls() - 100;
    assert_eq!(
        retries,
        10 + 20,
        "ten seconds of floor, and 0.2 for each call"
    );
}

#[tokio::test(start_paused = true)]
async fn a_budget_can_be_shared_between_layers() {
    let budget = budget_of(3);
    let script = Script::new([BAD; 20]);
    for _ in 0..4 {
        let service = service(builder().budget(budget.clone()), &script);
        service.oneshot(1).await.unwrap_err();
    }
    assert_eq!(script.calls(), 4 + 3);
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_every_call_is_retried() {
    let script = Script::new([BAD; 300]);
    let service = service(builder().no_budget(), &script);
    for _ in 0..100 {
        service.clone().oneshot(1).await.unwrap_err();
    }
    assert_eq!(script.calls(), 300);
}

/// Every call earns its share once, with its first attempt; one that our own layers refused earns nothing.
#[tokio::test(start_paused = true)]
async fn a_call_earns_its_share_once() {
    let refused = Rejected::new(Reason::Open, "breaker").outcome();
    for (answers, earned) in [
        (vec![GOOD], 1),
        (vec![Answer::Fail(Outcome::Permanent)], 1),
        (vec![Answer::Fail(refused)], 0),
        (vec![BAD, GOOD], 1),
        (vec![BAD, BAD, BAD], 1),
    ] {
        let budget = Budget::builder().ratio(1.0).floor_per_second(5.0);
        let budget = budget.build().expect("valid");
        let before = available(&budget);
        let script = Script::new(answers);
        let service = service(builder().budget(budget.clone()), &script);
        let _ = service.oneshot(1).await;
        let retries = script.calls() as u64 - 1;
        assert_eq!(available(&budget), before + earned - retries);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_was_not_sent_goes_back_when_the_future_is_dropped() {
    let budget = budget_of(5);
    let script = Script::new([BAD]);
    let mut service = service(builder().budget(budget.clone()), &script);
    service.ready().await.unwrap();
    let mut future = task::spawn(service.call(1));
    assert_pending!(future.poll());
    assert_pending!(future.poll());
    assert_eq!(available(&budget), 4, "taken out for the wait");
    drop(future);
    assert_eq!(available(&budget), 5);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_was_sent_stays_spent_when_the_future_is_dropped() {
    let budget = budget_of(5);
    let script = Script::new([BAD, Answer::Hang]);
    let mut service = service(builder().budget(budget.clone()), &script);
    service.ready().await.unwrap();
    let mut future = Box::pin(service.call(1));
    tokio::time::timeout(millis(500), &mut future)
        .await
        .unwrap_err();
    assert_eq!(script.calls(), 2);
    drop(future);
    assert_eq!(available(&budget), 4);
}

/// What our own layers refused, the dependency never saw.
#[tokio::test(start_paused = true)]
async fn a_retry_that_was_refused_goes_back() {
    let spent = Rejected::new(Reason::Rate, "limit").retry_after(millis(50));
    let spent = Answer::Fail(spent.outcome());
    let budget = budget_of(5);
    let script = Script::new([spent, spent, spent, spent, GOOD]);
    let service = service(builder().attempts(5).budget(budget.clone()), &script);
    assert_eq!(number(&service.oneshot(1).await), 5);
    assert_eq!(available(&budget), 4, "the one that was sent");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_hook_leaks_nothing() {
    let budget = budget_of(5);
    let script = Script::new([BAD]);
    let hooked = builder()
        .budget(budget.clone())
        .on_retry(|_| panic!("by the test"));
    let mut service = service(hooked, &script);
    service.ready().await.unwrap();
    let mut future = Box::pin(service.call(1));
    panics_within_two_polls(&mut future);
    drop(future);
    assert_eq!(available(&budget), 5);
    assert_eq!(script.results.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_classifier_leaks_nothing() {
    let budget = budget_of(5);
    let script = Script::new([BAD]);
    let layer = builder().budget(budget.clone()).build().expect("valid");
    let layer = layer.classify(by_result(
        |_: Result<&support::Reply, &support::Failure>| -> Outcome { panic!("by the test") },
    ));
    let mut service = layer.layer(script.clone());
    service.ready().await.unwrap();
    let mut future = Box::pin(service.call(1));
    panics_within_two_polls(&mut future);
    drop(future);
    assert_eq!(available(&budget), 5);
    assert_eq!(script.results.load(SeqCst), 0);
}

/// Whether the request left is anybody's guess: it counts as sent.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_retried_call_stays_spent() {
    let budget = budget_of(5);
    let script = Script::new([BAD, Answer::Panic]);
    let service = service(builder().budget(budget.clone()), &script);
    let call = tokio::spawn(service.oneshot(1));
    assert!(call.await.unwrap_err().is_panic());
    assert_eq!(available(&budget), 4);
    assert_eq!(script.results.load(SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_spent_no_sooner_than_it_is_sent() {
    let budget = budget_of(5);
    let script = Script::new([BAD]);
    let mut service = service(builder().budget(budget.clone()), &script);
    service.ready().await.unwrap();
    let mut future = Box::pin(service.call(1));
    script.set(Readiness::Pending);
    let start = clock::now();
    tokio::time::timeout(millis(500), &mut future)
        .await
        .unwrap_err();
    assert_eq!(clock::now() - start, millis(500));
    drop(future);
    assert_eq!(available(&budget), 5, "inner never became ready");
}

fn panics_within_two_polls<F: Future>(future: &mut Pin<Box<F>>) {
    let mut poll = || {
        let mut cx = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        polled.map(|polled| matches!(polled, Poll::Ready(_)))
    };
    assert!(matches!(poll(), Ok(false)));
    assert!(poll().is_err());
}
