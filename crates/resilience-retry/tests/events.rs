//! What a retry tells `tracing`. Alone in its process: whether an event is enabled is remembered for all of it.
#![cfg(all(feature = "tower", feature = "tracing", not(resilience_loom)))]

mod support;

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};
use support::{BAD, GOOD, Script, build, builder};
use tower::{Layer, ServiceExt};

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
async fn every_retry_is_an_event() {
    let events = Events::default();
    let _installed = tracing::subscriber::set_default(events.clone());
    let service = build(builder()).layer(Script::new([BAD, GOOD, GOOD]));
    service.clone().oneshot(1).await.unwrap();
    service.oneshot(1).await.unwrap();
    assert_eq!(
        *events.0.lock().unwrap(),
        ["DEBUG message=retry policy=\"test\" attempt=2 outcome=\"transient\" wait_seconds=0.1"]
    );
}
