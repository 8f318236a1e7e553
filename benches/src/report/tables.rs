//! All subjects side by side.

use super::{Report, Row, cell, name, nanos, range, short, table, times, verdict};
use crate::list::{KEY_BYTES, future_limit};

impl Report<'_> {
    pub(super) fn time(&self) -> String {
        let any = |has: fn(&Row<'_>) -> bool| self.rows().any(|row| has(&row));
        let one = any(|(_, f)| f.time.is_some());
        let two = any(|(_, f)| !f.threads.is_empty());
        let more = any(|(_, f)| f.threads.len() > 1);
        let mut columns = vec!["pattern", "by"];
        if one {
            columns.extend(["ns", "p10–p90", "above floor"]);
        }
        if two {
            columns.extend(["2 threads, ns each", "p10–p90", "2 threads, total"]);
        }
        if more {
            columns.push("most threads, total");
        }
        let row = |(subject, figures): Row<'_>| {
            let mut cells = vec![subject.pattern.to_owned(), name(subject)];
            if one {
                let floor = self.floor(subject).and_then(|floor| floor.time);
                let both = figures.time.zip(floor);
                cells.extend([
                    cell(figures.time, |time| nanos(time.median)),
                    cell(figures.time, range),
                    cell(both, |(now, floor)| {
                        format!("{:+.1}", now.median - floor.median)
                    }),
                ]);
            }
            let first = figures.threads.first();
            if two {
                cells.extend([
                    cell(first, |threads| nanos(threads.each.median)),
                    cell(first, |threads| range(threads.each)),
                    cell(first, |threads| times(threads.gain)),
                ]);
            }
            if more {
                cells.push(cell(figures.threads.last(), |threads| {
                    format!("{} of {}", times(threads.gain), threads.number)
                }));
            }
            cells
        };
        let rows: Vec<_> = self.rows().map(row).filter(|_| one || two).collect();
        table("Time of a call, above the bare service", &columns, 2, &rows)
    }

    pub(super) fn memory(&self) -> String {
        let columns = [
            "pattern",
            "by",
            "allocations of a call",
            "bytes",
            "of an instance, bytes",
            "per key, bytes",
            "of a clone, allocations",
            "bytes",
            "service, bytes",
            "future, bytes",
        ];
        let row = |(subject, figures): Row<'_>| {
            let memory = figures.memory?;
            let key = cell(memory.key, |bytes| {
                let met = verdict(bytes <= KEY_BYTES);
                match subject.by {
                    crate::subject::By::Ours => {
                        format!("{bytes:.1}, ≤ {KEY_BYTES}: {met}")
                    }
                    _ => format!("{bytes:.1}"),
                }
            });
            let future = match future_limit(subject) {
                None => memory.future.to_string(),
                Some(limit) => {
                    let met = verdict(memory.future <= limit);
                    format!("{}, ≤ {limit}: {met}", memory.future)
                }
            };
            Some(vec![
                subject.pattern.to_owned(),
                name(subject),
                short(memory.calls),
                short(memory.call_bytes),
                memory.instance.to_string(),
                key,
                memory.clone.to_string(),
                memory.clone_bytes.to_string(),
                memory.service.to_string(),
                future,
            ])
        };
        let rows: Vec<_> = self.rows().filter_map(row).collect();
        table("Memory", &columns, 2, &rows)
    }

    pub(super) fn counts(&self) -> String {
        let columns = ["pattern", "by", "instructions", "atomics", "clock reads"];
        let row = |(subject, figures): Row<'_>| {
            let counts = figures.counts?;
            Some(vec![
                subject.pattern.to_owned(),
                name(subject),
                short(counts.instructions),
                short(counts.atomics),
                short(counts.clock_reads),
            ])
        };
        let rows: Vec<_> = self.rows().filter_map(row).collect();
        table(
            "Instructions of a call, above the bare service",
            &columns,
            2,
            &rows,
        )
    }
}
