//! Which compositions of policies may be forgotten.
#![cfg(not(resilience_loom))]

use resilience_core::{Exempt, Forget, Now, Timestamp, sync::Arc};

/// Answers what it is told to.
#[derive(Clone, Copy)]
struct Fixed {
    fresh: bool,
    at_rest: bool,
}

impl Forget for Fixed {
    fn is_fresh(&self, _: &mut Now) -> bool {
        self.fresh
    }

    fn is_at_rest(&self, _: &mut Now) -> bool {
        self.at_rest
    }
}

const FRESH: Fixed = fixed(true, true);
const RESTING: Fixed = fixed(false, true);
const IN_FORCE: Fixed = fixed(false, false);

const fn fixed(fresh: bool, at_rest: bool) -> Fixed {
    Fixed { fresh, at_rest }
}

/// Fresh, and at rest.
fn ask(policy: &impl Forget) -> (bool, bool) {
    let now = &mut Now::at(Timestamp::from_nanos(1));
    (policy.is_fresh(now), policy.is_at_rest(now))
}

#[test]
fn a_tuple_is_when_all_of_it_is() {
    assert_eq!(ask(&()), (true, true));
    assert_eq!(ask(&(FRESH,)), (true, true));
    assert_eq!(ask(&(FRESH, RESTING)), (false, true));
    assert_eq!(ask(&(RESTING, FRESH)), (false, true));
    for place in 0..6 {
        let at = |index| if index == place { IN_FORCE } else { FRESH };
        let six = (at(0), at(1), at(2), at(3), at(4), at(5));
        assert_eq!(ask(&six), (false, false), "{place}");
    }
}

#[test]
fn no_policy_may_always_be_forgotten() {
    assert_eq!(ask(&None::<Fixed>), (true, true));
    assert_eq!(ask(&Some(RESTING)), (false, true));
    assert_eq!(ask(&Some(IN_FORCE)), (false, false));
}

#[test]
fn exemptions_change_nothing() {
    assert_eq!(ask(&Exempt::new(RESTING, |(): &()| true)), (false, true));
    assert_eq!(ask(&Exempt::new(FRESH, |(): &()| true)), (true, true));
}

#[test]
fn a_shared_policy_is_kept() {
    let policy = Arc::new(FRESH);
    assert_eq!(ask(&policy), (true, true));
    let other = policy.clone();
    assert_eq!(ask(&policy), (false, false));
    drop(other);
    assert_eq!(ask(&policy), (true, true));
    assert_eq!(ask(&Arc::new(RESTING)), (false, true));
}

#[test]
fn at_rest_means_fresh_unless_said_otherwise() {
    struct Only(bool);
    impl Forget for Only {
        fn is_fresh(&self, _: &mut Now) -> bool {
            self.0
        }
    }
    assert_eq!(ask(&Only(true)), (true, true));
    assert_eq!(ask(&Only(false)), (false, false));
}
