//! Nobody waits for a retry that a policy would refuse: [`RetryLayer::unless_refusing`].
#![cfg(all(feature = "tower", not(resilience_loom)))]

mod support;

use resilience_core::{Now, Outcome, Policy, Reason, Rejected, clock};
use resilience_retry::RetryLayer;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use support::{
    Answer, BAD, GOOD, Judge, Judged, Script, available, budget_of, build, builder, millis, number,
};
use tower::{Layer, ServiceExt};

/// Refuses everybody while it is told to.
#[derive(Clone, Debug, Default)]
struct Switch {
    refuses: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
}

impl Switch {
    fn set(&self, refuses: bool) {
        self.refuses.store(refuses, SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }
}

impl Policy<()> for Switch {
    type Permit = ();

    fn admit(&self, (): &(), _: &mut Now) -> Result<(), Rejected> {
        unreachable!("it is asked, and not passed")
    }

    fn refusing(&self, _: &mut Now) -> bool {
        self.asked.fetch_add(1, SeqCst);
        self.refuses.load(SeqCst)
    }
}

/// One call, by the layer and by Tower's retries: they see the same. The result, and how long it took.
async fn call(layer: &RetryLayer<Judge>, answers: &[Answer]) -> (Judged, Duration) {
    let begin = clock::now();
    let script = Script::new(answers.iter().copied());
    let result = layer.layer(script).oneshot(7).await;
    let took = clock::now() - begin;
    #[cfg(feature = "tower-retry")]
    {
        let begin = clock::now();
        let policy = resilience_retry::TowerPolicy::from(layer.clone());
        let script = Script::new(answers.iter().copied());
        let by_tower = tower::retry::Retry::new(policy, script).oneshot(7).await;
        assert_eq!(
            (number(&by_tower), clock::now() - begin),
            (number(&result), took)
        );
    }
    (result, took)
}

#[tokio::test(start_paused = true)]
async fn while_it_refuses_the_caller_gets_the_failure_at_once() {
    let (switch, budget) = (Switch::default(), budget_of(9));
    let layer = build(builder().budget(budget.clone())).unless_refusing(switch.clone());
    switch.set(true);
    for bad in [
        BAD,
        Answer::Reply(Outcome::OVERLOAD),
        Answer::Fail(Outcome::Unsent),
    ] {
        let (result, took) = call(&layer, &[bad]).await;
        assert_eq!((number(&result), took), (1, Duration::ZERO));
    }
    assert_eq!(available(&budget), 9);
    switch.set(false);
    let (result, took) = call(&layer, &[BAD, GOOD]).await;
    assert_eq!((number(&result), took), (2, millis(100)));
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_before_each_wait_and_not_for_what_is_not_retried() {
    let switch = Switch::default();
    let layer = builder()
        .build()
        .expect("valid")
        .unless_refusing(switch.clone());
    let layer = layer.classify(resilience_core::by_result(
        support::judge as fn(Result<&support::Reply, &support::Failure>) -> Outcome,
    ));
    for (answers, asked) in [
        (vec![GOOD], 0),
        (vec![Answer::Fail(Outcome::Permanent)], 0),
        (
            vec![Answer::Fail(Rejected::new(Reason::Open, "inner").outcome())],
            0,
        ),
        // The last of three attempts is not repeated, whoever refuses.
        (vec![BAD; 3], 2),
    ] {
        let before = switch.asked();
        let _ = layer.layer(Script::new(answers)).oneshot(1).await;
        assert_eq!(switch.asked() - before, asked);
    }
}

/// It says what is, and not what will be: for whom waits already, the refusal is quick.
#[tokio::test(start_paused = true)]
async fn what_refuses_during_the_wait_is_left_to_refuse() {
    let switch = Switch::default();
    let layer = build(builder()).unless_refusing(switch.clone());
    let script = Script::new([BAD, GOOD]);
    let call = tokio::spawn(layer.layer(script.clone()).oneshot(1));
    tokio::time::sleep(millis(50)).await;
    switch.set(true);
    assert_eq!(number(&call.await.expect("no panic")), 2);
}

#[tokio::test(start_paused = true)]
async fn one_of_several_is_enough_and_clones_ask_the_same() {
    for refusing in [0, 1] {
        let switches = [Switch::default(), Switch::default()];
        let [one, other] = switches.clone();
        let layer = build(builder()).unless_refusing(one).unless_refusing(other);
        switches[refusing].set(true);
        let (result, took) = call(&layer.clone(), &[BAD]).await;
        assert_eq!((number(&result), took), (1, Duration::ZERO));
    }
}
