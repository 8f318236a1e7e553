//! What has been measured, as tables and as JSON.

mod aims;
mod json;
mod tables;

use crate::{
    instructions::Counts,
    list::{CLOCK, aim_of},
    memory::Memory,
    stats::Spread,
    subject::{By, Subject},
    time::Threads,
};
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

type Row<'a> = (&'a Subject, &'a Figures);

impl Report<'_> {
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (what, is) in &self.about {
            writeln!(text, "- {what}: {is}").expect("a string");
        }
        text += &self.aims();
        text += &self.time();
        text += &self.memory();
        text += &self.counts();
        text
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.subjects.iter().zip(&self.figures)
    }

    /// What a clock read takes here.
    fn clock(&self) -> Option<f64> {
        let (_, figures) = self.rows().find(|(s, _)| s.detail == CLOCK)?;
        Some(figures.time?.median)
    }

    /// The aim, and a clock read where one is allowed.
    fn allowed(&self, subject: &Subject) -> Option<f64> {
        let aim = aim_of(subject)?;
        let clock = if aim.clock { self.clock()? } else { 0.0 };
        Some(aim.one + clock)
    }

    /// The hand-written one for the same pattern.
    fn floor(&self, subject: &Subject) -> Option<&Figures> {
        let (_, figures) = self
            .rows()
            .find(|(s, _)| s.by == By::Floor && s.pattern == subject.pattern)?;
        Some(figures)
    }
}

/// Whose it is, and which.
fn name(subject: &Subject) -> String {
    let name = match subject.by {
        By::Ours => "**resilience**",
        by => by.name(),
    };
    match subject.detail {
        "" => name.to_owned(),
        detail => format!("{name}: {detail}"),
    }
}

/// A table, unless it is empty. The first `words` columns are text, all others numbers.
fn table(title: &str, columns: &[&str], words: usize, rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let numbers = columns.len() - words;
    let line = |cells: &str| format!("| {cells} |\n");
    let rule = [vec!["---"; words], vec!["---:"; numbers]].concat();
    let mut text = format!("\n### {title}\n\n{}", line(&columns.join(" | ")));
    text += &line(&rule.join(" | "));
    for cells in rows {
        assert_eq!(cells.len(), columns.len());
        text += &line(&cells.join(" | "));
    }
    text
}

fn cell<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map(text).unwrap_or_default()
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

fn nanos(value: f64) -> String {
    if value.is_nan() {
        return "none".to_owned();
    }
    if value.abs() < 9.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

fn range(spread: Spread) -> String {
    format!("{}–{}", nanos(spread.p10), nanos(spread.p90))
}

fn times(gain: Spread) -> String {
    if gain.median.is_nan() {
        return "none".to_owned();
    }
    format!("× {:.2}", gain.median)
}

/// Whole numbers as such.
fn short(value: f64) -> String {
    if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}
