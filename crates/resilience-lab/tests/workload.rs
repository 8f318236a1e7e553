//! When calls come, and what configurations say of themselves.

use resilience_lab::sim::{
    Arrivals, ClientConfig, Distribution, Fault, Sample, ServerConfig, Simulation, Step,
};
use std::{fs, time::Duration};

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Calls in each of `count` intervals of the length `every`.
fn counts(arrivals: Arrivals, every: Duration, count: u32) -> Vec<f64> {
    Simulation::new(5).run(async |sim| {
        let server = ServerConfig::new("server", 1_000, Distribution::constant(MILLI));
        let server = server.start(&sim).unwrap();
        let client = ClientConfig::new("client", arrivals);
        let client = client.start(&sim, server.connect()).unwrap();
        let mut before = 0;
        let mut counts = Vec::new();
        for _ in 0..count {
            sim.sleep(every).await;
            let now = client.offered();
            counts.push(f64::from(u32::try_from(now - before).unwrap()));
            before = now;
        }
        counts
    })
}

/// Within four standard deviations of a Poisson variable of that mean.
#[track_caller]
fn poisson(count: f64, mean: f64) {
    assert!(
        (count - mean).abs() <= 4.0 * mean.sqrt(),
        "{count} for {mean}"
    );
}

#[test]
fn poisson_has_the_mean_and_the_variance() {
    let counts = counts(Arrivals::poisson(100.0), SECOND, 400);
    let mean = counts.iter().sum::<f64>() / 400.0;
    poisson(mean * 400.0, 40_000.0);
    let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / 399.0;
    // The index of dispersion is 1, with a standard error of √(2/n).
    assert!((variance / mean - 1.0).abs() < 4.0 * (2.0 / 400.0_f64).sqrt());
}

#[test]
fn steps_bursts_and_days_have_their_rates() {
    let steps = [(SECOND, 0.0), (2 * SECOND, 900.0)].map(|(from, rate)| Step { from, rate });
    let arrivals = Arrivals::Steps {
        rate: 400.0,
        steps: steps.into(),
    };
    let seen = counts(arrivals, SECOND, 3);
    poisson(seen[0], 400.0);
    assert!(seen[1] <= 0.0);
    poisson(seen[2], 900.0);

    let (rate, burst_rate, every, length) = (100.0, 2_000.0, 2 * SECOND, SECOND);
    let seen = counts(
        Arrivals::Bursts {
            rate,
            burst_rate,
            every,
            length,
        },
        SECOND,
        4,
    );
    for (nth, count) in seen.iter().enumerate() {
        poisson(*count, if nth % 2 == 0 { 100.0 } else { 2_000.0 });
    }

    let arrivals = Arrivals::Diurnal {
        rate: 500.0,
        swing: 1.0,
        period: 8 * SECOND,
    };
    let seen = counts(arrivals, 2 * SECOND, 4);
    // The integral of 1 - cos over a quarter of a day: 1 ∓ 2/π of the mean.
    for (nth, count) in seen.iter().enumerate() {
        let swing = 2.0 / std::f64::consts::PI;
        let sign = if nth % 3 == 0 { -swing } else { swing };
        poisson(*count, 1_000.0 * (1.0 + sign));
    }
}

#[test]
fn a_closed_loop_is_as_fast_as_its_users() {
    // A call each 10 ms for each of five, less the first millisecond of thinking.
    let seen = counts(
        Arrivals::users(5, Distribution::constant(9 * MILLI)),
        SECOND,
        2,
    );
    assert_eq!(seen, [500.0, 500.0]);
}

#[test]
fn traces_are_read_from_csv() {
    let path = std::env::temp_dir().join(format!("lab-trace-{}.csv", std::process::id()));
    fs::write(&path, "0.25, /a\n0.5,/b\n0.5\n1.75,/c\n").unwrap();
    let seen = counts(Arrivals::Trace { path: path.clone() }, SECOND, 3);
    assert_eq!(seen, [3.0, 1.0, 0.0]);
    fs::write(&path, "0.5\n0.25\n").unwrap();
    let error = ClientConfig::new("client", Arrivals::Trace { path: path.clone() }).validate();
    let error = error.unwrap_err();
    assert_eq!(error.field(), "arrivals.trace.path");
    assert!(error.to_string().contains("line 2"), "{error}");
    fs::remove_file(&path).unwrap();
    assert!(
        ClientConfig::new("client", Arrivals::Trace { path })
            .validate()
            .is_err()
    );
}

#[test]
fn distributions_have_their_means() {
    let log_normal = Distribution::log_normal(10 * MILLI, 100 * MILLI);
    let values = [5 * MILLI, 25 * MILLI].map(Sample).to_vec();
    let bimodal = Distribution::Bimodal {
        fast: MILLI,
        slow: SECOND,
        slow_share: 0.25,
    };
    for distribution in [log_normal, Distribution::Samples { values }, bimodal] {
        let sampler = distribution.sampler().unwrap();
        let mut stream = resilience_lab::sim::Stream::new(1, "test", 0);
        let n = 100_000;
        let draws: Vec<f64> = (0..n)
            .map(|_| sampler.draw(&mut stream).as_secs_f64())
            .collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / f64::from(n);
        let error = 4.0 * (variance / f64::from(n)).sqrt();
        assert!(
            (mean - sampler.mean().as_secs_f64()).abs() < error,
            "{distribution:?}"
        );
    }
}

/// The field that is wrong.
fn wrong_server(text: &str) -> String {
    let base = "name = \"server\"\n";
    let config: ServerConfig = toml::from_str(&format!("{base}{text}")).unwrap();
    config.validate().unwrap_err().field().to_owned()
}

#[test]
fn each_field_that_cannot_be_is_named() {
    let constant = |more: &str| {
        wrong_server(&format!(
            "service_time = {{ constant = {{ value = \"1ms\" }} }}\n{more}"
        ))
    };
    let timed = |time: &str| wrong_server(&format!("workers = 1\nservice_time = {time}"));
    let faulty = |what: &str, pattern: &str| {
        constant(&format!(
            "workers = 1\n[[faults]]\nfrom = \"1s\"\nuntil = \"20days\"\nwhat = {what}\npattern = {pattern}"
        ))
    };
    let backwards = "workers = 1\n[[faults]]\nfrom = \"2s\"\nuntil = \"1s\"\nwhat = ";
    assert_eq!(
        constant(&format!("{backwards}{{ hang = {{}} }}")),
        "faults.0.until"
    );
    let steady = "\"steady\"";
    let slow = "{ slow = { factor = 2.0 } }";
    assert_eq!(constant("workers = 0"), "workers");
    assert_eq!(constant("workers = 1\nrefusal_cost = 1.5"), "refusal_cost");
    assert_eq!(constant("workers = 1\nlink = { loss = -0.1 }"), "link.loss");
    assert_eq!(
        timed("{ exponential = { mean = \"0s\" } }"),
        "service_time.exponential.mean"
    );
    assert_eq!(
        timed("{ log_normal = { median = \"2ms\", p99 = \"1ms\" } }"),
        "service_time.log_normal.p99"
    );
    assert_eq!(
        timed("{ log_normal = { median = \"0ms\", p99 = \"1ms\" } }"),
        "service_time.log_normal.median"
    );
    assert_eq!(
        timed("{ bimodal = { fast = \"2ms\", slow = \"1ms\", slow_share = 2.0 } }"),
        "service_time.bimodal.slow_share"
    );
    assert_eq!(
        timed("{ samples = { values = [] } }"),
        "service_time.samples.values"
    );
    assert_eq!(
        faulty("{ slow = { factor = 0.0 } }", steady),
        "faults.0.what.slow.factor"
    );
    assert_eq!(
        faulty("{ slow_to = { service_time = \"0s\" } }", steady),
        "faults.0.what.slow_to.service_time"
    );
    assert_eq!(
        faulty("{ fail = { status = 200 } }", steady),
        "faults.0.what.fail.status"
    );
    assert_eq!(
        faulty("{ fail = { status = 503, share = 0.0 } }", steady),
        "faults.0.what.fail.share"
    );
    assert_eq!(
        faulty("{ hang = { share = 1.1 } }", steady),
        "faults.0.what.hang.share"
    );
    assert_eq!(
        faulty(
            "{ zone_loss = { share = 0.5, noticed_after = \"400days\" } }",
            steady
        ),
        "faults.0.what.zone_loss.noticed_after"
    );
    assert_eq!(
        faulty(slow, "{ flap = { down = \"0s\", up = \"1s\" } }"),
        "faults.0.pattern.flap.down"
    );
    assert_eq!(
        faulty(slow, "{ flap = { down = \"1us\", up = \"1us\" } }"),
        "faults.0.pattern.flap.up"
    );
    assert_eq!(
        faulty(
            slow,
            "{ gilbert_elliott = { mean_good = \"1s\", mean_bad = \"0s\" } }"
        ),
        "faults.0.pattern.gilbert_elliott.mean_bad"
    );
}

#[test]
fn each_field_of_a_client_that_cannot_be_is_named() {
    let client = |arrivals| {
        ClientConfig::new("client", arrivals)
            .validate()
            .unwrap_err()
            .field()
            .to_owned()
    };
    assert_eq!(client(Arrivals::poisson(0.0)), "arrivals.poisson.rate");
    assert_eq!(
        client(Arrivals::constant(f64::NAN)),
        "arrivals.constant.rate"
    );
    assert_eq!(
        client(Arrivals::users(0, Distribution::constant(MILLI))),
        "arrivals.users.count"
    );
    let steps = [2, 1]
        .map(|at| Step {
            from: at * SECOND,
            rate: 1.0,
        })
        .to_vec();
    assert_eq!(
        client(Arrivals::Steps { rate: 1.0, steps }),
        "arrivals.steps.steps"
    );
    let diurnal = Arrivals::Diurnal {
        rate: 1.0,
        swing: 1.5,
        period: SECOND,
    };
    assert_eq!(client(diurnal), "arrivals.diurnal.swing");
    let (every, length) = (SECOND, SECOND);
    let bursts = Arrivals::Bursts {
        rate: 1.0,
        burst_rate: 1.0,
        every,
        length,
    };
    assert_eq!(client(bursts), "arrivals.bursts.length");
    let client = ClientConfig::new("client", Arrivals::poisson(1.0)).patience(Duration::ZERO);
    assert_eq!(client.validate().unwrap_err().field(), "patience");
}

#[test]
fn unknown_fields_are_errors() {
    for text in [
        "poisson = { rate = 1.0, burst = 2 }",
        "poison = { rate = 1.0 }",
    ] {
        let error = toml::from_str::<Arrivals>(text).unwrap_err().to_string();
        assert!(
            error.contains("burst") || error.contains("poison"),
            "{error}"
        );
    }
    let fault = "from = \"1s\"\nuntil = \"2s\"\nwhat = { hang = { shares = 1.0 } }";
    let error = toml::from_str::<Fault>(fault).unwrap_err().to_string();
    assert!(error.contains("shares"), "{error}");
}

#[test]
fn configurations_come_back_as_they_were() {
    let text = r#"name = "server"
workers = 4
queue = 9
discipline = "lifo"
refusal_cost = 0.25
hang_up = "noticed"
while_waiting = "held"

[service_time.samples]
values = ["1ms", "250us"]

[link]
loss = 0.5

[link.latency.log_normal]
median = "1ms"
p99 = "4ms"

[[faults]]
from = "1s"
until = "2s"

[faults.what.zone_loss]
share = 0.5
noticed_after = "10s"

[faults.pattern.gilbert_elliott]
mean_good = "1s"
mean_bad = "100ms"
"#;
    let config: ServerConfig = toml::from_str(text).unwrap();
    let again = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<ServerConfig>(&again).unwrap(), config);
    config.validate().unwrap();
}
