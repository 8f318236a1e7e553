//! The table, as Markdown and as JSON.

use crate::{
    instructions::Counts,
    list::{CLOCK, SCALES, Two, aim_of},
    memory::Memory,
    stats::Spread,
    subject::{By, Subject},
    time::Threads,
};
use serde_json::{Value, json};
use std::fmt::Write;

/// What has been measured of one subject.
#[derive(Debug, Default)]
pub struct Figures {
    pub time: Option<Spread>,
    pub threads: Vec<Threads>,
    pub memory: Option<Memory>,
    pub counts: Option<Counts>,
}

/// All that has been measured, in the order of the subjects.
pub struct Report<'a> {
    pub subjects: &'a [Subject],
    pub figures: Vec<Figures>,
    pub about: Vec<(String, String)>,
}

type Cell<'a> = Box<dyn Fn(&Subject, &Figures) -> String + 'a>;
type Column<'a> = (&'static str, Cell<'a>);

impl Report<'_> {
    pub fn markdown(&self) -> String {
        let columns = self.columns();
        let mut text = String::new();
        for (what, is) in &self.about {
            writeln!(text, "- {what}: {is}").expect("a string");
        }
        let titles: Vec<_> = columns.iter().map(|(title, _)| *title).collect();
        writeln!(text, "\n| pattern | by | {} |", titles.join(" | ")).expect("a string");
        writeln!(text, "|---|---|{}", "---:|".repeat(columns.len())).expect("a string");
        for (subject, figures) in self.subjects.iter().zip(&self.figures) {
            let cells: Vec<_> = columns
                .iter()
                .map(|(_, cell)| cell(subject, figures))
                .collect();
            let name = match subject.by {
                By::Ours => "**resilience**",
                by => by.name(),
            };
            let name = match subject.detail {
                "" => name.to_owned(),
                detail => format!("{name}: {detail}"),
            };
            let pattern = subject.pattern;
            writeln!(text, "| {pattern} | {name} | {} |", cells.join(" | ")).expect("a string");
        }
        text
    }

    fn columns(&self) -> Vec<Column<'_>> {
        let mut columns: Vec<Column<'_>> = Vec::new();
        let any = |has: fn(&Figures) -> bool| self.figures.iter().any(has);
        if any(|figures| figures.time.is_some()) {
            columns.push(("ns", text_of(|_, f| Some(nanos(f.time?.median)))));
            columns.push(("p10–p90", text_of(|_, f| Some(range(f.time?)))));
            columns.push((
                "aim",
                text_of(|s, f| {
                    let (allowed, has) = (self.allowed(s)?, f.time?.median);
                    Some(format!("≤ {}: {}", nanos(allowed), verdict(has <= allowed)))
                }),
            ));
        }
        if any(|figures| !figures.threads.is_empty()) {
            columns.push((
                "2 threads, ns each",
                text_of(|_, f| Some(nanos(f.threads.first()?.each.median))),
            ));
            columns.push((
                "p10–p90",
                text_of(|_, f| Some(range(f.threads.first()?.each))),
            ));
            columns.push((
                "2 threads, total",
                text_of(|_, f| Some(format!("× {:.2}", f.threads.first()?.gain.median))),
            ));
            if any(|figures| figures.threads.len() > 1) {
                columns.push((
                    "all threads, total",
                    text_of(|_, f| {
                        let last = f.threads.last()?;
                        Some(format!("× {:.2} of {}", last.gain.median, last.number))
                    }),
                ));
            }
            columns.push((
                "aim",
                text_of(|s, f| {
                    let (aim, threads) = (aim_of(s)?.0, f.threads.first()?);
                    match aim.two {
                        Two::Any => None,
                        Two::Nanos(most) => {
                            let met = verdict(threads.each.median <= most);
                            Some(format!("≤ {}: {met}", nanos(most)))
                        }
                        Two::Scales => {
                            let met = verdict(threads.gain.median >= SCALES);
                            Some(format!("≥ × {SCALES}: {met}"))
                        }
                    }
                }),
            ));
        }
        if any(|figures| figures.memory.is_some()) {
            columns.push(("allocations", text_of(|_, f| Some(short(f.memory?.calls)))));
            columns.push(("bytes", text_of(|_, f| Some(short(f.memory?.call_bytes)))));
            columns.push((
                "instance, bytes",
                text_of(|_, f| Some(f.memory?.instance.to_string())),
            ));
            columns.push((
                "clone, allocations",
                text_of(|_, f| Some(f.memory?.clone.to_string())),
            ));
            columns.push((
                "service, bytes",
                text_of(|_, f| Some(f.memory?.service.to_string())),
            ));
            columns.push((
                "future, bytes",
                text_of(|_, f| Some(f.memory?.future.to_string())),
            ));
        }
        if any(|figures| figures.counts.is_some()) {
            columns.push((
                "instructions",
                text_of(|_, f| Some(short(f.counts?.instructions))),
            ));
            columns.push(("atomics", text_of(|_, f| Some(short(f.counts?.atomics)))));
            columns.push((
                "clock reads",
                text_of(|_, f| Some(short(f.counts?.clock_reads))),
            ));
        }
        columns
    }

    /// The aim, and a clock read where one is allowed.
    fn allowed(&self, subject: &Subject) -> Option<f64> {
        let (aim, clock) = aim_of(subject)?;
        if !clock {
            return Some(aim.one);
        }
        let read = self.subjects.iter().position(|s| s.detail == CLOCK)?;
        Some(aim.one + self.figures[read].time?.median)
    }

    pub fn json(&self) -> Value {
        let spread = |s: &Spread| json!({ "median": s.median, "p10": s.p10, "p90": s.p90 });
        let row = |(subject, figures): (&Subject, &Figures)| {
            let threads = figures.threads.iter().map(|t| {
                json!({ "threads": t.number, "nanos_each": spread(&t.each), "gain": spread(&t.gain) })
            });
            json!({
                "id": subject.id(),
                "nanos": figures.time.as_ref().map(spread),
                "threads": threads.collect::<Vec<_>>(),
                "memory": figures.memory.map(|m| json!({
                    "allocations": m.calls,
                    "bytes": m.call_bytes,
                    "instance": m.instance,
                    "clone_allocations": m.clone,
                    "service": m.service,
                    "future": m.future,
                })),
                "counts": figures.counts.map(|c| json!({
                    "instructions": c.instructions,
                    "atomics": c.atomics,
                    "clock_reads": c.clock_reads,
                })),
            })
        };
        let rows = self.subjects.iter().zip(&self.figures).map(row);
        let about = self
            .about
            .iter()
            .cloned()
            .map(|(what, is)| (what, json!(is)));
        json!({
            "about": about.collect::<serde_json::Map<_, _>>(),
            "subjects": rows.collect::<Vec<_>>(),
        })
    }
}

fn text_of<'a>(cell: impl Fn(&Subject, &Figures) -> Option<String> + 'a) -> Cell<'a> {
    Box::new(move |subject, figures| cell(subject, figures).unwrap_or_default())
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn nanos(value: f64) -> String {
    if value.abs() < 9.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

fn range(spread: Spread) -> String {
    format!("{}–{}", nanos(spread.p10), nanos(spread.p90))
}

/// Whole numbers as such.
fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}
