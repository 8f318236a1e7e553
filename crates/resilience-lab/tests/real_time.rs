//! A simulation in real time is the one in virtual time, with a clock that nobody moves.

use resilience_core::clock;
use resilience_lab::sim::{
    Arrivals, ClientConfig, ClientFigures, Distribution, Fault, Lateness, ServerConfig,
    ServerFigures, Simulation, Trouble,
};
use std::time::Duration;

const MILLI: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(150);

/// A server that is too slow for its clients, and fails for a while.
fn play(simulation: Simulation) -> (ClientFigures, ServerFigures) {
    let down = Trouble::Fail {
        status: 503,
        share: 0.5,
    };
    let server = ServerConfig::new("server", 2, Distribution::exponential(5 * MILLI))
        .fault(Fault::new(50 * MILLI, 90 * MILLI, down));
    let client = ClientConfig::new("client", Arrivals::poisson(500.0)).patience(20 * MILLI);
    simulation.run(async |sim| {
        let server = server.start(&sim).unwrap();
        let client = client.start(&sim, server.connect()).unwrap();
        sim.sleep(LONG).await;
        (client.figures(), server.figures())
    })
}

#[test]
fn what_the_simulated_world_does_is_the_same_however_late_it_is() {
    let lateness = Lateness::new();
    let real = play(Simulation::new(7).real_time(&lateness));
    assert_eq!(real, play(Simulation::new(7)));
    assert!(real.0.late > 0 && real.0.failed > 0, "{real:?}");
    assert!(lateness.events() > real.0.offered);
}

#[test]
fn it_takes_its_time() {
    let begun = clock::now();
    play(Simulation::new(1).real_time(&Lateness::new()));
    assert!(clock::now() - begun >= LONG);
}

#[test]
fn timers_wait_for_the_clock_of_the_system_whether_or_not_anything_else_happens() {
    let lateness = Lateness::new();
    Simulation::new(1).real_time(&lateness).run(async |_| {
        let begun = clock::now();
        tokio::time::sleep(30 * MILLI).await;
        assert!(clock::now() - begun >= 30 * MILLI);
    });
    assert_eq!(lateness.events(), 0, "ticks are no events");
}

#[test]
fn events_are_late_by_the_clock_that_layers_read() {
    let lateness = Lateness::new();
    Simulation::new(1).real_time(&lateness).run(async |sim| {
        sim.sleep(MILLI).await;
        // As somebody would who computes for long.
        std::thread::sleep(20 * MILLI);
        sim.sleep(MILLI).await;
        assert_eq!(sim.now(), 2 * MILLI);
    });
    assert!(lateness.figures().max >= 0.019, "{lateness:?}");
}
