//! Whether the drivers do what the rows say: that a closed breaker lets its calls reach the inner service, that a full
//! bulkhead refuses, that a pending call is polled twice, that states are as so many calls leave them.

use crate::{
    drive::runtime,
    list::future_limit,
    memory,
    ours::Kind,
    subject::{Bare, By, End, Subject},
};

/// What is wrong with a subject, if anything.
pub fn check(subject: &Subject) -> Result<(), String> {
    let runtime = runtime();
    let _entered = runtime.enter();
    let mut instance = (subject.make)();
    let mut runner = instance.runner();
    let calls = if subject.quick { 1_000 } else { 3 };
    let tally = runner(calls);
    let ends = match subject.end {
        End::Answered => (calls, 0),
        End::Refused => (0, calls),
    };
    if (tally.answered, tally.refused) != ends {
        return Err(format!("of {calls} calls: {tally:?}"));
    }
    let polls = match (subject.end, subject.bare) {
        (End::Answered, Bare::Later | Bare::Whole(Kind::HttpLater)) => 2 * calls..=2 * calls,
        (End::Answered, _) => calls..=calls,
        // A service that is not ready is not called.
        (End::Refused, _) => 0..=calls,
    };
    if !polls.contains(&tally.polls) {
        return Err(format!("{} polls for {calls} calls", tally.polls));
    }
    // Another clone shares the state.
    instance.runner()(calls);
    instance.verify(2 * calls);
    if subject.by == By::Ours {
        let memory = memory::of(subject);
        if (memory.calls - subject.allocations).abs() > 0.0 || memory.clone != 0 {
            return Err(format!("allocates: {memory:?}"));
        }
        if let Some(limit) = future_limit(subject)
            && memory.future > limit
        {
            let excess = memory.future - limit;
            return Err(format!(
                "its future has {} bytes, {excess} more than {limit}",
                memory.future
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::{AIMS, aim_of, subjects};

    #[test]
    fn every_subject_does_what_its_row_says() {
        for subject in subjects() {
            assert_eq!(check(&subject), Ok(()), "{}", subject.id());
        }
    }

    fn ours(id: &str) -> Subject {
        let mut all = subjects().into_iter();
        all.find(|subject| subject.id() == id)
            .expect("there is one")
    }

    #[test]
    fn a_subject_that_does_something_else_is_found_out() {
        let refused = ours("breaker-refused/resilience/own-error");
        let claims = Subject {
            end: End::Answered,
            ..refused
        };
        assert!(check(&claims).unwrap_err().contains("refused: 1000"));
        let admitted = ours("bulkhead/resilience");
        let claims = Subject {
            end: End::Refused,
            ..admitted
        };
        assert!(check(&claims).unwrap_err().contains("answered: 1000"));
        let once = ours("attempt-timeout-ready-at-once/resilience");
        let claims = once.over(Bare::Later);
        assert_eq!(check(&claims), Err("1000 polls for 1000 calls".to_owned()));
    }

    #[test]
    fn every_aim_belongs_to_one_subject_and_ids_are_unique() {
        let all = subjects();
        assert_eq!(all.iter().filter_map(aim_of).count(), AIMS.len());
        let mut ids: Vec<_> = all.iter().map(Subject::id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
    }
}
