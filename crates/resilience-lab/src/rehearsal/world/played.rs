//! What has happened.

use crate::{
    rehearsal::{Metric, Scenario},
    sim::{ClientFigures, Series, ServerFigures, float},
};
use std::{collections::BTreeMap, time::Duration};

/// What has happened with one set of stacks.
#[derive(Clone, Debug, PartialEq)]
pub struct Played {
    /// The file of the stacks, or what was in its place.
    pub label: String,
    /// Whether expectations are held against it.
    pub checked: bool,
    /// By the client's name.
    pub clients: BTreeMap<String, ClientPlayed>,
    /// By the server's name.
    pub servers: BTreeMap<String, ServerPlayed>,
    /// What was sampled over time: `offered/NAME`, `ended/NAME` and `answered/NAME` of clients and `arrived/NAME` of servers, in calls per
    /// second, `queue/NAME` of servers in calls, and `breaker/WHO` (0: closed, 1: half-open, 2: open).
    pub series: Vec<Series>,
}

/// What became of a client's calls.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientPlayed {
    /// Counted from the beginning of the measurement.
    pub figures: ClientFigures,
    /// From the end of the last fault, in seconds; infinite if it has not recovered. `None` without faults.
    pub time_to_recover: Option<f64>,
}

/// What a server has done.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerPlayed {
    /// Counted from the beginning of the measurement.
    pub figures: ServerFigures,
    /// See [`Metric::Amplification`].
    pub amplification: f64,
    /// See [`Metric::PeakQueue`].
    pub peak_queue: f64,
}

impl Played {
    /// A figure of each client, or each server.
    pub fn figures(&self, metric: Metric) -> Vec<(&str, f64)> {
        let mut figures = Vec::new();
        for (name, client) in &self.clients {
            figures.extend(client.figure(metric).map(|figure| (&**name, figure)));
        }
        for (name, server) in &self.servers {
            figures.extend(server.figure(metric).map(|figure| (&**name, figure)));
        }
        figures
    }

    /// A figure of one of them.
    pub fn figure(&self, metric: Metric, name: &str) -> Option<f64> {
        if metric.is_of_clients() {
            self.clients.get(name)?.figure(metric)
        } else {
            self.servers.get(name)?.figure(metric)
        }
    }

    /// What was sampled under this name.
    pub(in crate::rehearsal) fn sampled(&self, name: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.name == name)
    }
}

impl ClientPlayed {
    fn figure(&self, metric: Metric) -> Option<f64> {
        let figures = &self.figures;
        let share = |count| ratio(float(count), float(figures.offered));
        Some(match metric {
            Metric::Goodput => share(figures.answered),
            Metric::Refused => share(figures.refused),
            Metric::Failed => share(figures.failed),
            Metric::Late => share(figures.late),
            Metric::P50 => figures.latency.p50,
            Metric::P90 => figures.latency.p90,
            Metric::P99 => figures.latency.p99,
            Metric::P999 => figures.latency.p999,
            Metric::TimeToRecover => return self.time_to_recover,
            Metric::Amplification | Metric::Utilization | Metric::DeadWork | Metric::PeakQueue => {
                return None;
            }
        })
    }
}

impl ServerPlayed {
    fn figure(&self, metric: Metric) -> Option<f64> {
        Some(match metric {
            Metric::Amplification => self.amplification,
            Metric::Utilization => self.figures.utilization,
            Metric::DeadWork => ratio(float(self.figures.dead), float(self.figures.served)),
            Metric::PeakQueue => self.peak_queue,
            _ => return None,
        })
    }
}

pub(super) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Seconds from the end of the last fault until the client had recovered, in windows of a second.
pub(super) fn time_to_recover(scenario: &Scenario, series: &[Series], client: &str) -> Option<f64> {
    let end = scenario
        .faults()
        .iter()
        .map(|(_, _, until)| *until)
        .reduce(f64::max)?;
    let named = |what| {
        let mut series = series.iter();
        let name = format!("{what}/{client}");
        series
            .find(|series| series.name == name)
            .map(|s| &s.points[..])
    };
    let (offered, ended, answered) = (named("offered")?, named("ended")?, named("answered")?);
    let every = scenario.every();
    let window = crate::sim::index((1.0 / every.as_secs_f64()).ceil()).max(1);
    let sums = |points: &[(f64, f64)]| {
        let windows = points.windows(window.min(points.len().max(1)));
        windows
            .map(|window| {
                let at = window.last().map_or(0.0, |(t, _)| *t);
                (at, window.iter().map(|(_, rate)| rate).sum::<f64>())
            })
            .collect::<Vec<_>>()
    };
    let sums = sums(offered)
        .into_iter()
        .zip(sums(ended))
        .zip(sums(answered));
    let points = sums.map(|(((at, offered), (_, ended)), (_, answered))| {
        let share = match (offered > 0.0, ended > 0.0) {
            (_, true) => answered / ended,
            // They wait.
            (true, false) => 0.0,
            // Nobody called: there is nothing to recover from.
            (false, false) => 1.0,
        };
        (at, share)
    });
    let shares = Series {
        name: String::new(),
        every: every.as_secs_f64(),
        points: points.collect(),
    };
    let measure = &scenario.measure;
    let end = Duration::from_secs_f64(end);
    let time = shares.time_to_reach(measure.recovered, end, measure.hold);
    Some(time.map_or(f64::INFINITY, |time| time.as_secs_f64()))
}
