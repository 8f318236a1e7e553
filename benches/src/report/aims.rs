//! What the family aims at, and what it has reached.

use super::{Figures, Report, Row, cell, nanos, table, times, verdict};
use crate::{
    list::{SCALES, Two, aim_of},
    subject::{By, Subject},
};

impl Report<'_> {
    pub(super) fn aims(&self) -> String {
        let ours: Vec<_> = self
            .rows()
            .filter(|(subject, _)| aim_of(subject).is_some())
            .collect();
        self.one_thread(&ours) + &self.two_threads(&ours)
    }

    fn one_thread(&self, ours: &[Row<'_>]) -> String {
        let row = |&(subject, figures): &Row<'_>| {
            let now = figures.time?.median;
            let floor = self.floor(subject).and_then(|floor| floor.time);
            let aim = aim_of(subject)?;
            let clock = if aim.clock { " + clock" } else { "" };
            Some(vec![
                titled(subject),
                nanos(now),
                cell(floor, |floor| nanos(floor.median)),
                cell(floor, |floor| format!("{:+.1}", now - floor.median)),
                self.best_other(subject, |figures| Some(figures.time?.median)),
                format!("≤ {}{clock}", nanos(aim.one)),
                cell(self.allowed(subject), |allowed| {
                    verdict(now <= allowed).to_owned()
                }),
            ])
        };
        let rows: Vec<_> = ours.iter().filter_map(row).collect();
        let columns = [
            "pattern",
            "resilience, ns",
            "floor",
            "above floor",
            "best other",
            "aim",
            "",
        ];
        let clock = cell(self.clock(), |clock| {
            format!(", one clock read takes {} ns", nanos(clock))
        });
        let title = format!("Aims: one thread{clock}");
        table(&title, &columns, 1, &rows)
    }

    fn two_threads(&self, ours: &[Row<'_>]) -> String {
        let row = |&(subject, figures): &Row<'_>| {
            let now = figures.threads.first()?;
            let floor = self.floor(subject).and_then(|floor| floor.threads.first());
            let (aim, met) = match aim_of(subject)?.two {
                Two::Any => return None,
                Two::Nanos(most) => (format!("≤ {}", nanos(most)), now.each.median <= most),
                Two::Scales => (format!("≥ × {SCALES}"), now.gain.median >= SCALES),
            };
            Some(vec![
                titled(subject),
                nanos(now.each.median),
                cell(floor, |floor| nanos(floor.each.median)),
                self.best_other(subject, |figures| {
                    Some(figures.threads.first()?.each.median)
                }),
                times(now.gain),
                cell(floor, |floor| times(floor.gain)),
                aim,
                if now.each.median.is_nan() {
                    "unknown".to_owned()
                } else {
                    verdict(met).to_owned()
                },
            ])
        };
        let rows: Vec<_> = ours.iter().filter_map(row).collect();
        let columns = [
            "pattern",
            "resilience, ns each",
            "floor",
            "best other",
            "resilience, total",
            "floor",
            "aim",
            "",
        ];
        table("Aims: two threads on one policy", &columns, 1, &rows)
    }

    /// The least of the others for this pattern, and whose it is.
    fn best_other(&self, subject: &Subject, of: impl Fn(&Figures) -> Option<f64>) -> String {
        let others = self.rows().filter_map(|(other, figures)| {
            let other_s = matches!(other.by, By::Peer(_)) && other.pattern == subject.pattern;
            let value = of(figures).filter(|value| other_s && !value.is_nan())?;
            Some((value, other))
        });
        let best = others.min_by(|a, b| a.0.total_cmp(&b.0));
        cell(best, |(value, other)| {
            let detail = match other.detail {
                "" => String::new(),
                detail => format!(", {detail}"),
            };
            format!("{} ({}{detail})", nanos(value), other.by.name())
        })
    }
}

fn titled(subject: &Subject) -> String {
    match subject.detail {
        "" => subject.pattern.to_owned(),
        detail => format!("{}: {detail}", subject.pattern),
    }
}
