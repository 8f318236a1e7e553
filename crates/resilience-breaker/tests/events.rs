//! What the breaker tells `tracing`. Alone in its process: whether an event is enabled is remembered for the
//! whole of it, and must not be found out by a test without a subscriber.
#![cfg(all(feature = "tower", feature = "tracing", not(resilience_loom)))]

use resilience_breaker::Breaker;
use resilience_core::{Now, Outcome, Permit, Policy};
use std::{
    fmt::Write,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::advance;

/// Keeps events as text.
#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl tracing::Subscriber for Events {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn transitions_are_events() {
    let events = Events::default();
    let breaker = Breaker::builder("shop")
        .consecutive_failures(1)
        .minimum_spread(Duration::ZERO)
        .open_for(Duration::from_millis(250))
        .successes_to_close(1)
        .build()
        .unwrap();
    let call = |outcome| {
        let permit = Policy::<()>::admit(&breaker, &(), &mut Now::lazy()).expect("admitted");
        permit.finish(outcome, &mut Now::lazy());
    };
    let _installed = tracing::subscriber::set_default(events.clone());
    call(Outcome::TRANSIENT);
    advance(Duration::from_millis(250)).await;
    call(Outcome::Success);
    let expected = [
        "WARN message=breaker opened policy=\"shop\" from=\"closed\" to=\"open\" \
         cause=\"consecutive_failures\" open_seconds=0.25 epoch=1",
        "INFO message=breaker changed its state policy=\"shop\" from=\"open\" to=\"half_open\" \
         cause=\"open_time_over\" epoch=2",
        "INFO message=breaker changed its state policy=\"shop\" from=\"half_open\" to=\"closed\" \
         cause=\"probes_succeeded\" epoch=3",
    ];
    assert_eq!(*events.0.lock().unwrap(), expected);
}
