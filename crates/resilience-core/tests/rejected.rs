//! Finding refusals in error chains, and how they read.
#![cfg(not(resilience_loom))]

use resilience_core::{
    BothFailed, BoxError, Classify, Errors, Outcome, Reason, Rejected, TypedErrors, Verdict,
    by_result,
};
use std::{error::Error, fmt, io, time::Duration};

fn refusal(name: &'static str) -> Rejected {
    Rejected::new(Reason::Rate, name)
}

/// An error with a cause.
#[derive(Debug)]
struct Because(BoxError);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("because")
    }
}

impl Error for Because {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

fn because(cause: impl Into<BoxError>) -> Because {
    Because(cause.into())
}

fn found<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e str> {
    Rejected::find(error).map(|why| &**why.policy())
}

#[test]
fn is_found_wherever_it_is_in_a_chain() {
    assert_eq!(found(&refusal("x")), Some("x"));
    assert_eq!(found(&because(refusal("x"))), Some("x"));
    assert_eq!(found(&because(because(because(refusal("x"))))), Some("x"));
    assert_eq!(found(&because("nothing of ours")), None);
    assert_eq!(found(&io::Error::other("nothing of ours")), None);
    assert_eq!(found(&io::Error::from(io::ErrorKind::TimedOut)), None);
}

/// `io::Error::source` skips the error that it was made of.
#[test]
fn is_found_in_io_errors() {
    assert_eq!(found(&io::Error::other(refusal("x"))), Some("x"));
    assert_eq!(found(&io::Error::other(because(refusal("x")))), Some("x"));
    let io = because(io::Error::other(io::Error::other(refusal("x"))));
    assert_eq!(found(&io), Some("x"));
}

#[test]
fn is_found_on_both_sides_of_a_double_failure_the_first_one_first() {
    let both = BothFailed::new(because(refusal("first")), because(refusal("second")));
    assert_eq!(found(&both), Some("first"));
    let both = BothFailed::new("down", because(refusal("second")));
    assert_eq!(found(&both), Some("second"));
    let both = BothFailed::new(because(refusal("first")), "down");
    assert_eq!(found(&because(both)), Some("first"));
    let nested = BothFailed::new(BothFailed::new("a", refusal("inner")), "b");
    assert_eq!(found(&nested), Some("inner"));
    assert_eq!(found(&BothFailed::new("a", "b")), None);
}

#[test]
fn a_double_failure_names_both_and_its_source_is_the_second() {
    let both = BothFailed::new("the first", "the second");
    assert_eq!(both.primary().to_string(), "the first");
    assert_eq!(both.source().unwrap().to_string(), "the second");
    assert_eq!(both.to_string(), "the second, after: the first");
}

#[test]
fn find_in_sees_through_the_types_that_it_names() {
    fn found_in<E: 'static>(error: &E) -> bool {
        Rejected::find_in(error).is_some()
    }

    assert!(found_in(&refusal("x")));
    assert!(found_in(&BoxError::from(refusal("x"))));
    assert!(found_in(&BoxError::from(because(refusal("x")))));
    assert!(found_in(&BothFailed::new(refusal("x"), "down")));
    assert!(found_in(&BothFailed::new("down", refusal("x"))));
    assert!(found_in(&io::Error::other(refusal("x"))));
    assert!(!found_in(&BoxError::from("down")));
    assert!(!found_in(&BothFailed::new("a", "b")));
    assert!(!found_in(&io::Error::other("down")));
    assert!(!found_in(&"down"));
    assert!(!found_in(&()));
}

#[test]
fn reads_as_a_sentence() {
    let plain = |reason| Rejected::new(reason, "shop").to_string();
    assert_eq!(plain(Reason::Concurrency), "shop: too many calls in flight");
    assert_eq!(plain(Reason::Rate), "shop: rate limit exceeded");
    assert_eq!(plain(Reason::Open), "shop: circuit breaker open");
    assert_eq!(plain(Reason::NotReady), "shop: service not ready");
    let soon = refusal("shop").retry_after(Duration::from_millis(1_500));
    assert_eq!(
        soon.to_string(),
        "shop: rate limit exceeded, retry after 1.5s"
    );
    assert!(soon.source().is_none());
}

#[test]
fn carries_reason_name_and_delay_into_its_outcome() {
    let delay = Duration::from_secs(2);
    let why = Rejected::new(Reason::Open, String::from("made")).retry_after(delay);
    assert_eq!(&**why.policy(), "made");
    assert_eq!(why.delay(), Some(delay));
    assert_eq!(why.clone().retry_after(None).delay(), None);
    let outcome = why.outcome();
    assert_eq!(
        outcome,
        Outcome::Refused {
            reason: Reason::Open,
            retry_after: Some(delay)
        }
    );
    assert!(!outcome.is_failure());
    assert!(outcome.never_sent());
    assert_eq!(outcome.retry_after(), Some(delay));
}

/// A call was refused if nobody else was asked.
#[test]
fn a_double_failure_was_refused_if_both_refused() {
    let (first, second) = (|| refusal("first"), || refusal("second"));
    let refused = Some(first().outcome());
    let judge = |error: &BothFailed| {
        let outcome = Rejected::judge(error);
        assert_eq!(Rejected::judge_in(error), outcome);
        outcome
    };
    assert_eq!(judge(&BothFailed::new(first(), second())), refused);
    assert_eq!(
        judge(&BothFailed::new(
            because(first()),
            io::Error::other(second())
        )),
        refused
    );
    assert_eq!(judge(&BothFailed::new(first(), "down")), None);
    assert_eq!(judge(&BothFailed::new("down", second())), None);
    assert_eq!(judge(&BothFailed::new("down", "down")), None);

    let nested = |inner: BothFailed| BothFailed::new(inner, refusal("third"));
    assert_eq!(judge(&nested(BothFailed::new(first(), second()))), refused);
    assert_eq!(judge(&nested(BothFailed::new(first(), "down"))), None);
    assert_eq!(judge(&nested(BothFailed::new("down", second()))), None);
    assert_eq!(
        Rejected::judge(&because(BothFailed::new(first(), "down"))),
        None
    );
    assert_eq!(Rejected::judge(&because(first())), refused);
    assert_eq!(Rejected::judge_in(&"no error at all"), None);
}

mod classified {
    use super::*;

    fn judge<E, C: Classify<(), u32, E>>(classify: &C, error: &E) -> Outcome {
        classify.start(&()).error(error)
    }

    #[test]
    fn refusals_are_no_failures_and_everything_else_is() {
        let refused = refusal("x").outcome();
        let boxed: BoxError = Box::new(because(refusal("x")));
        assert_eq!(judge(&Errors, &boxed), refused);
        assert_eq!(
            judge::<BoxError, _>(&Errors, &"down".into()),
            Outcome::TRANSIENT
        );
        assert_eq!(judge(&TypedErrors, &because(refusal("x"))), refused);
        assert_eq!(judge(&TypedErrors, &because("down")), Outcome::TRANSIENT);
        let mut verdict = Classify::<(), u32, Because>::start(&Errors, &());
        let res = Verdict::<u32, Because>::response(&mut verdict, &7);
        assert_eq!(res, Some(Outcome::Success));
    }

    #[test]
    fn a_function_is_not_asked_about_refusals() {
        let classify = by_result(|result: Result<&u32, &BoxError>| match result {
            Ok(0) => Outcome::OVERLOAD,
            Ok(_) => Outcome::Success,
            Err(error) => {
                assert!(Rejected::find(&**error).is_none(), "asked about a refusal");
                Outcome::Permanent
            }
        });
        let boxed: BoxError = Box::new(because(refusal("x")));
        assert_eq!(judge(&classify, &boxed), refusal("x").outcome());
        assert_eq!(judge(&classify, &"down".into()), Outcome::Permanent);
        let mut verdict = Classify::<(), u32, BoxError>::start(&classify, &());
        assert_eq!(verdict.response(&0), Some(Outcome::OVERLOAD));
        assert_eq!(verdict.response(&1), Some(Outcome::Success));
    }
}
