//! The simulator agrees with what is known, repeats itself, and keeps exact time.

use resilience_lab::sim::{
    Arrivals, ClientConfig, ClientFigures, Distribution, Series, ServerConfig, ServerFigures,
    Simulation, theory,
};
use std::time::Duration;

const SEED: u64 = 7;
const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn holds(check: &theory::Check) {
    assert!(check.holds(), "{check:#?}");
}

#[test]
fn mean_waits_are_erlangs() {
    for workers in [1, 10] {
        for load in [0.5, 0.7, 0.9] {
            holds(&theory::mean_wait(SEED, workers, load));
        }
    }
}

#[test]
fn erlangs_formula_is_that_of_the_tables() {
    // M/M/1: the load itself, and ρ/(1-ρ).
    assert!((theory::erlang_c(1, 0.7) - 0.7).abs() < 1e-12);
    assert!((theory::mmk_mean_wait(1, 0.9) - 9.0).abs() < 1e-9);
    // Two servers, by hand: 2ρ²/(1+ρ).
    assert!((theory::erlang_c(2, 1.0) - 1.0 / 3.0).abs() < 1e-12);
}

#[test]
fn littles_law_holds() {
    holds(&theory::littles_law(SEED));
}

#[test]
fn naive_retries_multiply_and_tiers_multiply_them() {
    for (retries, tiers) in [(0, 1), (1, 1), (3, 1), (1, 2), (3, 2), (3, 3)] {
        holds(&theory::amplification(SEED, retries, tiers));
    }
}

#[test]
fn service_ends_at_the_nanosecond() {
    holds(&theory::exact_time(SEED));
}

type Figures = (ClientFigures, ServerFigures, Vec<Series>);

/// `length` at 1,000 calls per second.
fn run(seed: u64, length: Duration) -> Figures {
    Simulation::new(seed).run(async |sim| {
        let server = ServerConfig::new("server", 10, Distribution::exponential(8 * MILLI));
        let server = server.start(&sim).unwrap();
        let client = ClientConfig::new("client", Arrivals::poisson(1_000.0)).patience(50 * MILLI);
        let client = client.start(&sim, server.connect()).unwrap();
        let (queue, goodput) = (server.clone(), client.clone());
        sim.track("queue", SECOND, move || {
            u32::try_from(queue.queue_length()).unwrap().into()
        });
        sim.track_rate("goodput", SECOND, move || goodput.answered());
        sim.sleep(length).await;
        (client.figures(), server.figures(), sim.series())
    })
}

#[test]
fn two_minutes_take_seconds() {
    let (client, server, _) = run(SEED, 120 * SECOND);
    assert!((119_000..121_000).contains(&client.offered), "{client:?}");
    assert_eq!(client.offered, server.arrived);
}

#[test]
fn same_seed_same_bytes() {
    let bytes = |seed| serde_json::to_string(&run(seed, 5 * SECOND)).unwrap();
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}
