//! Several policies as one: order, reverts, and one clock read.
#![cfg(not(resilience_loom))]

mod spy;

use resilience_core::{Gate, Now, Outcome, Permit, Policy, Rejected, Timestamp, clock};
use spy::{Log, Spy};
use std::sync::{Arc, Mutex};

fn now() -> Now {
    Now::at(Timestamp::from_nanos(1))
}

fn three(log: &Log) -> (Spy, Spy, Spy) {
    (log.spy("a"), log.spy("b"), log.spy("c"))
}

fn gates<P: Policy<u32>>(policy: &P) -> usize {
    let mut count = 0;
    policy.gates(&mut |_: &Gate| count += 1);
    count
}

fn refusing<P: Policy<u32>>(policy: &P) -> bool {
    policy.refusing(&mut now())
}

#[test]
fn admits_in_order_and_ends_all() {
    let log = Log::default();
    let mut permit = three(&log).admit(&7, &mut now()).unwrap();
    assert_eq!(log.take(), ["a admitted", "b admitted", "c admitted"]);
    permit.head(Some(Outcome::Permanent), &mut now());
    permit.head(None, &mut now());
    assert_eq!(
        log.take(),
        [
            "a head permanent",
            "b head permanent",
            "c head permanent",
            "a head open",
            "b head open",
            "c head open"
        ]
    );
    permit.finish(Outcome::Permanent, &mut now());
    assert_eq!(
        log.take(),
        [
            "a finished permanent",
            "b finished permanent",
            "c finished permanent"
        ]
    );
}

#[test]
fn reverts_and_drops_all() {
    let log = Log::default();
    let policy = three(&log);
    let permit = policy.admit(&7, &mut now()).unwrap();
    log.take();
    permit.revert(&mut now());
    assert_eq!(log.take(), ["c reverted", "b reverted", "a reverted"]);
    drop(policy.admit(&7, &mut now()).unwrap());
    let mut events = log.take().split_off(3);
    events.sort();
    assert_eq!(events, ["a abandoned", "b abandoned", "c abandoned"]);
}

#[test]
fn a_refusal_reverts_those_before_it_latest_first_and_asks_none_after_it() {
    let log = Log::default();
    let policy = (log.spy("a"), log.spy("b"), log.spy("c"), log.spy("d"));
    policy.2.set_full(true);
    let why = policy.admit(&7, &mut now()).unwrap_err();
    assert_eq!(&**why.policy(), "c");
    assert_eq!(
        log.take(),
        [
            "a admitted",
            "b admitted",
            "c refused",
            "b reverted",
            "a reverted"
        ]
    );
    policy.0.set_full(true);
    policy.admit(&7, &mut now()).unwrap_err();
    assert_eq!(log.take(), ["a refused"]);
}

#[test]
fn every_length_refuses_at_every_place() {
    fn check<P: Policy<u32>>(log: &Log, spies: &[&Spy], policy: &P) {
        for (place, spy) in spies.iter().enumerate() {
            spy.set_full(true);
            assert!(policy.admit(&7, &mut now()).is_err());
            spy.set_full(false);
            let events = log.take();
            assert_eq!(events.len(), 2 * place + 1, "{events:?}");
            let reverted = events.iter().filter(|event| event.ends_with("reverted"));
            assert_eq!(reverted.count(), place, "{events:?}");
        }
        policy
            .admit(&7, &mut now())
            .unwrap_or_else(|_| panic!("nobody refuses"))
            .finish(Outcome::Success, &mut now());
        let events = log.take();
        assert_eq!(events.len(), 2 * spies.len(), "{events:?}");
        assert_eq!(gates(policy), spies.len());
    }

    let log = Log::default();
    let spies = ["a", "b", "c", "d", "e", "f"].map(|name| log.spy(name));
    let one = &spies.each_ref();
    check(&log, &one[..1], &(one[0],));
    check(&log, &one[..2], &(one[0], one[1]));
    check(&log, &one[..3], &(one[0], one[1], one[2]));
    check(&log, &one[..4], &(one[0], one[1], one[2], one[3]));
    let five = (one[0], one[1], one[2], one[3], one[4]);
    check(&log, &one[..5], &five);
    let six = (one[0], one[1], one[2], one[3], one[4], one[5]);
    check(&log, one, &six);
    let nested = ((one[0], one[1]), (one[2], (one[3],)), ());
    check(&log, &one[..4], &nested);
}

#[test]
fn nested_tuples_revert_in_reverse_order_too() {
    let log = Log::default();
    let policy = (log.spy("a"), (log.spy("b"), log.spy("c")), log.spy("d"));
    policy.2.set_full(true);
    policy.admit(&7, &mut now()).unwrap_err();
    let events = log.take().split_off(4);
    assert_eq!(events, ["c reverted", "b reverted", "a reverted"]);
    policy.1.1.set_full(true);
    policy.admit(&7, &mut now()).unwrap_err();
    let events = log.take().split_off(3);
    assert_eq!(events, ["b reverted", "a reverted"]);
}

#[test]
fn refuses_everybody_when_one_of_them_does() {
    let log = Log::default();
    let policy = three(&log);
    assert!(!refusing(&policy));
    for spy in [&policy.0, &policy.1, &policy.2] {
        spy.start_refusing();
        assert!(refusing(&policy));
        spy.stop_refusing();
    }
    assert!(!refusing(&policy));
    assert_eq!(gates(&policy), 3);
}

#[test]
fn an_option_is_a_policy_that_may_be_off() {
    let log = Log::default();
    let (a, b) = (log.spy("a"), log.spy("b"));
    let policy = (Some(a.clone()), None::<Spy>, Some(b.clone()));
    let mut permit = policy.admit(&7, &mut now()).unwrap();
    permit.head(None, &mut now());
    permit.finish(Outcome::Success, &mut now());
    assert_eq!(
        log.take(),
        [
            "a admitted",
            "b admitted",
            "a head open",
            "b head open",
            "a finished success",
            "b finished success"
        ]
    );
    b.set_full(true);
    policy.admit(&7, &mut now()).unwrap_err();
    assert_eq!(log.take(), ["a admitted", "b refused", "a reverted"]);
    assert_eq!(gates(&policy), 2);
    assert!(!refusing(&policy));
    b.start_refusing();
    assert!(refusing(&policy));

    let off = None::<Spy>;
    assert!(!refusing(&off));
    assert_eq!(gates(&off), 0);
    off.admit(&7, &mut now())
        .unwrap()
        .finish(Outcome::Success, &mut now());
    assert_eq!(log.take(), [""; 0]);
}

/// Notes the time that it is told, and when it is asked, by the clock itself; then waits for the clock to move.
#[derive(Clone, Debug, Default)]
struct Timed {
    told: Arc<Mutex<Vec<Timestamp>>>,
    asked: Arc<Mutex<Vec<Timestamp>>>,
    silent: bool,
}

impl Timed {
    fn look(&self, now: &mut Now) {
        let asked = clock::now();
        self.asked.lock().unwrap().push(asked);
        while clock::now() == asked {}
        if !self.silent {
            let told = now.get();
            self.told.lock().unwrap().push(told);
            while clock::now() <= told {}
        }
    }
}

impl Policy<u32> for Timed {
    type Permit = Self;

    fn admit(&self, _: &u32, now: &mut Now) -> Result<Self, Rejected> {
        self.look(now);
        Ok(self.clone())
    }
}

impl Permit for Timed {
    fn head(&mut self, _: Option<Outcome>, now: &mut Now) {
        self.look(now);
    }

    fn finish(self, _: Outcome, now: &mut Now) {
        self.look(now);
    }

    fn revert(self, now: &mut Now) {
        self.look(now);
    }
}

/// Real time, and no waiting for any: the clock moves between two looks of this test.
#[test]
fn all_see_the_same_time_read_when_first_asked_for() {
    let timed = Timed::default();
    let silent = Timed {
        silent: true,
        ..Timed::default()
    };
    let policy = (&silent, &timed, (&timed, &silent), &timed);
    let log = Log::default();
    let refusing = log.spy("last");
    refusing.set_full(true);

    // Admission, and the reverts of a refusal, are one present.
    let mut now = Now::lazy();
    (&policy, &refusing).admit(&7, &mut now).unwrap_err();
    let told = std::mem::take(&mut *timed.told.lock().unwrap());
    assert_eq!(told.len(), 6, "three admissions, three reverts");
    assert!(told.iter().all(|&time| time == told[0]), "{told:?}");
    let first_asked = silent.asked.lock().unwrap()[0];
    assert!(
        told[0] > first_asked,
        "read before anybody wanted to know the time"
    );
    assert!(told[0] >= timed.asked.lock().unwrap()[0]);

    // The end is another.
    let mut permit = policy.admit(&7, &mut now).unwrap();
    timed.told.lock().unwrap().clear();
    let mut now = Now::lazy();
    permit.head(None, &mut now);
    permit.finish(Outcome::Success, &mut now);
    let end = std::mem::take(&mut *timed.told.lock().unwrap());
    assert_eq!(end.len(), 6);
    assert!(end.iter().all(|&time| time == end[0]), "{end:?}");
    assert!(end[0] > told[0]);
}

#[test]
fn the_empty_tuple_admits_everybody() {
    let nobody = ();
    assert!(nobody.admit(&7, &mut now()).is_ok());
    assert!(!refusing(&nobody));
    assert_eq!(gates(&nobody), 0);
}
