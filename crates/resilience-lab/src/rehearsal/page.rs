//! The report of a rehearsal.

use super::{Metric, Outcome, Played, Scenario, expect::Unit, world};
use crate::report::{Axis, Cell, Chart, Number, Report, Section, Series, Table};
use std::path::Path;

/// A column: a figure, and its heading.
type Column = (Metric, &'static str);

const CLIENT: [Column; 7] = [
    (Metric::Goodput, "goodput"),
    (Metric::Refused, "refused"),
    (Metric::Failed, "failed"),
    (Metric::Late, "late"),
    (Metric::P50, "p50"),
    (Metric::P99, "p99"),
    (Metric::TimeToRecover, "recovered after"),
];

const SERVER: [Column; 4] = [
    (Metric::Amplification, "amplification"),
    (Metric::Utilization, "utilization"),
    (Metric::DeadWork, "dead work"),
    (Metric::PeakQueue, "longest queue"),
];

/// The title, and what it takes to run it again.
pub(super) fn head(scenario: &Scenario, file: Option<&Path>) -> Report {
    let title = match (&*scenario.title, file.and_then(Path::file_stem)) {
        ("", Some(name)) => name.to_string_lossy().into(),
        ("", None) => "Rehearsal".to_owned(),
        (title, _) => title.to_owned(),
    };
    let mut report = Report::new(title).lead(&*scenario.about);
    if let Some(file) = file {
        report = report.fact("scenario", file.display().to_string());
    }
    report
        .fact("seed", scenario.seed.to_string())
        .fact("virtual time", format!("{:?}", scenario.duration))
        .fact("version", env!("CARGO_PKG_VERSION"))
}

pub(super) fn report(outcome: &Outcome) -> Report {
    let scenario = &outcome.scenario;
    let mut report = head(scenario, outcome.file.as_deref());
    for name in scenario.client.keys() {
        report = report.section(client(outcome, name));
    }
    for name in scenario.server.keys() {
        report = report.section(server(outcome, name));
    }
    report
}

fn client(outcome: &Outcome, name: &str) -> Section {
    let counts = |played: &Played| {
        let figures = &played.clients[name].figures;
        Number::new(crate::sim::float(figures.offered), 0).into()
    };
    let table = table(outcome, name, &CLIENT, ("calls", counts));
    let goodput = over_time(outcome, "Calls answered well", "answered", "calls/s", name);
    let goodput = match outcome
        .played
        .first()
        .and_then(|p| p.sampled(&format!("offered/{name}")))
    {
        Some(offered) => goodput.line("calls made", offered.points.clone()),
        None => goodput,
    };
    let section = Section::new(format!("Client {name}"))
        .text(client_text(outcome))
        .table(table)
        .chart(goodput);
    with_breaker(section, outcome, name, "State of the breaker")
}

/// What the figures are, in words.
pub(super) fn explained(outcome: &Outcome) -> String {
    format!("{}\n\n{SERVER_TEXT}", client_text(outcome))
}

fn client_text(outcome: &Outcome) -> String {
    let Scenario { measure, .. } = &outcome.scenario;
    if outcome.scenario.faults().is_empty() {
        return CLIENT_TEXT.to_owned();
    }
    format!(
        "{CLIENT_TEXT} A client has recovered when {} % of its calls that end within a second are answered well, and it stays \
         so for {:?}; that counts from the end of the last fault.",
        measure.recovered * 100.0,
        measure.hold
    )
}

const CLIENT_TEXT: &str = "Goodput is the share of the calls that were answered well and in time. Refused are those that the client's own layers did not let pass; failed are those that ended with an error; late are those that were given up when the patience was at its end. Half of the good answers took at most as long as p50 says, and 99 of 100 at most as long as p99 says.";

const SERVER_TEXT: &str = "Arrived are all calls that reached the server, retries too. Amplification is the number of calls that arrived for each one that would have if every call had been sent once and none refused. Utilization is the share of the time that the workers worked; dead work is the share of the work that was done for callers who had gone. The queue is of calls that wait for a worker.";

fn server(outcome: &Outcome, name: &str) -> Section {
    let counts = |played: &Played| {
        let figures = &played.servers[name].figures;
        Number::new(crate::sim::float(figures.arrived), 0).into()
    };
    let queue = over_time(
        outcome,
        "Calls that wait for a worker",
        "queue",
        "calls",
        name,
    );
    let section = Section::new(format!("Server {name}"))
        .text(SERVER_TEXT)
        .table(table(outcome, name, &SERVER, ("arrived", counts)))
        .chart(over_time(
            outcome,
            "Calls that arrive",
            "arrived",
            "calls/s",
            name,
        ))
        .chart(readable(queue));
    let calls = outcome.scenario.server[name].calls.iter();
    calls.fold(section, |section, call| {
        let who = world::caller(name, &call.server);
        let title = format!("State of the breaker towards {}", call.server);
        with_breaker(section, outcome, &who, &title)
    })
}

/// Logarithmic, if the longest line would press the others flat.
fn readable(mut chart: Chart) -> Chart {
    let peak = |series: &Series| series.points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    let peaks = || chart.series.iter().map(peak).filter(|peak| *peak > 0.0);
    let (least, most) = (
        peaks().fold(f64::INFINITY, f64::min),
        peaks().fold(0.0, f64::max),
    );
    if most > 20.0 * least {
        chart.y = chart.y.log();
    }
    chart
}

/// A row for each run.
fn table(
    outcome: &Outcome,
    name: &str,
    columns: &[Column],
    (counted, count): (&str, impl Fn(&Played) -> Cell),
) -> Table {
    let has = |metric| {
        outcome
            .played
            .iter()
            .any(|played| played.figure(metric, name).is_some())
    };
    let columns: Vec<_> = columns.iter().filter(|(metric, _)| has(*metric)).collect();
    let headings = columns.iter().map(|(_, heading)| *heading);
    let mut table = Table::new(["stacks", counted].into_iter().chain(headings));
    for played in &outcome.played {
        let figures = columns.iter().map(|(metric, _)| {
            let figure = played
                .figures(*metric)
                .into_iter()
                .find(|(of, _)| *of == name);
            figure.map_or(Cell::EMPTY, |(_, value)| {
                cell(outcome, played, *metric, name, value)
            })
        });
        let first = [played.label.as_str().into(), count(played)];
        table = table.row(first.into_iter().chain(figures));
    }
    table
}

/// In what a figure is written: so many to one, and their unit.
pub(super) fn unit(metric: Metric) -> (f64, &'static str) {
    match metric.unit() {
        Unit::Share => (100.0, "%"),
        Unit::Time if metric == Metric::TimeToRecover => (1.0, "s"),
        Unit::Time => (1e3, "ms"),
        Unit::Factor | Unit::Count => (1.0, ""),
    }
}

/// A figure, with what is expected of it.
pub(super) fn cell(
    outcome: &Outcome,
    played: &Played,
    metric: Metric,
    name: &str,
    value: f64,
) -> Cell {
    let (scale, unit) = self::unit(metric);
    let precision = match metric.unit() {
        Unit::Share => 2,
        Unit::Factor => 3,
        Unit::Time => 1,
        Unit::Count => 0,
    };
    let number = Number::new(value * scale, precision).unit(unit);
    let wanted = outcome.scenario.expect.get(&metric);
    match wanted.and_then(|wanted| wanted.of(metric, name)) {
        Some((_, bound)) if played.checked => bound.aim(number, scale).into(),
        _ if value.is_infinite() => "never".into(),
        _ => number.into(),
    }
}

/// A line for each run.
fn over_time(outcome: &Outcome, title: &str, what: &str, unit: &str, name: &str) -> Chart {
    let y = Axis::new("", unit);
    let mut chart = chart(outcome, title, y);
    for played in &outcome.played {
        if let Some(series) = played.sampled(&format!("{what}/{name}")) {
            chart = chart.line(&*played.label, series.points.clone());
        }
    }
    chart
}

/// If there is a breaker, with its state.
fn with_breaker(section: Section, outcome: &Outcome, who: &str, title: &str) -> Section {
    let y = Axis::names("state", ["closed", "half-open", "open"]);
    let mut chart = chart(outcome, title, y);
    for played in &outcome.played {
        if let Some(series) = played.sampled(&format!("breaker/{who}")) {
            chart = chart.steps(&*played.label, series.points.clone());
        }
    }
    if chart.series.is_empty() {
        section
    } else {
        section.chart(chart)
    }
}

fn chart(outcome: &Outcome, title: &str, y: Axis) -> Chart {
    let x = Axis::new("time", "s").max(outcome.scenario.duration.as_secs_f64());
    let faults = outcome.scenario.faults().into_iter();
    let alone = outcome.scenario.server.len() == 1;
    faults.fold(Chart::new(title, x, y), |chart, (server, from, until)| {
        let label = if alone {
            "fault".to_owned()
        } else {
            format!("fault of {server}")
        };
        chart.span(from, until, label)
    })
}
