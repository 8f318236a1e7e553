//! What can be seen: a table that grows while the script runs, and what it comes to.

use crate::{
    outcome::{Outcome, PhaseOutcome},
    script::Script,
    stats::{Figures, Stats, median},
};
use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
    time::Duration,
};

/// Shows the progress of a run: on a terminal as a table in place, elsewhere as a line per second.
#[derive(Debug)]
pub(crate) struct Progress {
    in_place: bool,
    /// Lines of the table on the screen.
    shown: usize,
    /// The last second that a line has been printed for, and the figures of its phase by then.
    said: Option<(u64, PhaseOutcome)>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            in_place: io::stdout().is_terminal(),
            shown: 0,
            said: None,
        }
    }

    pub(crate) fn show(
        &mut self,
        elapsed: Duration,
        script: Script,
        outcome: &Outcome,
        breakers: &str,
    ) -> io::Result<()> {
        let Some(now) = outcome.phases.last() else {
            return Ok(());
        };
        let seconds = elapsed.as_secs();
        if self.in_place {
            let mut frame = table(outcome);
            let _ = write!(
                frame,
                "\n{seconds:>3} of {} s: {}; breakers of protected: {breakers}\n",
                script.seconds, now.name
            );
            return self.draw(&frame);
        }
        let before = self.said.replace((seconds, now.clone()));
        if matches!(before, Some((said, _)) if said == seconds) {
            self.said = before;
            return Ok(());
        }
        let before = before
            .map(|(_, phase)| phase)
            .filter(|phase| phase.name == now.name);
        let before = before.as_ref();
        println!(
            "{seconds:>3} s  {:<32}  bare: {:<44}  protected: {:<44}  breakers: {breakers}",
            now.name,
            in_words(&now.bare, before.map(|phase| &phase.bare)),
            in_words(&now.protected, before.map(|phase| &phase.protected))
        );
        Ok(())
    }

    /// Takes the table away, for the final one.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.draw("")
    }

    fn draw(&mut self, frame: &str) -> io::Result<()> {
        let mut out = String::new();
        if self.shown > 0 {
            let _ = write!(out, "\x1b[{}F", self.shown);
        }
        // No wrapping meanwhile: a narrow terminal cuts lines off, and the count of lines stays right.
        let _ = write!(out, "\x1b[J\x1b[?7l{frame}\x1b[?7h");
        self.shown = frame.lines().count();
        if self.in_place {
            let mut stdout = io::stdout().lock();
            stdout.write_all(out.as_bytes())?;
            stdout.flush()?;
        }
        Ok(())
    }
}

/// How pages ended since `before`, and how soon in this phase.
fn in_words(figures: &Figures, before: Option<&Figures>) -> String {
    let since = |of: fn(&Figures) -> u64| of(figures).saturating_sub(before.map_or(0, of));
    let ways = [
        (since(|figures| figures.full), "full"),
        (since(|figures| figures.degraded), "degraded"),
        (since(|figures| figures.refused), "refused"),
        (since(|figures| figures.failed), "failed"),
    ];
    let ended: u64 = ways.iter().map(|(number, _)| number).sum();
    let mut words = String::new();
    for (number, way) in ways.into_iter().filter(|&(number, _)| number > 0) {
        let _ = write!(words, "{} % {way}, ", (number * 100 + ended / 2) / ended);
    }
    if words.is_empty() {
        return "no page has ended".into();
    }
    words + &format!("phase p99 {:.0} ms", figures.p99_ms)
}

/// A table of the phases so far, with two lines for each.
pub(crate) fn table(outcome: &Outcome) -> String {
    let mut out = String::from(concat!(
        "                            answers                                                calls + retries that reached\n",
        "phase             shop      offered   full degraded refused failed  p50 ms  p99 ms  inventory  recommendations\n",
    ));
    for PhaseOutcome {
        name,
        bare,
        protected,
    } in &outcome.phases
    {
        let (first, second) = two_lines(name);
        row(&mut out, first, "bare", bare);
        row(&mut out, second, "protected", protected);
    }
    out
}

fn row(out: &mut String, phase: &str, shop: &str, figures: &Figures) {
    let Figures {
        offered,
        full,
        degraded,
        refused,
        failed,
        p50_ms,
        p99_ms,
        inventory_first,
        inventory_retries,
        recommendations_first,
        recommendations_retries,
    } = figures;
    let inventory = format!("{inventory_first} + {inventory_retries}");
    let recommendations = format!("{recommendations_first} + {recommendations_retries}");
    let _ = writeln!(
        out,
        "{phase:<17} {shop:<9} {offered:>7} {full:>6} {degraded:>8} {refused:>7} {failed:>6} {p50_ms:>7.1} {p99_ms:>7.1} {inventory:>10}  {recommendations:>15}"
    );
}

/// Breaks a long name in two, at a space.
fn two_lines(name: &str) -> (&str, &str) {
    if name.len() <= 17 {
        return (name, "");
    }
    let space = name[..17].rfind(' ').unwrap_or(name.len());
    (&name[..space], name[space..].trim_start())
}

/// What the figures come to, in sentences.
pub(crate) fn summary(outcome: &Outcome, bare: &Stats, protected: &Stats) -> String {
    let mut out = String::new();
    for (shop, of) in [
        (
            "bare",
            (|phase| &phase.bare) as fn(&PhaseOutcome) -> &Figures,
        ),
        ("protected", |phase| &phase.protected),
    ] {
        let mut down = Figures::default();
        for phase in outcome
            .phases
            .iter()
            .filter(|p| p.name.contains("inventory"))
        {
            let Figures {
                full,
                degraded,
                refused,
                failed,
                p99_ms,
                inventory_first,
                inventory_retries,
                ..
            } = of(phase);
            down.full += full;
            down.degraded += degraded;
            down.refused += refused;
            down.failed += failed;
            down.p99_ms = down.p99_ms.max(*p99_ms);
            down.inventory_first += inventory_first;
            down.inventory_retries += inventory_retries;
        }
        let _ = writeln!(
            out,
            "While inventory was down, {shop} answered {:.1} % of the pages, with a p99 of {:.0} ms, and sent it {} calls and {} retries.",
            down.percent_answered(),
            down.p99_ms,
            down.inventory_first,
            down.inventory_retries
        );
    }
    let _ = match protected.full_again_after() {
        Some(after) => writeln!(
            out,
            "When inventory was back, protected: full again after {} ms, when its breaker looked the next time.",
            after.as_millis()
        ),
        None => writeln!(out, "When inventory was back, protected: not full again."),
    };
    let medians = (bare.calm_medians(), protected.calm_medians());
    let slices = medians.0.len();
    if let (Some(bare), Some(protected)) = (median(medians.0), median(medians.1)) {
        let _ = writeln!(
            out,
            "When it was calm, the median p50 of {slices} slices was {bare:.2} ms for bare and {protected:.2} ms for protected ({:+.2} ms, {:+.0} %).",
            protected - bare,
            100.0 * (protected / bare - 1.0)
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::PHASES;

    #[test]
    fn names_fit_their_column() {
        for phase in PHASES {
            let (first, second) = two_lines(phase.name);
            assert!(first.len() <= 17 && second.len() <= 17, "{}", phase.name);
            assert_eq!(format!("{first} {second}").trim(), phase.name);
        }
    }

    #[test]
    fn lines_of_the_table_have_one_width() {
        let stats = Stats::new(Script {
            rps: 100,
            seconds: 40,
        });
        let table = table(&Outcome::of(&stats, &stats, PHASES.len()));
        let width = |line: &str| line.chars().count();
        let mut lines = table.lines().skip(1);
        let head = lines.next().map(width);
        assert!(lines.all(|line| Some(width(line)) == head), "{table}");
    }
}
