//! What is played in real time: others' layers, which read another clock than tokio's.

use super::{Context, Finding, Stack};
use crate::{
    report::{Number, Section, Table},
    sim::{Lateness, Simulation, float},
};
use resilience_core::BoxError;
use std::{collections::BTreeSet, fmt, fmt::Write as _, time::Duration};

/// What of a scenario is played in real time, with `--peers`.
#[derive(Clone, Copy)]
pub struct Live {
    /// Plays it.
    pub play: fn(&Context<'_>) -> Result<Vec<Row>, BoxError>,
    /// The columns of the scenario's table in which the others have a figure.
    pub shows: &'static [&'static str],
    /// Those in which they have none, and why.
    pub omits: &'static [(&'static str, &'static str)],
    /// What else there is to say of it; empty for nothing.
    pub note: &'static str,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("shows", &self.shows)
            .field("omits", &self.omits)
            .finish_non_exhaustive()
    }
}

/// How late 99 of 100 events of a row may be: as late as timers are in any case, which wait for whole milliseconds.
pub const LATE: Duration = Duration::from_millis(1);

/// How late any of them may be: half of what an attempt may take, so that none that is answered sooner runs into its timeout for
/// that.
pub const LATEST: Duration = Duration::from_millis(50);

/// How many simulations are played at a time on each core: they wait nearly all the time.
pub(super) const AT_A_TIME: usize = 6;

/// A row of a scenario's table, of simulations in real time.
#[derive(Clone, Debug)]
pub struct Row {
    pub(super) name: String,
    pub(super) figures: Vec<(String, f64)>,
    lateness: Lateness,
}

impl Row {
    /// With no figure yet.
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: format!("{name}, real time"),
            figures: Vec::new(),
            lateness: Lateness::new(),
        }
    }

    /// The peers' row, and one of the presets: that one has to be as it is in virtual time.
    pub(super) fn both() -> [(Stack, Self); 2] {
        [Stack::TowerResilience, Stack::Presets].map(|stack| (stack, Self::new(stack.name())))
    }

    /// A simulation that is played for this row.
    pub(super) fn simulation(&self, seed: u64) -> Simulation {
        Simulation::new(seed).real_time(&self.lateness)
    }

    /// Adds the figure of a column. It is written as the others of its column.
    pub(super) fn figure(&mut self, column: impl Into<String>, value: f64) {
        self.figures.push((column.into(), value));
    }

    /// Whether it was played as it was written. What was not, shows how busy the machine was, and nothing else.
    pub(super) fn is_on_time(&self) -> bool {
        let late = self.lateness.figures();
        late.p99 <= LATE.as_secs_f64() && late.max <= LATEST.as_secs_f64()
    }
}

/// Says of every row how late it was.
pub(super) fn section<'a>(rows: impl IntoIterator<Item = (&'a str, &'a Row)>) -> Section {
    let millis = |seconds: f64, most: Duration| {
        let late = Number::new(1e3 * seconds, 3).unit("ms");
        let late = late.at_most(1e3 * most.as_secs_f64());
        late.because("The machine had other things to do: the figures of this row are left out.")
    };
    let table = Table::new(["", "events", "99 of 100 late by", "latest"]);
    let table = rows.into_iter().fold(table, |table, (scenario, row)| {
        let late = row.lateness.figures();
        table.row([
            format!("{scenario}: {}", row.name).into(),
            Number::new(float(row.lateness.events()), 0).into(),
            millis(late.p99, LATE).into(),
            millis(late.max, LATEST).into(),
        ])
    });
    Section::new("Real time").text(TEXT).table(table)
}

const TEXT: &str = "tower-resilience's breaker, retry budget and rate limit read the clock of the system, which nobody can move: its \
    rows are played in real time, after all others, several simulations at a time. Clients, servers and faults are the same, to the \
    nanosecond: arrivals and service times are planned, and what happens late happens as planned all the same. The layers see when it \
    happens. How late that is was measured, of every event of the simulated world; where it is more than stands here, the machine was too busy, and the row \
    has no figures. The rows of the presets in real time show what real time does to figures: their others are in virtual time.";

impl Finding {
    /// Adds what was played in real time, and why there is no more.
    ///
    /// An error if a column has neither a figure of the others nor a reason, or both.
    pub(super) fn played(mut self, live: &Live, rows: &[Row]) -> Result<Self, String> {
        let peers = Stack::TowerResilience.name();
        let peers = rows.iter().filter(|row| row.name.starts_with(peers));
        let shown: BTreeSet<&str> = peers
            .flat_map(|row| row.figures.iter().map(|(column, _)| column.as_str()))
            .collect();
        let columns = self
            .section
            .table
            .iter()
            .flat_map(|table| table.columns.iter().skip(1));
        for column in columns.map(String::as_str) {
            let is_omitted = live.omits.iter().any(|(omitted, _)| *omitted == column);
            let is_meant = live.shows.contains(&column);
            if is_meant == is_omitted || is_meant != shown.contains(column) {
                return Err(format!("{column}: no figure and no reason, or both"));
            }
        }
        for row in rows {
            self = self.live(row)?;
        }
        let text = &mut self.section.text;
        if !live.note.is_empty() {
            let _ = write!(text, "\n\n{}", live.note);
        }
        for (column, why) in live.omits {
            let _ = write!(
                text,
                "\n\nIn real time, nothing stands below \"{column}\": {why}"
            );
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding::new("x")
            .figure(
                "presets",
                "a",
                Number::new(99.123, 2).unit("%").at_least(99.0),
                0.1,
            )
            .figure("presets", "b", Number::new(1.0, 0), 0.1)
    }

    fn live(omits: &'static [(&'static str, &'static str)]) -> Live {
        Live {
            play: |_| Ok(Vec::new()),
            shows: &["a"],
            omits,
            note: "A note.",
        }
    }

    const B: &[(&str, &str)] = &[("b", "a reason.")];

    fn row(late: Duration) -> Row {
        let mut row = Row::new(Stack::TowerResilience.name());
        row.figure("a", 98.765);
        row.lateness.note(late);
        row
    }

    #[test]
    fn figures_are_written_as_the_others_of_their_column_and_have_no_aim() {
        let played = finding().played(&live(B), &[row(LATE / 2)]).unwrap();
        let figure = played.figures.last().unwrap();
        assert!(figure.real_time);
        assert_eq!(figure.stack, "tower-resilience, real time");
        assert_eq!(figure.number, Number::new(98.765, 2).unit("%"));
        let table = played.section.table.unwrap();
        assert_eq!(table.rows[1][1], figure.number.clone().into());
        assert!(played.section.text.contains("A note.\n\nIn real time"));
        assert!(played.section.text.ends_with("\"b\": a reason."));
    }

    #[test]
    fn what_was_late_has_no_figures() {
        let mut often = row(LATE / 2);
        often.lateness = Lateness::new();
        for nth in 0..1_000_u32 {
            often
                .lateness
                .note(if nth < 980 { LATE / 2 } else { 2 * LATE });
        }
        for late in [often, row(2 * LATEST)] {
            let played = finding().played(&live(B), &[late]).unwrap();
            assert_eq!(played.figures, finding().figures);
            assert_eq!(played.section.table.unwrap().rows[1][1], "late".into());
        }
    }

    #[test]
    fn a_column_needs_a_figure_or_a_reason_and_not_both() {
        let wrong = |live: Live, row: Row| finding().played(&live, &[row]).unwrap_err();
        assert!(wrong(live(&[]), row(LATE)).starts_with("b:"));
        assert!(wrong(live(B), Row::new("tower-resilience")).starts_with("a:"));
        let mut both = row(LATE);
        both.figure("b", 1.0);
        assert!(wrong(live(B), both).starts_with("b:"));
    }
}
