//! The table, and JSON.

use crate::{IN_FLIGHT, Slice, stats::Spread};
use serde_json::{Value, json};
use std::time::Duration;

/// With the stack, of the throughput without.
const THROUGHPUT: f64 = 0.98;
/// With the stack, of the latency without.
const P99: f64 = 1.03;

type Of = fn(&Slice) -> f64;

const FIGURES: [(&str, Of); 4] = [
    ("calls_per_second", |slice| slice.per_second),
    ("cpu_micros", |slice| slice.cpu),
    ("p50_micros", |slice| slice.p50),
    ("p99_micros", |slice| slice.p99),
];

/// Pairs of slices without the stack and with it.
pub struct Row {
    name: &'static str,
    bare: Vec<Slice>,
    stack: Vec<Slice>,
}

impl Row {
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            bare: Vec::new(),
            stack: Vec::new(),
        }
    }

    pub fn push(&mut self, bare: Slice, stack: Slice) {
        self.bare.push(bare);
        self.stack.push(stack);
    }

    fn figure(&self, of: Of) -> Figure {
        let spread = |slices: &[Slice]| Spread::of(slices.iter().map(of).collect());
        let pairs = self.bare.iter().zip(&self.stack);
        Figure {
            bare: spread(&self.bare),
            stack: spread(&self.stack),
            ratio: Spread::of(pairs.map(|(bare, stack)| of(stack) / of(bare)).collect()),
        }
    }
}

struct Figure {
    bare: Spread,
    stack: Spread,
    /// Of each pair.
    ratio: Spread,
}

impl Figure {
    fn cells(&self, digits: usize) -> String {
        let Self { bare, stack, ratio } = self;
        format!(
            "{:.*} | {:.*} | {:.3} ({:.3}–{:.3})",
            digits, bare.median, digits, stack.median, ratio.median, ratio.p10, ratio.p90
        )
    }

    fn json(&self) -> Value {
        let spread = |s: Spread| json!({ "median": s.median, "p10": s.p10, "p90": s.p90 });
        json!({ "bare": spread(self.bare), "stack": spread(self.stack), "ratio": spread(self.ratio) })
    }
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "**missed**" }
}

pub fn markdown(rows: &[Row], about: &[(String, String)], slice: Duration) -> String {
    let mut text = String::new();
    for (what, is) in about {
        text += &format!("- {what}: {is}\n");
    }
    let rounds = rows.first().map_or(0, |row| row.bare.len());
    let seconds = slice.as_secs();
    text += &format!(
        "- {rounds} pairs of slices of {seconds} s, {IN_FLIGHT} calls in flight; medians, of ratios those of the pairs (p10–p90)\n\n"
    );
    text += "| | calls/s, bare | with the stack | ratio | aim | CPU per call, bare, µs | with the stack | ratio | p50, bare, µs | with the stack | ratio | p99, bare, µs | with the stack | ratio | aim |\n";
    text += "|---|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n";
    for row in rows {
        let [throughput, cpu, p50, p99] = FIGURES.map(|(_, of)| row.figure(of));
        text += &format!(
            "| {} | {} | ≥ {THROUGHPUT}: {} | {} | {} | {} | ≤ {P99}: {} |\n",
            row.name,
            throughput.cells(0),
            verdict(throughput.ratio.median >= THROUGHPUT),
            cpu.cells(2),
            p50.cells(0),
            p99.cells(0),
            verdict(p99.ratio.median <= P99),
        );
    }
    text
}

pub fn json(rows: &[Row], about: &[(String, String)]) -> Value {
    let row = |row: &Row| {
        let figures = FIGURES.map(|(name, of)| (name.to_owned(), row.figure(of).json()));
        json!({ "name": row.name, "figures": serde_json::Map::from_iter(figures) })
    };
    let about = about.iter().cloned().map(|(what, is)| (what, json!(is)));
    json!({
        "about": about.collect::<serde_json::Map<_, _>>(),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}
