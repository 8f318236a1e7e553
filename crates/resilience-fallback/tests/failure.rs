//! The pure half: what a failure and the memory of it hold.

#![cfg(not(resilience_loom))]

use resilience_core::{BoxError, Outcome, Reason, Rejected};
use resilience_fallback::{Failure, FirstFailure, Primary};
use std::{io, sync::Arc};

type Boxed = Failure<u64, BoxError>;

fn failed() -> Boxed {
    Failure::new(Err(io::Error::other("first").into()), Outcome::TRANSIENT)
}

#[test]
fn a_dropped_error_comes_home() {
    let mut failure = failed();
    let primary = Primary::of(&mut failure);
    drop(failure);
    assert!(primary.into_error().is::<io::Error>());
}

#[test]
fn an_error_that_is_still_out_is_described() {
    let mut failure = failed();
    let primary = Primary::of(&mut failure);
    let error = primary.into_error();
    assert_eq!(
        error.downcast_ref::<FirstFailure>().unwrap().outcome(),
        Outcome::TRANSIENT
    );
    // Too late; and nothing is left behind.
    drop(failure);
}

#[test]
fn the_description_of_a_response_is_its_refusal() {
    let why = Rejected::new(Reason::Rate, "inner");
    let mut failure: Boxed =
        Failure::new(Ok(429), why.outcome()).described(BoxError::from(why.clone()));
    assert_eq!(failure.rejected(), Some(&why));
    let primary = Primary::of(&mut failure);
    // The new owner sees it still.
    assert_eq!(failure.rejected(), Some(&why));
    drop(failure);
    assert_eq!(Rejected::find(&*primary.into_error()), Some(&why));
}

#[test]
fn the_description_survives_the_response_being_taken() {
    let mut failure: Boxed = Failure::new(Ok(500), Outcome::Permanent)
        .described(BoxError::from("500 Internal Server Error"));
    let primary = Primary::of(&mut failure);
    assert_eq!(failure.into_result().unwrap(), 500);
    assert_eq!(
        primary.into_error().to_string(),
        "500 Internal Server Error"
    );
}

#[test]
fn nothing_is_kept_alive() {
    let held = Arc::new(());
    let mut failure: Failure<Arc<()>, BoxError> =
        Failure::new(Ok(held.clone()), Outcome::Permanent);
    let primary = Primary::of(&mut failure);
    drop(failure);
    assert_eq!(Arc::strong_count(&held), 1, "the response is gone");
    drop(primary);
}

#[test]
fn shown_for_debugging() {
    assert_eq!(
        format!("{:?}", Failure::<u8, ()>::new(Ok(5), Outcome::Permanent)),
        "Failure { response: 5, outcome: Permanent, .. }"
    );
    let error: Failure<u8, &str> = Failure::new(Err("no"), Outcome::Unsent);
    assert_eq!(
        format!("{error:?}"),
        r#"Failure { error: "no", outcome: Unsent, .. }"#
    );
}
