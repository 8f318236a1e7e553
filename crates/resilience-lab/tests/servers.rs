//! Servers, queues, faults and time, where theory has no chance to be wrong.

use resilience_core::clock;
use resilience_lab::sim::{
    AllOf, Arrivals, Client, ClientConfig, Discipline, Distribution, Fault, HangUp, Pattern,
    Request, Server, ServerConfig, Sim, Simulation, Trouble, WhileWaiting,
};
use std::{io, time::Duration};
use tower::ServiceExt;

const MICRO: Duration = Duration::from_micros(1);
const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// Ten milliseconds of work each.
fn server(workers: u64) -> ServerConfig {
    ServerConfig::new("server", workers, Distribution::constant(10 * MILLI))
}

/// So many calls, a microsecond apart.
fn calls(count: u32) -> ClientConfig {
    let client = ClientConfig::new("client", Arrivals::constant(1e6));
    client.between(Duration::ZERO, MICRO * count + MICRO / 2)
}

/// What becomes of a client at a server in a second.
fn run(server: &ServerConfig, client: &ClientConfig) -> (Server, Client) {
    Simulation::new(1).run(async |sim| {
        let server = server.start(&sim).unwrap();
        let client = client.start(&sim, server.connect()).unwrap();
        sim.sleep(SECOND).await;
        (server, client)
    })
}

#[test]
fn dead_work_costs_where_the_server_does_not_notice() {
    // Of four calls, the second is given up at work and the others in the queue.
    let client = calls(4).patience(15 * MILLI);
    for (hang_up, started) in [(HangUp::Ignored, 4), (HangUp::Noticed, 2)] {
        let (server, client) = run(&server(1).hang_up(hang_up), &client);
        assert_eq!(server.in_system(), 0, "{hang_up:?}");
        let (server, client) = (server.figures(), client.figures());
        assert_eq!((client.answered, client.late), (1, 3), "{hang_up:?}");
        assert_eq!(
            (server.started, server.served),
            (started, started),
            "{hang_up:?}"
        );
        assert_eq!(server.dead, started - 1, "{hang_up:?}");
    }
}

#[test]
fn a_full_queue_refuses() {
    let (server, client) = run(&server(1).queue(2), &calls(10));
    let (server, client) = (server.figures(), client.figures());
    assert_eq!((client.answered, client.failed), (3, 7));
    assert_eq!(
        (server.overflowed, server.refused, server.served),
        (7, 7, 3)
    );
}

#[test]
fn first_or_last_come_is_served_first() {
    for (discipline, order) in [(Discipline::Fifo, [0, 1, 2]), (Discipline::Lifo, [0, 2, 1])] {
        let done = Simulation::new(1).run(async |sim| {
            let mut config = server(1);
            config.discipline = discipline;
            let server = config.start(&sim).unwrap();
            let calls = [0, 1, 2].map(|nth| {
                let (sim, connection) = (sim.clone(), server.connect());
                sim.clone().spawn(async move {
                    sim.sleep(MICRO * nth).await;
                    connection.oneshot(Request::default()).await.unwrap();
                    (sim.now(), nth)
                })
            });
            let mut done = Vec::new();
            for call in calls {
                done.push(call.await.unwrap());
            }
            done.sort_unstable();
            done
        });
        assert_eq!(done.iter().map(|(_, nth)| *nth).collect::<Vec<_>>(), order);
        assert_eq!(done.last().unwrap().0, 30 * MILLI);
    }
}

#[test]
fn patience_ends_to_the_nanosecond_and_an_answer_at_that_time_is_in_time() {
    for (patience, answered) in [(10 * MILLI, 1), (Duration::from_nanos(9_999_999), 0)] {
        let (_, client) = run(&server(1), &calls(1).patience(patience));
        assert_eq!(client.figures().answered, answered);
    }
}

#[test]
fn timers_of_layers_are_on_tokios_grid_and_the_lab_is_not() {
    let ended = Simulation::new(1).run(async |sim| {
        sim.sleep(300 * MICRO).await;
        let timer = tokio::time::sleep(MILLI);
        timer.await;
        let timer = sim.now();
        sim.sleep(300 * MICRO).await;
        (timer, sim.now())
    });
    assert_eq!(ended, (2 * MILLI, 2 * MILLI + 300 * MICRO));
}

#[test]
fn the_layers_clock_begins_at_the_same_timestamp_and_goes_as_the_labs() {
    let stamps = || {
        Simulation::new(1).run(async |sim| {
            let first = clock::now();
            sim.sleep(DAY + 7 * MICRO).await;
            (first, clock::now() - first)
        })
    };
    let (first, passed) = stamps();
    assert_eq!(passed, DAY + 7 * MICRO);
    assert_eq!((first, passed), stamps());
}

#[test]
fn idle_time_is_skipped_to_the_next_timer_or_event() {
    let seen = Simulation::new(1).run(async |sim| {
        let timers = sim.clone();
        let timer = sim.spawn(async move {
            tokio::time::sleep(3 * DAY + 300 * MICRO).await;
            timers.now()
        });
        sim.sleep(2 * DAY + 700 * MICRO).await;
        let first = sim.now();
        // Nothing but the timer is left.
        let timer = timer.await.unwrap();
        sim.sleep(DAY).await;
        [first, timer, sim.now()]
    });
    assert_eq!(
        seen,
        [2 * DAY + 700 * MICRO, 3 * DAY + MILLI, 4 * DAY + MILLI]
    );
}

#[test]
#[should_panic(expected = "goes on waiting")]
fn a_scenario_that_waits_for_nothing_is_told_so() {
    Simulation::new(1).run(async |_| std::future::pending::<()>().await);
}

/// How many of a call each millisecond are answered well, at every millisecond from `from` on until the second is over.
fn answered_in(fault: Fault) -> u64 {
    let server = ServerConfig::new("server", 100, Distribution::constant(Duration::ZERO));
    let client = ClientConfig::new("client", Arrivals::constant(1e3)).patience(MILLI);
    run(&server.fault(fault), &client).1.answered()
}

#[test]
fn faults_begin_and_end_on_time() {
    let fault = |what| Fault::new(200 * MILLI, 300 * MILLI, what);
    // 1,000 calls, of which those at 200 to 299 ms are hit; the last is at 1 s and may not be over.
    for what in [
        Trouble::Fail {
            status: 500,
            share: 1.0,
        },
        Trouble::Refuse { share: 1.0 },
        Trouble::Hang { share: 1.0 },
    ] {
        let answered = answered_in(fault(what));
        assert!((899..=900).contains(&answered), "{answered}");
    }
}

#[test]
fn flapping_is_down_first() {
    let down = Trouble::Fail {
        status: 500,
        share: 1.0,
    };
    let flap = Pattern::Flap {
        down: 30 * MILLI,
        up: 70 * MILLI,
    };
    let fault = Fault::new(Duration::ZERO, SECOND, down).pattern(flap);
    // 29 ms at first, since the first call comes at 1 ms; 30 ms nine times.
    let answered = answered_in(fault);
    assert!((700..=701).contains(&answered), "{answered}");
}

#[test]
fn shares_and_bursts_hit_as_many_as_they_should() {
    let fail = |share| Trouble::Fail { status: 500, share };
    let failed = |fault: Fault| {
        Simulation::new(3).run(async |sim| {
            let server = ServerConfig::new("server", 1, Distribution::constant(Duration::ZERO));
            let server = server.fault(fault).start(&sim).unwrap();
            let client = ClientConfig::new("client", Arrivals::constant(1e3));
            let client = client.start(&sim, server.connect()).unwrap();
            sim.sleep(100 * SECOND).await;
            let figures = client.figures();
            f64::from(u32::try_from(figures.failed).unwrap()) / 1e5
        })
    };
    let always = |what| Fault::new(Duration::ZERO, 200 * SECOND, what);
    // Bernoulli: four standard errors of √(p(1-p)/n).
    let share = failed(always(fail(0.3)));
    assert!(
        (share - 0.3).abs() < 4.0 * (0.3 * 0.7 / 1e5_f64).sqrt(),
        "{share}"
    );
    // An alternating renewal process is bad for p = b/(g+b) of the time, with a variance of 2p(1-p)·gb/(g+b)/T.
    let (mean_good, mean_bad) = (80 * MILLI, 20 * MILLI);
    let bursts = Pattern::GilbertElliott {
        mean_good,
        mean_bad,
    };
    let share = failed(always(fail(1.0)).pattern(bursts));
    let sigma = (2.0 * 0.2 * 0.8 * 0.016 / 100.0_f64).sqrt();
    assert!((share - 0.2).abs() < 4.0 * sigma, "{share}");
}

#[test]
fn slowness_multiplies_and_replaces() {
    for (what, took) in [
        (Trouble::Slow { factor: 3.0 }, 30 * MILLI),
        (
            Trouble::SlowTo {
                service_time: 5 * SECOND,
            },
            5 * SECOND,
        ),
    ] {
        let ended = Simulation::new(1).run(async |sim| {
            let fault = Fault::new(Duration::ZERO, MILLI, what);
            let server = server(2).fault(fault).start(&sim).unwrap();
            server.connect().oneshot(Request::default()).await.unwrap();
            let slow = sim.now();
            server.connect().oneshot(Request::default()).await.unwrap();
            (slow, sim.now())
        });
        assert_eq!(ended, (took, took + 10 * MILLI));
    }
}

#[test]
fn a_lost_zone_swallows_calls_until_it_is_noticed_and_comes_back() {
    let zone = Trouble::ZoneLoss {
        share: 0.5,
        noticed_after: Duration::ZERO,
    };
    let fault = Fault::new(Duration::ZERO, 95 * MILLI, zone);
    // Two of four workers until 95 ms, when eighteen calls are done and two are not; then the others begin at once.
    let (noticed, client) = run(&server(4).fault(fault.clone()), &calls(42));
    assert_eq!((noticed.served(), client.answered()), (42, 42));
    let latency = client.figures().latency.max;
    assert!((latency - 0.155).abs() < 1e-3, "{latency}");
    let zone = Trouble::ZoneLoss {
        share: 0.5,
        noticed_after: SECOND,
    };
    let config = server(4).fault(Fault {
        what: zone,
        ..fault
    });
    let (_, client) = run(&config, &calls(42));
    let lost = 42 - client.answered();
    assert!((8..=32).contains(&lost), "{lost}");
}

#[test]
fn workers_are_held_or_released_while_their_calls_wait() {
    for (while_waiting, ended) in [
        (WhileWaiting::Released, 120 * MILLI),
        (WhileWaiting::Held, 220 * MILLI),
    ] {
        let latest = Simulation::new(1).run(async |sim| {
            let inner = ServerConfig::new("inner", 9, Distribution::constant(100 * MILLI));
            let inner = inner.start(&sim).unwrap();
            let mut config = server(1);
            config.while_waiting = while_waiting;
            let handler = AllOf::new().call(inner.connect());
            let server = config.start_with(&sim, handler, |workers| workers).unwrap();
            let both = [(); 2].map(|()| server.connect().oneshot(Request::default()));
            futures_util::future::join_all(both).await;
            sim.now()
        });
        assert_eq!(latest, ended);
    }
}

#[test]
fn a_fan_takes_as_long_as_its_slowest_and_fails_with_any() {
    let (took, statuses) = Simulation::new(1).run(async |sim| {
        let tier = |name: &str, work| ServerConfig::new(name, 1, Distribution::constant(work));
        let down = Trouble::Refuse { share: 1.0 };
        let down = Fault::new(25 * MILLI, SECOND, down);
        let quick = tier("quick", MILLI).start(&sim).unwrap();
        let slow = tier("slow", 20 * MILLI).fault(down).start(&sim).unwrap();
        let fan = AllOf::new().call(quick.connect()).call(slow.connect());
        let server = server(1).start_with(&sim, fan, |workers| workers).unwrap();
        let first = server.connect().oneshot(Request::default()).await.unwrap();
        let took = sim.now();
        let second = server.connect().oneshot(Request::default()).await.unwrap();
        assert_eq!((quick.arrived(), slow.arrived()), (2, 2));
        (took, (first.status().as_u16(), second.status().as_u16()))
    });
    assert_eq!((took, statuses), (30 * MILLI, (200, 503)));
}

#[test]
fn the_network_takes_its_time_and_loses_messages() {
    let config = server(1).latency(Distribution::constant(700 * MICRO));
    let (_, client) = run(&config, &calls(1));
    let took = client.figures().latency.max;
    assert!((took - 0.011_4).abs() < 1e-5, "{took}");
    let mut lossy = server(1);
    lossy.link.loss = 1.0;
    let (server, client) = run(&lossy, &calls(5).patience(MILLI));
    assert_eq!((server.arrived(), client.figures().late), (0, 5));
}

#[test]
fn refused_connections_are_known_as_such() {
    let error = Simulation::new(1).run(async |sim| {
        let down = Fault::new(Duration::ZERO, SECOND, Trouble::Refuse { share: 1.0 });
        let server = server(1).fault(down).start(&sim).unwrap();
        server
            .connect()
            .oneshot(Request::default())
            .await
            .unwrap_err()
    });
    let error = error.downcast::<io::Error>().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn another_component_does_not_shift_the_numbers_of_the_first() {
    let figures = |others: bool| {
        Simulation::new(9).run(async |sim: Sim| {
            if others {
                sim.stream("something else").unit();
                let other = ServerConfig::new("other", 1, Distribution::exponential(MILLI));
                let other = other.start(&sim).unwrap();
                let client = ClientConfig::new("others", Arrivals::poisson(100.0));
                client.start(&sim, other.connect()).unwrap();
            }
            let server = ServerConfig::new("server", 2, Distribution::exponential(10 * MILLI));
            let server = server.start(&sim).unwrap();
            let client = ClientConfig::new("client", Arrivals::poisson(150.0));
            let client = client.start(&sim, server.connect()).unwrap();
            sim.sleep(10 * SECOND).await;
            (client.figures(), server.figures())
        })
    };
    assert_eq!(figures(false), figures(true));
}
