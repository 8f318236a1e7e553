//! The same scenario again and again, with one or two values changed.

mod trees;
mod vary;

pub use vary::Vary;

use super::{Error, Metric, Outcome, Played, Rehearsal, page, stacks::Stacks, world};
use crate::report::{Axis, Cell, Chart, Report, Section, Table};
use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};
use toml::Value;
use trees::{Trees, said};
use vary::shown;

impl Rehearsal {
    /// Runs it once for each value, or each pair of values, in their order; the last one changes fastest.
    ///
    /// With the stacks that were given last, and with one or two to vary. A path is one of the file of stacks, or of the
    /// scenario; what it names need not be written there, if it has a default.
    pub fn sweep(&self, vary: &[Vary]) -> Result<Sweep, Error> {
        if vary.is_empty() || vary.len() > 2 {
            return Err(Error::Vary("one or two fields can be varied".to_owned()));
        }
        let trees = Trees::of(self, vary);
        let targets = vary.iter().map(|vary| trees.target(vary));
        let targets = targets.collect::<Result<Vec<_>, _>>()?;
        let mut worlds = Vec::new();
        for values in combinations(vary) {
            let mut trees = trees.clone();
            for ((vary, target), value) in vary.iter().zip(&targets).zip(&values) {
                trees.set(*target, &vary.path, value.clone());
            }
            let with = vary.iter().zip(&values);
            let with = with.map(|(vary, value)| format!("{} = {value}", vary.path));
            let with = with.collect::<Vec<_>>().join(", ");
            let read = trees.read(self);
            let (scenario, stacks) =
                read.map_err(|error| Error::Vary(format!("with {with}: {}", said(&error))))?;
            worlds.push((values, scenario, stacks));
        }
        let played = each(&worlds, |(_, scenario, stacks)| {
            world::play(scenario, stacks, scenario.seed)
        });
        let mut points = Vec::new();
        for ((values, scenario, _), played) in worlds.into_iter().zip(played) {
            let played = played.map_err(|error| Error::File(self.placed(error)))?;
            points.push(Point {
                values: values.iter().map(shown).collect(),
                outcome: self.outcome(scenario, vec![played]),
            });
        }
        Ok(Sweep {
            rehearsal: self.clone(),
            vary: vary.to_vec(),
            points,
        })
    }
}

fn combinations(vary: &[Vary]) -> Vec<Vec<Value>> {
    vary.iter().fold(vec![Vec::new()], |before, vary| {
        let longer = before.iter().flat_map(|values| {
            vary.values.iter().map(|value| {
                let mut values = values.clone();
                values.push(value.clone());
                values
            })
        });
        longer.collect()
    })
}

/// What `run` makes of each item, in their order, on as many threads as there are cores.
pub(super) fn each<I: Sync, T: Send>(items: &[I], run: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut results: Vec<(usize, T)> = thread::scope(|scope| {
        let work = || {
            let mut results = Vec::new();
            loop {
                let index = next.fetch_add(1, Relaxed);
                match items.get(index) {
                    Some(item) => results.push((index, run(item))),
                    None => return results,
                }
            }
        };
        let threads: Vec<_> = (0..cores.min(items.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let results = threads.into_iter().flat_map(|thread| {
            let result = thread.join();
            result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        results.collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// What happened with each value.
#[derive(Debug)]
pub struct Sweep {
    rehearsal: Rehearsal,
    vary: Vec<Vary>,
    points: Vec<Point>,
}

/// A run of a [`Sweep`].
#[derive(Debug)]
pub struct Point {
    /// Of each that varies.
    pub values: Vec<String>,
    /// What happened with them.
    pub outcome: Outcome,
}

const COLUMNS: [(Metric, &str); 6] = [
    (Metric::Goodput, "goodput"),
    (Metric::Refused, "refused"),
    (Metric::P99, "p99"),
    (Metric::TimeToRecover, "recovered after"),
    (Metric::Amplification, "amplification"),
    (Metric::PeakQueue, "longest queue"),
];

impl Sweep {
    /// In the order of the values.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// A table with a row for each run, and charts.
    pub fn report(&self) -> Report {
        let scenario = &self.rehearsal.scenario;
        let paths: Vec<_> = self.vary.iter().map(Vary::path).collect();
        let played = |point: &Point| point.outcome.played().first().cloned();
        let columns: Vec<_> = COLUMNS
            .into_iter()
            .flat_map(|(metric, title)| {
                let first = self.points.first().and_then(played);
                let of = first.map_or(Vec::new(), |first| names(&first, metric));
                let several = of.len() > 1;
                of.into_iter().map(move |name| {
                    let title = if several {
                        format!("{title}, {name}")
                    } else {
                        title.to_owned()
                    };
                    (metric, name, title)
                })
            })
            .collect();
        let titles = columns.iter().map(|(_, _, title)| &**title);
        let mut table = Table::new(paths.iter().copied().chain(titles));
        for point in &self.points {
            let values = point.values.iter().map(|value| value.as_str().into());
            let figures = columns.iter().map(|(metric, name, _)| {
                let played = point.outcome.played().first();
                let figure =
                    played.and_then(|played| Some((played, played.figure(*metric, name)?)));
                figure.map_or(Cell::EMPTY, |(played, value)| {
                    page::cell(&point.outcome, played, *metric, name, value)
                })
            });
            table = table.row(values.chain(figures).collect::<Vec<_>>());
        }
        let mut section = Section::new(format!("By {}", paths.join(" and "))).table(table);
        if let Some(first) = self.points.first() {
            section = section.text(page::explained(&first.outcome));
        }
        for (metric, name, title) in &columns {
            section = section.chart(self.chart(*metric, name, title));
        }
        page::head(scenario, self.rehearsal.file.as_deref())
            .fact(
                "stacks",
                self.rehearsal
                    .stacks
                    .last()
                    .map_or("none given".to_owned(), Stacks::label),
            )
            .section(section)
    }

    /// The first that varies from left to right, a line for each value of the second.
    fn chart(&self, metric: Metric, name: &str, title: &str) -> Chart {
        let first = &self.vary[0];
        let (scale, unit) = page::unit(metric);
        let mut chart = Chart::new(
            capital(title),
            Axis::names(first.path(), first.values()),
            Axis::new(title, unit),
        );
        let lines: Vec<_> = match self.vary.get(1) {
            Some(second) => second
                .values()
                .map(|v| format!("{} = {v}", second.path()))
                .collect(),
            None => vec![self.points.first().map_or(String::new(), |point| {
                point.outcome.played()[0].label.clone()
            })],
        };
        let step = lines.len();
        for (nth, line) in lines.into_iter().enumerate() {
            let points = self.points.iter().skip(nth).step_by(step).enumerate();
            let points = points.filter_map(|(x, point)| {
                let value = point.outcome.played().first()?.figure(metric, name)?;
                Some((crate::sim::float(x as u64), value * scale))
            });
            chart = chart.line(line, points.collect());
        }
        chart
    }
}

/// As a heading begins.
fn capital(title: &str) -> String {
    let mut letters = title.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

fn names(played: &Played, metric: Metric) -> Vec<String> {
    let figures = played.figures(metric).into_iter();
    figures.map(|(name, _)| name.to_owned()).collect()
}
