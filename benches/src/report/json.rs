//! For programs.

use super::{Report, Row};
use crate::{list::aim_of, stats::Spread};
use serde_json::{Value, json};

impl Report<'_> {
    pub fn json(&self) -> Value {
        let rows = self.rows().map(|row| self.of(row));
        let about = self.about.iter().cloned();
        let about = about.map(|(what, is)| (what, json!(is)));
        json!({
            "about": about.collect::<serde_json::Map<_, _>>(),
            "subjects": rows.collect::<Vec<_>>(),
        })
    }

    fn of(&self, (subject, figures): Row<'_>) -> Value {
        let spread = |s: &Spread| json!({ "median": s.median, "p10": s.p10, "p90": s.p90 });
        let threads = figures.threads.iter().map(
            |t| json!({ "threads": t.number, "nanos_each": spread(&t.each), "gain": spread(&t.gain) }),
        );
        json!({
            "id": subject.id(),
            "nanos": figures.time.as_ref().map(spread),
            "aim": aim_of(subject).map(|aim| aim.one),
            "aim_with_clock": self.allowed(subject),
            "threads": threads.collect::<Vec<_>>(),
            "memory": figures.memory.map(|m| json!({
                "allocations": m.calls,
                "bytes": m.call_bytes,
                "instance": m.instance,
                "key": m.key,
                "clone_allocations": m.clone,
                "clone_bytes": m.clone_bytes,
                "service": m.service,
                "future": m.future,
            })),
            "counts": figures.counts.map(|c| json!({
                "instructions": c.instructions,
                "atomics": c.atomics,
                "clock_reads": c.clock_reads,
            })),
        })
    }
}
