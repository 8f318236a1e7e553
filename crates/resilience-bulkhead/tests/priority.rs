//! The last slots are kept for the more important calls.
#![cfg(not(resilience_loom))]

use resilience_bulkhead::{Bulkhead, BulkheadPermit, PriorityBulkhead};
use resilience_core::{Now, Permit, Policy, Priority, Reason, Rejected};
use std::time::Duration;
use tower::{BoxError, Layer, ServiceExt, service_fn};

const ALL: [Priority; 3] = [Priority::Sheddable, Priority::Normal, Priority::Critical];

type Direct = PriorityBulkhead<fn(&Priority) -> Priority>;

fn bulkhead(limit: usize) -> Direct {
    let itself: fn(&Priority) -> Priority = |priority| *priority;
    Bulkhead::new("test", limit).unwrap().by_priority(itself)
}

fn admit(bulkhead: &Direct, priority: Priority) -> Result<BulkheadPermit, Reason> {
    bulkhead
        .admit(&priority, &mut Now::lazy())
        .map_err(|why| why.reason())
}

#[test]
fn the_least_important_are_refused_first() {
    let bulkhead = bulkhead(10);
    let mut inside = Vec::new();
    for (priority, most) in [
        (Priority::Sheddable, 5),
        (Priority::Normal, 9),
        (Priority::Critical, 10),
    ] {
        while inside.len() < most {
            inside.push(admit(&bulkhead, priority).unwrap());
        }
        for other in ALL.into_iter().filter(|other| *other <= priority) {
            let why = admit(&bulkhead, other).map(drop).unwrap_err();
            let full = most == 10;
            let expected = if full {
                Reason::Concurrency
            } else {
                Reason::Shed
            };
            assert_eq!(why, expected, "{other:?}, with {most} of 10 taken");
        }
    }
    assert_eq!(bulkhead.bulkhead().in_flight(), 10);
    inside.truncate(4);
    assert!(
        admit(&bulkhead, Priority::Sheddable).is_ok(),
        "there is room again"
    );
}

#[test]
fn slots_taken_without_a_priority_count_too() {
    let bulkhead = bulkhead(2).sheddable_share(0.5).unwrap();
    let plain = bulkhead.bulkhead().clone();
    let permit = Policy::<()>::admit(&plain, &(), &mut Now::lazy()).unwrap();
    assert_eq!(
        admit(&bulkhead, Priority::Sheddable).unwrap_err(),
        Reason::Shed
    );
    permit.revert(&mut Now::lazy());
    assert!(admit(&bulkhead, Priority::Sheddable).is_ok());
}

#[test]
fn shares_are_rounded_up_to_whole_slots_and_never_turned_around() {
    let limits = |bulkhead: &Direct| ALL.map(|priority| bulkhead.limit(priority));
    assert_eq!(limits(&bulkhead(1)), [1, 1, 1]);
    assert_eq!(limits(&bulkhead(3)), [2, 3, 3]);
    assert_eq!(limits(&bulkhead(100)), [50, 90, 100]);
    assert_eq!(
        limits(&bulkhead(Bulkhead::MAX_LIMIT))[2],
        Bulkhead::MAX_LIMIT
    );

    for percent in 0..=100_u8 {
        let share = f64::from(percent) / 100.0;
        for (limit, expected) in [(100, percent.into()), (1_000, usize::from(percent) * 10)] {
            let shared = bulkhead(limit).normal_share(share).unwrap();
            assert_eq!(limits(&shared)[1], expected, "{percent} % of {limit}");
        }
    }
    let trace = bulkhead(10).normal_share(f64::MIN_POSITIVE).unwrap();
    assert_eq!(limits(&trace)[1], 1);

    let turned = bulkhead(10)
        .normal_share(0.2)
        .unwrap()
        .sheddable_share(1.0)
        .unwrap();
    assert_eq!(
        limits(&turned),
        [2, 2, 10],
        "sheddable calls get no more than normal ones"
    );
    let none = bulkhead(10).sheddable_share(0.0).unwrap();
    assert_eq!(limits(&none), [0, 9, 10]);
    assert_eq!(admit(&none, Priority::Sheddable).unwrap_err(), Reason::Shed);
}

#[test]
fn a_share_that_is_none_is_an_error() {
    for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = bulkhead(10).normal_share(share).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("policy \"test\": `normal_share` is "),
            "{error}"
        );
        let error = bulkhead(10).sheddable_share(share).unwrap_err();
        assert!(
            error.to_string().ends_with("it must be from 0 to 1"),
            "{error}"
        );
    }
}

#[test]
fn a_closed_bulkhead_says_that_it_is_closed() {
    let bulkhead = bulkhead(1);
    bulkhead.bulkhead().close();
    for priority in ALL {
        assert_eq!(
            admit(&bulkhead, priority).unwrap_err(),
            Reason::ShuttingDown
        );
    }
}

#[test]
fn who_stands_in_line_is_not_overtaken_by_the_important() {
    let bulkhead = bulkhead(1);
    let queue = bulkhead
        .bulkhead()
        .wait_up_to(Duration::from_secs(1))
        .unwrap();
    let inside = admit(&bulkhead, Priority::Normal).unwrap();
    let waiting = resilience_core::Queue::join(&queue, &(), None, &mut Now::lazy()).unwrap();
    drop(inside);
    assert_eq!(
        admit(&bulkhead, Priority::Critical).unwrap_err(),
        Reason::Concurrency
    );
    drop(waiting);
    assert!(admit(&bulkhead, Priority::Critical).is_ok());
}

#[tokio::test]
async fn as_a_layer_it_refuses_what_can_be_shed() {
    let bulkhead = bulkhead(2);
    let echo = bulkhead.layer().layer(service_fn(
        |req: Priority| async move { Ok::<_, BoxError>(req) },
    ));
    let inside = admit(&bulkhead, Priority::Normal).unwrap();
    let why = echo.clone().oneshot(Priority::Sheddable).await.unwrap_err();
    assert_eq!(
        Rejected::find(&*why).map(Rejected::reason),
        Some(Reason::Shed)
    );
    assert_eq!(
        echo.oneshot(Priority::Normal).await.unwrap(),
        Priority::Normal
    );
    drop(inside);
    assert_eq!(bulkhead.bulkhead().in_flight(), 0);
}
