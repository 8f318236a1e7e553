//! What is counted: answers at the load generator, calls at the dependencies.

use crate::script::{PHASES, RECOVERY, Script};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// How a product page came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With everything on it.
    Full,
    /// With a part missing, and marked as such.
    Degraded,
    /// Not now, please retry later: 429 or 503 with `Retry-After`.
    Refused,
    /// An error, or nothing within the client's patience.
    Failed,
}

/// The figures of one storefront in one phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) offered: u64,
    pub(crate) full: u64,
    pub(crate) degraded: u64,
    pub(crate) refused: u64,
    pub(crate) failed: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) inventory_first: u64,
    pub(crate) inventory_retries: u64,
    pub(crate) recommendations_first: u64,
    pub(crate) recommendations_retries: u64,
}

/// Calls that reached a dependency, per phase, counted where they arrive.
#[derive(Debug, Default)]
pub(crate) struct Arrivals([[AtomicU64; 2]; PHASES.len()]);

impl Arrivals {
    /// Notes a first call or a retry; calls outside of the script are not counted.
    pub(crate) fn note(&self, phase: Option<usize>, retry: bool) {
        if let Some(phase) = phase {
            self.0[phase][usize::from(retry)].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// First calls and retries of all phases so far.
    pub(crate) fn total(&self) -> u64 {
        let all = self.0.iter().flatten();
        all.map(|calls| calls.load(Ordering::Relaxed)).sum()
    }

    /// First calls and retries of a phase.
    fn of(&self, phase: usize) -> (u64, u64) {
        let [first, retries] = &self.0[phase];
        (
            first.load(Ordering::Relaxed),
            retries.load(Ordering::Relaxed),
        )
    }
}

/// Length of the slices in which the median latency of calm phases is taken.
const SLICE: Duration = Duration::from_millis(500);

/// So many full pages in a row are no accident.
const ROW: usize = 20;

/// All that is known of one storefront.
#[derive(Debug)]
pub(crate) struct Stats {
    script: Script,
    answers: Mutex<Answers>,
    pub(crate) inventory: Arrivals,
    pub(crate) recommendations: Arrivals,
}

#[derive(Debug)]
struct Answers {
    phases: Vec<PhaseAnswers>,
    /// Latencies of settled calm, in slices.
    slices: Vec<Option<Histogram<u32>>>,
    /// When the requests of the recovery were due, and whether they were full.
    recovery: Vec<(Duration, bool)>,
    /// By the second in which the requests were due.
    seconds: Vec<Second>,
}

/// The answers to the requests of one second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Second {
    /// By [`Answer`].
    pub(crate) answers: [u32; 4],
    pub(crate) latencies: Vec<Duration>,
}

#[derive(Debug)]
struct PhaseAnswers {
    offered: u64,
    answers: [u64; 4],
    latency: Histogram<u32>,
}

impl Stats {
    pub(crate) fn new(script: Script) -> Self {
        let phase = || PhaseAnswers {
            offered: 0,
            answers: [0; 4],
            latency: histogram(),
        };
        Self {
            script,
            answers: Mutex::new(Answers {
                phases: PHASES.iter().map(|_| phase()).collect(),
                slices: Vec::new(),
                recovery: Vec::new(),
                seconds: vec![Second::default(); script.seconds as usize],
            }),
            inventory: Arrivals::default(),
            recommendations: Arrivals::default(),
        }
    }

    /// A request is due at that time after the start.
    pub(crate) fn offer(&self, due: Duration) {
        if let Some(phase) = self.script.phase_at(due) {
            self.lock().phases[phase].offered += 1;
        }
    }

    /// The request that was due then came to this end after `latency`.
    pub(crate) fn answer(&self, due: Duration, answer: Answer, latency: Duration) {
        let Some(index) = self.script.phase_at(due) else {
            return;
        };
        let mut answers = self.lock();
        let phase = &mut answers.phases[index];
        phase.answers[answer as usize] += 1;
        record(&mut phase.latency, latency);
        let second = usize::try_from(due.as_secs()).unwrap_or(usize::MAX);
        if let Some(second) = answers.seconds.get_mut(second) {
            second.answers[answer as usize] += 1;
            second.latencies.push(latency);
        }
        if self.script.is_settled(due) {
            let slice = slice_of(due);
            if answers.slices.len() <= slice {
                answers.slices.resize(slice + 1, None);
            }
            record(answers.slices[slice].get_or_insert_with(histogram), latency);
        }
        if index == RECOVERY {
            answers.recovery.push((due, answer == Answer::Full));
        }
    }

    /// The figures of a phase so far.
    pub(crate) fn figures(&self, phase: usize) -> Figures {
        let answers = self.lock();
        let PhaseAnswers {
            offered,
            answers: [full, degraded, refused, failed],
            latency,
        } = &answers.phases[phase];
        let (inventory_first, inventory_retries) = self.inventory.of(phase);
        let (recommendations_first, recommendations_retries) = self.recommendations.of(phase);
        Figures {
            offered: *offered,
            full: *full,
            degraded: *degraded,
            refused: *refused,
            failed: *failed,
            p50_ms: quantile(latency, 0.5),
            p99_ms: quantile(latency, 0.99),
            inventory_first,
            inventory_retries,
            recommendations_first,
            recommendations_retries,
        }
    }

    /// How long after the outage of inventory pages were full again, if it came to that: from the end of the
    /// outage to the first of [`ROW`] full pages in a row.
    pub(crate) fn full_again_after(&self) -> Option<Duration> {
        let mut answers = self.lock().recovery.clone();
        answers.sort_unstable_by_key(|&(due, _)| due);
        let row = answers
            .windows(ROW)
            .find(|row| row.iter().all(|&(_, full)| full))?;
        Some(row[0].0.saturating_sub(self.script.start_of(RECOVERY)))
    }

    /// Median latencies, in milliseconds, of the slices of the calm phases.
    pub(crate) fn calm_medians(&self) -> Vec<f64> {
        let answers = self.lock();
        let slices = answers.slices.iter().flatten();
        slices.map(|slice| quantile(slice, 0.5)).collect()
    }

    /// Answers and latencies, second by second.
    pub(crate) fn seconds(&self) -> Vec<Second> {
        self.lock().seconds.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The slice in which a request is due.
pub(crate) fn slice_of(due: Duration) -> usize {
    usize::try_from(due.as_millis() / SLICE.as_millis()).unwrap_or(usize::MAX)
}

/// Of microseconds up to a minute, to three digits.
fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("these bounds are valid")
}

fn record(histogram: &mut Histogram<u32>, latency: Duration) {
    histogram.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
}

/// In milliseconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "at most a minute, in microseconds"
)]
fn quantile(histogram: &Histogram<u32>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1000.0
}

/// The middle one of the values; `None` of none.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: Script = Script {
        rps: 100,
        seconds: 40,
    };

    #[test]
    fn answers_belong_to_the_phase_in_which_they_were_to_be_sent() {
        let stats = Stats::new(SCRIPT);
        let late = SCRIPT.start_of(1).mul_f64(0.999);
        stats.offer(late);
        stats.answer(late, Answer::Failed, Duration::from_secs(2));
        let figures = stats.figures(0);
        assert_eq!((figures.offered, figures.failed), (1, 1));
        assert!((figures.p99_ms - 2000.0).abs() < 2.0, "{figures:?}");
        assert_eq!(stats.figures(1), Figures::default());
    }

    #[test]
    fn calls_are_counted_where_they_arrive() {
        let stats = Stats::new(SCRIPT);
        stats.inventory.note(Some(1), false);
        stats.inventory.note(Some(1), true);
        stats.inventory.note(Some(1), true);
        stats.recommendations.note(Some(1), false);
        stats.inventory.note(None, false);
        let figures = stats.figures(1);
        assert_eq!(figures.inventory_first, 1);
        assert_eq!(figures.inventory_retries, 2);
        assert_eq!(figures.recommendations_first, 1);
        assert_eq!(figures.recommendations_retries, 0);
    }

    #[test]
    fn full_again_is_the_start_of_a_row_of_full_answers() {
        let stats = Stats::new(SCRIPT);
        let mut due = SCRIPT.start_of(RECOVERY);
        let mut answer = |answer| {
            stats.answer(due, answer, Duration::ZERO);
            due += Duration::from_millis(10);
            stats.full_again_after()
        };
        for _ in 1..ROW {
            assert_eq!(answer(Answer::Full), None);
        }
        assert_eq!(answer(Answer::Degraded), None);
        for _ in 1..ROW {
            assert_eq!(answer(Answer::Full), None);
        }
        assert_eq!(answer(Answer::Full), Some(Duration::from_millis(200)));
        assert_eq!(answer(Answer::Failed), Some(Duration::from_millis(200)));
    }

    #[test]
    fn only_calm_phases_are_sliced() {
        let stats = Stats::new(SCRIPT);
        stats.answer(Duration::ZERO, Answer::Full, Duration::from_millis(4));
        stats.answer(SLICE, Answer::Full, Duration::from_millis(2));
        stats.answer(SCRIPT.start_of(1), Answer::Full, Duration::from_millis(9));
        let medians: Vec<_> = stats.calm_medians().iter().map(|ms| ms.round()).collect();
        assert_eq!(medians, [4.0, 2.0]);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
