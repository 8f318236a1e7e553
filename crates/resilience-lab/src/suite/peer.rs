//! The layers of [tower-resilience](tower_resilience), as near to the presets as they go.

use super::{
    Incoming, Outgoing,
    base::{ATTEMPT, PATIENCE, RETRIES},
    stacks::CLIENT_LIMIT,
};
use crate::sim::{BoxService, Request, Response, is_good};
use resilience_core::{BoxError, Reason, Rejected};
use std::{sync::Arc, time::Duration};
use tower::{ServiceBuilder, util::BoxCloneServiceLayer};
use tower_resilience::{
    bulkhead::BulkheadLayer,
    circuitbreaker::{CircuitBreakerLayer, SlidingWindowType},
    core::{ResilienceError, UnifiedErrors},
    fallback::{FallbackError, FallbackLayer},
    ratelimiter::{RateLimiterLayer, WindowType},
    retry::{ExponentialRandomBackoff, RetryBudgetBuilder, RetryLayer},
    timelimiter::{FixedTimeout, TimeLimiterLayer},
};

type Failure = ResilienceError<BoxError>;

/// Why this cannot be had.
pub(super) const NOT_BUILT: Option<&str> = None;

/// Which version this is, at least: as the manifest of this crate says.
pub(super) fn version() -> Result<String, BoxError> {
    let manifest: toml::Table = toml::from_str(include_str!("../../Cargo.toml"))?;
    let dependency = &manifest["dependencies"]["tower-resilience"];
    let version = dependency["version"].as_str().ok_or("no version")?;
    Ok(version.to_owned())
}

/// The layers around the clients of one process, in the order that the documentation recommends.
pub(super) fn client(fallback: bool) -> Result<Outgoing, BoxError> {
    // Up to 100 ms, 200 ms, 400 ms: the presets' waits.
    let backoff = ExponentialRandomBackoff::new(Duration::from_millis(50), 1.0)?;
    let retry = RetryLayer::<Request, Response, Failure>::builder()
        .max_attempts(1 + RETRIES as usize)
        .backoff(backoff)
        .budget(RetryBudgetBuilder::new().token_bucket().build()?)
        .retry_on(|error: &Failure| !error.is_circuit_open() && !is_full(error))
        .retry_on_response(|response: &Response| !is_good(response.status()))
        .build();
    let is_failure = |result: &Result<Response, Failure>| match result {
        Ok(response) => !is_good(response.status()),
        Err(error) => !is_full(error),
    };
    let (breaker, handle) = CircuitBreakerLayer::builder()
        .sliding_window_type(SlidingWindowType::TimeBased)
        .sliding_window_duration(Duration::from_secs(5))
        .minimum_number_of_calls(50)
        .failure_rate_threshold(0.2)
        .wait_duration_in_open(Duration::from_millis(250))
        .permitted_calls_in_half_open(3)
        .failure_classifier(is_failure)
        .build_with_handle()?;
    let bulkhead = BulkheadLayer::builder().max_concurrent_calls(CLIENT_LIMIT);
    let layers = ServiceBuilder::new()
        .map_err(refusal)
        .layer(within(PATIENCE).unified::<BoxError>())
        .layer(retry)
        .layer(breaker.unified::<BoxError>())
        .layer(bulkhead.reject_when_full().build()?.unified::<BoxError>())
        .layer(within(ATTEMPT).unified::<BoxError>());
    let layer = if fallback {
        let fallback = FallbackLayer::<Request, Response, BoxError>::builder()
            .value(Response::default())
            .handle_response(|response: &Response| !is_good(response.status()))
            .build();
        BoxCloneServiceLayer::new(
            ServiceBuilder::new()
                .map_err(FallbackError::<BoxError>::into_inner)
                .layer(fallback)
                .layer(layers.into_inner()),
        )
    } else {
        BoxCloneServiceLayer::new(layers)
    };
    Ok(Outgoing {
        layer,
        breaker: None,
        bulkhead: None,
        open: Some(Arc::new(move || handle.is_open())),
    })
}

/// The layers of a server that lets in so many calls, and gives each so much time.
pub(super) fn server(limit: usize, timeout: Duration) -> Result<Incoming, BoxError> {
    let bulkhead = BulkheadLayer::builder().max_concurrent_calls(limit);
    Ok(BoxCloneServiceLayer::new(
        ServiceBuilder::new()
            .map_err(refusal)
            .layer(bulkhead.reject_when_full().build()?.unified::<BoxError>())
            .layer(within(timeout).unified::<BoxError>()),
    ))
}

/// A limit of so many calls in any `window`, which refuses at once.
pub(super) fn rate_limit(
    limit: u32,
    window: Duration,
) -> Result<BoxCloneServiceLayer<BoxService, Request, Response, BoxError>, BoxError> {
    let layer = RateLimiterLayer::builder()
        .limit_for_period(limit as usize)
        .refresh_period(window)
        .window_type(WindowType::SlidingLog)
        .timeout_duration(Duration::ZERO)
        .build()?;
    Ok(BoxCloneServiceLayer::new(
        ServiceBuilder::new()
            .map_err(refusal)
            .layer(layer.unified::<BoxError>()),
    ))
}

/// What is dropped when its time is over.
fn within(time: Duration) -> TimeLimiterLayer<FixedTimeout> {
    TimeLimiterLayer::builder().timeout_duration(time).build()
}

/// A bulkhead's refusal, which is a timeout where it refuses at once, since it waits for no time then.
fn is_full(error: &Failure) -> bool {
    matches!(error, ResilienceError::Timeout { layer: "bulkhead" }) || error.is_bulkhead_full()
}

/// Refusals as those of the presets, so that they are counted as such.
fn refusal(error: Failure) -> BoxError {
    let reason = match error {
        ResilienceError::Application(error) => return error,
        ResilienceError::CircuitOpen { .. } => Reason::Open,
        error if is_full(&error) => Reason::Concurrency,
        ResilienceError::RateLimited { .. } => Reason::Rate,
        error => return Box::new(error),
    };
    Box::new(Rejected::new(reason, "peer"))
}

/// In virtual time, which is good enough where nothing but its timers matters.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{
        Arrivals, ClientConfig, ClientFigures, Distribution, Fault, Server, ServerConfig,
        ServerFigures, Simulation, Trouble, answer,
    };
    use tower::Layer;

    const SECOND: Duration = Duration::from_secs(1);

    /// So many calls in the first millisecond, through the layers of a client, to a server with this trouble.
    fn call(count: u32, fallback: bool, trouble: Trouble) -> (ClientFigures, Server, bool) {
        let server = ServerConfig::new("server", 1_000, Distribution::constant(SECOND / 1_000));
        let server = server.fault(Fault::new(Duration::ZERO, 60 * SECOND, trouble));
        Simulation::new(1).run(async |sim| {
            let server = server.start(&sim).unwrap();
            let layers = client(fallback).unwrap();
            let service = layers.layer.layer(server.connect());
            let client = at_once(count).start(&sim, service).unwrap();
            sim.sleep(2 * SECOND).await;
            (client.figures(), server, layers.is_open().unwrap())
        })
    }

    fn at_once(count: u32) -> ClientConfig {
        let client = ClientConfig::new("client", Arrivals::constant(1e6));
        let micro = SECOND / 1_000_000;
        client.between(Duration::ZERO, count * micro + micro / 2)
    }

    fn fail() -> Trouble {
        Trouble::Fail {
            status: 503,
            share: 1.0,
        }
    }

    #[test]
    fn its_version_is_known() {
        assert!(version().unwrap().contains('.'));
    }

    #[test]
    fn a_call_that_fails_is_tried_three_more_times() {
        let (client, server, _) = call(1, false, fail());
        assert_eq!((client.failed, server.arrived()), (1, 4), "{client:?}");
    }

    #[test]
    fn an_attempt_is_given_up_and_tried_again_within_the_deadline() {
        let (client, server, _) = call(1, false, Trouble::Hang { share: 1.0 });
        assert_eq!(client.failed, 1, "{client:?}");
        assert!((3..=4).contains(&server.arrived()), "{server:?}");
        assert!(client.any_latency.max < 1.01, "{client:?}");
    }

    #[test]
    fn the_breaker_opens_at_fifty_failures_and_its_refusals_are_not_tried_again() {
        let (client, server, is_open) = call(60, false, fail());
        assert!(is_open);
        assert_eq!(server.arrived(), 50);
        assert_eq!(client.refused, 60, "those that failed, too: {client:?}");
    }

    #[test]
    fn the_bulkhead_is_no_failure_to_the_breaker() {
        let slow = Trouble::SlowTo {
            service_time: SECOND / 20,
        };
        let (client, _, is_open) = call(180, false, slow);
        assert!(!is_open && client.answered >= 100, "{client:?}");
    }

    #[test]
    fn the_fallback_answers_for_responses_and_errors() {
        for trouble in [fail(), Trouble::Hang { share: 1.0 }] {
            let (client, ..) = call(3, true, trouble);
            assert_eq!(client.answered, 3, "{client:?}");
        }
    }

    /// Three calls at once, at a server with these layers, whose work takes half a second.
    fn served(layers: &Incoming) -> (ClientFigures, ServerFigures) {
        let server = ServerConfig::new("server", 10, Distribution::constant(SECOND / 2));
        Simulation::new(1).run(async |sim| {
            let server = server.start_with(&sim, answer(), |workers| layers.layer(workers));
            let server = server.unwrap();
            let client = at_once(3).start(&sim, server.connect()).unwrap();
            sim.sleep(SECOND).await;
            (client.figures(), server.figures())
        })
    }

    #[test]
    fn the_server_refuses_above_its_limit() {
        let (client, server) = served(&super::server(2, SECOND).unwrap());
        assert_eq!((client.answered, server.refused), (2, 1), "{client:?}");
    }

    #[test]
    fn the_server_gives_up_what_takes_too_long() {
        let (client, _) = served(&super::server(3, SECOND / 10).unwrap());
        assert_eq!(client.failed, 3, "{client:?}");
        assert!(client.any_latency.max < 0.11, "{client:?}");
    }

    #[test]
    fn the_rate_limit_refuses_at_once() {
        let server = ServerConfig::new("server", 10, Distribution::constant(Duration::ZERO));
        let (client, server) = Simulation::new(1).run(async |sim| {
            let limit = rate_limit(2, 60 * SECOND).unwrap();
            let server = server.start_with(&sim, answer(), |workers| {
                limit.layer(tower::util::BoxCloneService::new(workers))
            });
            let server = server.unwrap();
            let client = at_once(3).start(&sim, server.connect()).unwrap();
            sim.sleep(SECOND).await;
            (client.figures(), server.figures())
        });
        assert_eq!((client.answered, server.refused), (2, 1), "{client:?}");
        assert!(client.any_latency.max < 0.002, "{client:?}");
    }
}
