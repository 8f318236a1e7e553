//! The page with charts.

use crate::{
    history::{History, INTERVAL},
    outcome::Outcome,
    script::{Health, PHASES, Script},
    stats::{Answer, Second, Stats},
};
use resilience_lab::report::{Axis, Chart, Number, Report, Section, Table};
use resilience_stack::breaker::State;

const SHOPS: [&str; 2] = ["bare", "protected"];
const DEPENDENCIES: [&str; 2] = ["inventory", "recommendations"];

/// Puts a run, bare and protected, on a page.
pub(crate) fn report(
    script: Script,
    outcome: &Outcome,
    shops: [&Stats; 2],
    history: &History,
) -> Report {
    let seconds = shops.map(Stats::seconds);
    Report::new("Two storefronts, one outage after the other")
        .lead(
            "Two shops show the same product page, which needs two dependencies. One is bare: a timeout around each \
             call. The other is protected. Both got the same load at the same time, and their dependencies went through \
             the same troubles, which are shaded.",
        )
        .fact(
            "command",
            format!("cargo run --release -p storefront -- --rps {} --seconds {}", script.rps, script.seconds),
        )
        .fact("version", env!("CARGO_PKG_VERSION"))
        .fact("machine", machine())
        .section(customers(script, outcome, &seconds))
        .section(dependencies(script, history))
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{os} on {arch}, {cores} cores")
}

/// What customers saw.
fn customers(script: Script, outcome: &Outcome, seconds: &[Vec<Second>; 2]) -> Section {
    let mut table = Table::new([
        "phase",
        "shop",
        "requests",
        "answered",
        "full pages",
        "p50 ms",
        "p99 ms",
    ]);
    for phase in &outcome.phases {
        for (shop, figures) in SHOPS.into_iter().zip([&phase.bare, &phase.protected]) {
            let share = |percent| Number::new(percent, 1).unit("%").into();
            table = table.row([
                if shop == SHOPS[0] {
                    phase.name.clone()
                } else {
                    String::new()
                }
                .into(),
                shop.into(),
                Number::new(as_f64(figures.offered), 0).into(),
                share(figures.percent_answered()),
                share(figures.percent(figures.full)),
                Number::new(figures.p50_ms, 1).into(),
                Number::new(figures.p99_ms, 1).into(),
            ]);
        }
    }
    let percent = || Axis::new("of requests", "%").max(100.0);
    let latency = || Axis::new("latency", "ms").log();
    let mut answered = chart(
        script,
        "Pages that were shown, in full or degraded",
        percent(),
    );
    let mut median = chart(script, "Half of the pages came within", latency());
    let mut p99 = chart(script, "99 % of the pages came within", latency());
    for (shop, seconds) in SHOPS.into_iter().zip(seconds) {
        answered = answered.line(
            shop,
            over_time(seconds, |second| {
                share(second, Answer::Full) + share(second, Answer::Degraded)
            }),
        );
        median = median.line(shop, over_time(seconds, |second| quantile(second, 0.5)));
        p99 = p99.line(shop, over_time(seconds, |second| quantile(second, 0.99)));
    }
    let mut section = Section::new("What customers got")
        .text(
            "Requests are counted when they were due, and latency runs from then on: a shop that stalls cannot hide it. \
             Refusals and failures count as answers that came as soon as they did. Each point is one second.",
        )
        .table(table)
        .chart(answered)
        .chart(p99)
        .chart(median);
    for (shop, seconds) in SHOPS.into_iter().zip(seconds) {
        let mut ways = chart(script, &format!("How requests ended: {shop}"), percent());
        for (name, answer) in [
            ("full", Answer::Full),
            ("degraded", Answer::Degraded),
            ("refused", Answer::Refused),
            ("failed", Answer::Failed),
        ] {
            ways = ways.line(name, over_time(seconds, |second| share(second, answer)));
        }
        section = section.chart(ways);
    }
    section
}

/// What became of those behind.
fn dependencies(script: Script, history: &History) -> Section {
    let mut section = Section::new("What the dependencies got").text(format!(
        "Calls and retries, counted where they arrive. The breakers are those of the protected shop, looked at every {} ms: \
         a half-open one whose probe is answered at once is rarely seen.",
        INTERVAL.as_millis()
    ));
    for (dependency, name) in DEPENDENCIES.into_iter().enumerate() {
        let mut load = chart(
            script,
            &format!("Load on {name}"),
            Axis::new("calls", "per second"),
        );
        for (shop, shop_name) in SHOPS.into_iter().enumerate() {
            load = load.line(shop_name, history.load(shop, dependency));
        }
        section = section.chart(load);
    }
    let states = [State::Closed, State::HalfOpen, State::Open];
    let names = states.map(|state| state.label().replace('_', "-"));
    let mut breakers = chart(
        script,
        "Breakers of the protected shop",
        Axis::names("", names),
    );
    for (dependency, name) in DEPENDENCIES.into_iter().enumerate() {
        let seen = history.states(dependency).into_iter();
        let places = seen.filter_map(|(at, seen)| {
            let place = states.iter().position(|state| *state == seen)?;
            Some((at, as_f64(place as u64)))
        });
        breakers = breakers.steps(name, places.collect());
    }
    section.chart(breakers)
}

/// A chart over the length of the run, with its troubles.
fn chart(script: Script, title: &str, y: Axis) -> Chart {
    let time = Axis::new("time", "s")
        .min(0.0)
        .max(script.length().as_secs_f64());
    let chart = Chart::new(title, time, y);
    let phases = PHASES.iter().enumerate();
    let troubled = phases.filter(|(_, phase)| {
        phase.load > 1 || [phase.inventory, phase.recommendations] != [Health::Healthy; 2]
    });
    troubled.fold(chart, |chart, (index, phase)| {
        let (from, to) = (script.start_of(index), script.start_of(index + 1));
        chart.span(from.as_secs_f64(), to.as_secs_f64(), phase.name)
    })
}

/// A figure of each second, in its middle; a gap where nothing was due.
fn over_time(seconds: &[Second], figure: impl Fn(&Second) -> f64) -> Vec<(f64, f64)> {
    let points = (0..).map(|second| as_f64(second) + 0.5).zip(seconds);
    points.map(|(at, second)| (at, figure(second))).collect()
}

/// In percent; not a number if there were no requests.
fn share(second: &Second, answer: Answer) -> f64 {
    let all: u32 = second.answers.iter().sum();
    100.0 * f64::from(second.answers[answer as usize]) / f64::from(all)
}

/// In milliseconds; not a number if there were no requests.
fn quantile(second: &Second, quantile: f64) -> f64 {
    let mut latencies = second.latencies.clone();
    latencies.sort_unstable();
    let rank = (as_f64(latencies.len() as u64) * quantile).ceil();
    let mut ranked = (1..).map(as_f64).zip(latencies);
    let at = ranked.find(|(index, _)| *index >= rank);
    at.map_or(f64::NAN, |(_, latency)| 1000.0 * latency.as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "at most some millions")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn quantiles_are_latencies_that_occurred() {
        let second = Second {
            latencies: (1..=100).rev().map(Duration::from_millis).collect(),
            ..Second::default()
        };
        assert!((quantile(&second, 0.5) - 50.0).abs() < 1e-9);
        assert!((quantile(&second, 0.99) - 99.0).abs() < 1e-9);
        assert!(quantile(&Second::default(), 0.5).is_nan());
    }

    #[test]
    fn a_page_has_a_row_for_each_shop_and_phase_and_shades_the_troubles() {
        let script = Script {
            rps: 100,
            seconds: 40,
        };
        let stats = Stats::new(script);
        let outcome = Outcome::of(&stats, &stats, PHASES.len());
        let report = report(script, &outcome, [&stats, &stats], &History::default());
        let customers = &report.sections[0];
        assert_eq!(
            customers.table.as_ref().map(|table| table.rows.len()),
            Some(14)
        );
        assert_eq!(customers.charts[0].spans.len(), 4);
        assert!(report.write_html(&mut Vec::new()).is_ok());
    }
}
