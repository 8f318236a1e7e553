//! The crate `seatbelt`, whose services are those of `layered`: shared, and called through `&self`.

use crate::{
    inner::{Failure, Inner, Later},
    ours::LIMIT,
    subject::{Bare, By, Instance, Subject, unseen},
};
use layered::{Execute, Service, Stack};
use resilience_core::BoxError;
use seatbelt::{
    RecoveryInfo, ResilienceContext, breaker::Breaker, fallback::Fallback, retry::Retry,
    timeout::Timeout,
};
use std::sync::Arc;
use tick::Clock;
use tokio::runtime::Builder;

type Out = Result<u64, Failure>;

/// Its clock has a task of its own, on the runtime where it is made.
fn instance<S>(make: impl Fn(&ResilienceContext<u64, Out>) -> S) -> Instance
where
    S: Service<u64, Out = Out> + 'static,
{
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("nothing special");
    let clock = {
        let _entered = runtime.enter();
        Clock::new_tokio()
    };
    let context = ResilienceContext::new(&clock);
    Instance::direct(
        || (Arc::new(make(&context)), unseen),
        |service, number, tally| tally.wait(service.execute(number)),
    )
    .hold(runtime)
}

fn subject(pattern: &'static str, make: impl Fn() -> Instance + 'static) -> Subject {
    Subject::new(pattern, By::Peer("seatbelt"), "", make)
}

fn recovery(out: &Out) -> RecoveryInfo {
    match out {
        Ok(_) => RecoveryInfo::never(),
        Err(_) => RecoveryInfo::retry(),
    }
}

async fn answer(number: u64) -> Out {
    Inner::answer(number).await
}

pub fn subjects() -> Vec<Subject> {
    vec![
        subject("breaker, closed", || {
            instance(|context| {
                let breaker = Breaker::layer("bench", context)
                    .recovery_with(|out: &Out, _| recovery(out))
                    .rejected_input_error(|_, _| Failure::Inner);
                (breaker, Execute::new(answer)).into_service()
            })
        }),
        subject("retry with budget, first try", || {
            instance(|context| {
                let retry = Retry::layer("bench", context)
                    .clone_input()
                    .recovery_with(|out: &Out, _| recovery(out));
                (retry, Execute::new(answer)).into_service()
            })
        })
        .named("without budget"),
        subject("attempt timeout, ready at once", || {
            instance(|context| {
                let timeout = Timeout::layer("bench", context)
                    .timeout(LIMIT)
                    .timeout_error(|_| Failure::Inner);
                (timeout, Execute::new(answer)).into_service()
            })
        }),
        subject("attempt timeout, one pending poll", || {
            instance(|context| {
                let timeout = Timeout::layer("bench", context)
                    .timeout(LIMIT)
                    .timeout_error(|_| Failure::Inner);
                let later = |number| async move {
                    let result: Result<u64, BoxError> = Later::answer(number).await;
                    result.map_err(|_| Failure::Inner)
                };
                (timeout, Execute::new(later)).into_service()
            })
        })
        .over(Bare::Later),
        subject("fallback, not needed", || {
            instance(|context| {
                let fallback = Fallback::layer("bench", context)
                    .should_fallback(|out: &Out| out.is_err())
                    .fallback_output(Ok(0));
                (fallback, Execute::new(answer)).into_service()
            })
        }),
    ]
}
