//! The real layers in the simulator: that they repeat, what travels, what a refusal costs.

use resilience_lab::sim::{
    AllOf, Arrivals, ClientConfig, ClientFigures, Distribution, Fault, ServerConfig, ServerFigures,
    Simulation, Trouble, answer,
};
use resilience_stack::{
    breaker::State, client::ClientStack, core::Deadline, http::pass_on, prelude::*,
    server::ServerStack,
};
use std::time::Duration;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn presets_run_as_they_are_and_repeat_to_the_byte() {
    let run = |seed| -> (ClientFigures, ServerFigures, Vec<u8>) {
        Simulation::new(seed).run(async |sim| {
            let api = sim
                .seeded("api", || ServerStack::http("api").build())
                .unwrap();
            let shop = sim
                .seeded("shop", || ClientStack::http("shop").build())
                .unwrap();
            let fault = Fault::new(
                5 * SECOND,
                8 * SECOND,
                Trouble::Fail {
                    status: 503,
                    share: 0.9,
                },
            );
            let server = ServerConfig::new("server", 10, Distribution::exponential(10 * MILLI))
                .fault(fault)
                .start_with(&sim, answer(), |workers| api.layer(workers))
                .unwrap();
            let client =
                ClientConfig::new("client", Arrivals::poisson(500.0)).patience(100 * MILLI);
            let client = client.start(&sim, shop.layer(server.connect())).unwrap();
            let breaker = shop.breaker().unwrap().clone();
            sim.track("open", 10 * MILLI, move || {
                f64::from(u8::from(breaker.state() != State::Closed))
            });
            sim.sleep(12 * SECOND).await;
            let series = serde_json::to_vec(&sim.series()).unwrap();
            (client.figures(), server.figures(), series)
        })
    };
    let (client, server, series) = run(1);
    assert!(client.refused > 100, "the breaker opened: {client:?}");
    assert!(client.answered > 3_000, "and closed again: {client:?}");
    assert_eq!((client, server, series), run(1));
    assert_ne!(run(1).2, run(2).2);
}

#[test]
fn a_servers_refusal_is_no_refusal_of_the_client() {
    let (client, server) = Simulation::new(1).run(async |sim| {
        let api = ServerStack::http("api").bulkhead(Bulkhead::new("api", 1).unwrap());
        let api = api.build().unwrap();
        let server = ServerConfig::new("server", 1, Distribution::constant(10 * MILLI));
        let server = server
            .start_with(&sim, answer(), |workers| api.layer(workers))
            .unwrap();
        // The second call comes while the first is at work.
        let client = ClientConfig::new("client", Arrivals::constant(200.0));
        let client = client.between(Duration::ZERO, 11 * MILLI);
        let client = client.start(&sim, server.connect()).unwrap();
        sim.sleep(SECOND).await;
        (client.figures(), server.figures())
    });
    assert_eq!((client.answered, client.failed, client.refused), (1, 1, 0));
    assert_eq!((server.arrived, server.started, server.refused), (2, 1, 1));
}

#[test]
fn a_refusal_takes_a_worker_a_share_of_the_service_time() {
    // A call every 10 ms, and all are refused.
    for (cost, utilization, answered_at) in [(0.0, 0.0, 0), (0.5, 0.5, 5), (1.0, 1.0, 10)] {
        let (server, client) = Simulation::new(1).run(async |sim| {
            let closed = Breaker::new("api");
            closed.force_open();
            let server = ServerConfig::new("server", 1, Distribution::constant(10 * MILLI))
                .refusal_cost(cost)
                .start_with(&sim, answer(), |workers| closed.layer().layer(workers))
                .unwrap();
            let client = ClientConfig::new("client", Arrivals::constant(100.0));
            let client = client.start(&sim, server.connect()).unwrap();
            sim.sleep(10 * MILLI).await;
            server.forget();
            sim.sleep(SECOND).await;
            (server.figures(), client.figures())
        });
        assert_eq!((server.started, client.answered), (0, 0));
        assert!(
            (server.utilization - utilization).abs() < 1e-9,
            "{server:?}"
        );
        let millis = client.any_latency.max * 1e3;
        assert!((millis - f64::from(answered_at)).abs() < 0.02, "{client:?}");
    }
}

#[test]
fn deadlines_travel_in_headers_and_extensions_do_not() {
    let seen = |passed: bool| {
        Simulation::new(1).run(async |sim| {
            let (tell, told) = tokio::sync::oneshot::channel();
            let tell = std::sync::Arc::new(std::sync::Mutex::new(Some(tell)));
            let last = service_fn(move |req: resilience_lab::sim::Request| {
                let bare = req.extensions().get::<Deadline>().is_none();
                let header = req.headers().get("x-request-timeout-ms").cloned();
                let tell = tell.lock().unwrap().take().unwrap();
                tell.send((bare, header)).unwrap();
                async { Ok(resilience_lab::sim::Response::default()) }
            });
            let work = Distribution::constant(MILLI);
            let last = ServerConfig::new("last", 1, work.clone()).start_with(&sim, last, |w| w);
            let to_last = ClientStack::http("last").build().unwrap();
            let mut calls = AllOf::new().call(to_last.layer(last.unwrap().connect()));
            if passed {
                calls = calls.carry(|req, out| pass_on(req.extensions(), out.extensions_mut()));
            }
            let api = ServerStack::http("api").build().unwrap();
            let first = ServerConfig::new("first", 1, work);
            let first = first.start_with(&sim, calls, |w| api.layer(w)).unwrap();
            let mut req = resilience_lab::sim::Request::default();
            req.headers_mut()
                .insert("x-request-timeout-ms", "500".parse().unwrap());
            first.connect().oneshot(req).await.unwrap();
            told.await.unwrap()
        })
    };
    let (bare, header) = seen(true);
    assert!(bare);
    // The work of the first server is gone from it.
    assert_eq!(header.unwrap(), "499");
    assert_eq!(seen(false), (true, None));
}

#[test]
fn what_the_servers_layer_gives_up_leaves_the_queue() {
    // The client waits for ever, and the server's deadline is 15 ms: of four calls at once, the second begins and is not
    // done in time, the others leave the queue unstarted.
    let (client, server) = Simulation::new(1).run(async |sim| {
        let api = ServerStack::http("api")
            .deadline(15 * MILLI)
            .build()
            .unwrap();
        let server = ServerConfig::new("server", 1, Distribution::constant(10 * MILLI));
        let server = server
            .start_with(&sim, answer(), |workers| api.layer(workers))
            .unwrap();
        let client = ClientConfig::new("client", Arrivals::constant(1e6));
        let client = client.between(Duration::ZERO, Duration::from_nanos(4_500));
        let client = client.start(&sim, server.connect()).unwrap();
        sim.sleep(SECOND).await;
        (client.figures(), server.figures())
    });
    assert_eq!((client.offered, client.answered, client.failed), (4, 1, 3));
    assert_eq!((server.started, server.served, server.dead), (2, 2, 1));
}

#[test]
fn towers_own_layers_run_too() {
    let client = Simulation::new(1).run(async |sim| {
        let server = ServerConfig::new("server", 1, Distribution::constant(30 * MILLI));
        let server = server.start(&sim).unwrap();
        let stack = ServiceBuilder::new()
            .layer(resilience_lab::sim::NaiveRetry::layer(1))
            .timeout(20 * MILLI)
            .service(server.connect());
        let client = ClientConfig::new("client", Arrivals::constant(10.0));
        let client = client.between(Duration::ZERO, SECOND + MILLI);
        let client = client.start(&sim, stack).unwrap();
        sim.sleep(2 * SECOND).await;
        client.figures()
    });
    assert_eq!((client.offered, client.failed), (10, 10));
    assert!((client.any_latency.p50 - 0.040).abs() < 1e-4, "{client:?}");
}
