//! Nanoseconds per call, on one thread and on several.

use crate::{
    drive::runtime,
    list::is_bare_of,
    progress::Progress,
    stats::Spread,
    subject::{Instance, Runner, Subject},
};
use std::{
    hint::{black_box, spin_loop},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Of one subject in one round.
    pub batch: Duration,
    pub rounds: usize,
}

/// A subject with as many calls as fit into a batch.
struct Prepared {
    instance: Instance,
    runner: Runner,
    batch: u64,
}

/// A large state is given so many times as long.
const LARGE: u32 = 40;

fn prepare(subject: &Subject, batch: Duration) -> Prepared {
    let batch = if subject.large { LARGE * batch } else { batch };
    let mut instance = (subject.make)();
    let mut runner = instance.runner();
    let calls = if subject.quick { 2_000 } else { 2 };
    runner(calls);
    let start = Instant::now();
    runner(calls);
    let each = start.elapsed().as_secs_f64() / calls as f64;
    let fit = (batch.as_secs_f64() / each) as u64;
    Prepared {
        instance,
        runner,
        batch: fit.max(if subject.quick { 100 } else { 1 }),
    }
}

fn nanos_each(runner: &mut Runner, calls: u64) -> f64 {
    let start = Instant::now();
    black_box(runner(calls));
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// A different order in every round, so that nobody always comes after the same one.
fn shuffled(round: usize, len: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..len).collect();
    let mix = |n: usize| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    order.sort_by_key(|index| mix((mix(index * 1_000 + round) >> 32) as usize));
    order
}

/// Above the bare service of the same round, for each subject.
pub fn one_thread(subjects: &[Subject], effort: Effort) -> Vec<Spread> {
    let runtime = runtime();
    let _entered = runtime.enter();
    let mut all: Vec<_> = subjects.iter().map(|s| prepare(s, effort.batch)).collect();
    let mut raw = vec![Vec::with_capacity(effort.rounds); subjects.len()];
    let mut progress = Progress::new("one thread", effort.rounds);
    for round in 0..effort.rounds {
        for index in shuffled(round, subjects.len()) {
            let Prepared { runner, batch, .. } = &mut all[index];
            // What the others have put out of caches and predictors comes back.
            runner(*batch / 4);
            raw[index].push(nanos_each(runner, *batch));
        }
        progress.step();
    }
    let above = |index: usize| above_bare(subjects, &raw, index);
    (0..subjects.len()).map(above).map(Spread::of).collect()
}

fn above_bare(subjects: &[Subject], raw: &[Vec<f64>], index: usize) -> Vec<f64> {
    let bare = subjects
        .iter()
        .position(|other| is_bare_of(other, subjects[index].bare))
        .expect("there is one for each");
    if bare == index {
        return raw[index].clone();
    }
    let both = raw[index].iter().zip(&raw[bare]);
    both.map(|(all, bare)| all - bare).collect()
}

/// What so many threads on one policy reach.
#[derive(Clone, Copy, Debug)]
pub struct Threads {
    pub number: usize,
    /// Nanoseconds per call of each thread, above the bare service in as many threads.
    pub each: Spread,
    /// The calls of all threads together by those of one, the bare service included.
    pub gain: Spread,
}

/// With one thread, and with 2, 4, 8 and so on up to `most`. Nothing for subjects that are slow.
pub fn many_threads(subjects: &[Subject], effort: Effort, most: usize) -> Vec<Vec<Threads>> {
    let mut all: Vec<_> = {
        let runtime = runtime();
        let _entered = runtime.enter();
        subjects.iter().map(|s| prepare(s, effort.batch)).collect()
    };
    let doubled = std::iter::successors(Some(1), |n| Some(2 * n));
    let mut numbers: Vec<_> = doubled.take_while(|n| *n < most).collect();
    numbers.push(most);
    let mut raw = vec![vec![Vec::with_capacity(effort.rounds); subjects.len()]; numbers.len()];
    let mut progress = Progress::new("many threads", effort.rounds);
    for round in 0..effort.rounds {
        for index in shuffled(round, subjects.len()) {
            if !subjects[index].quick {
                continue;
            }
            let Prepared {
                instance, batch, ..
            } = &mut all[index];
            for (threads, raw) in numbers.iter().zip(&mut raw) {
                raw[index].push(together(instance, *batch, *threads));
            }
        }
        progress.step();
    }
    let figures = |index: usize| {
        let of = |(number, many): (&usize, &Vec<Vec<f64>>)| {
            let pairs = raw[0][index].iter().zip(&many[index]);
            let gain = pairs.map(|(one, many)| *number as f64 * one / many);
            Threads {
                number: *number,
                each: Spread::of(above_bare(subjects, many, index)),
                gain: Spread::of(gain.collect()),
            }
        };
        let measured = numbers.iter().zip(&raw).skip(1);
        let measured = measured.filter(|_| subjects[index].quick);
        measured.map(of).collect()
    };
    (0..subjects.len()).map(figures).collect()
}

/// Nanoseconds per call of each thread, where all have run at the same time.
///
/// On a machine that is busy with something else, one thread may be waiting for a core while the others run, which would look like
/// perfect scaling. Such a batch is made again; NaN if it never comes to anything.
fn together(instance: &mut Instance, calls: u64, threads: usize) -> f64 {
    const ATTEMPTS: usize = 20;
    let batches = (0..ATTEMPTS).map(|_| batch(instance, calls, threads));
    let at_once = |runs: &Vec<Run>| overlap(runs) >= OVERLAP;
    batches
        .filter(at_once)
        .map(|runs| mean(&runs))
        .next()
        .unwrap_or(f64::NAN)
        / calls as f64
}

/// How large a part of the time between the first start and the last end all must be running.
const OVERLAP: f64 = 0.8;

/// When a thread has begun and ended its calls.
type Run = (Instant, Instant);

fn overlap(runs: &[Run]) -> f64 {
    let (starts, ends) = (runs.iter().map(|run| run.0), runs.iter().map(|run| run.1));
    let (first, last) = (starts.clone().min(), starts.max());
    let (earliest, latest) = (ends.clone().min(), ends.max());
    let between = |from: Option<Instant>, to: Option<Instant>| {
        let (from, to) = from.zip(to).expect("at least one");
        to.saturating_duration_since(from).as_secs_f64()
    };
    between(last, earliest) / between(first, latest)
}

/// In nanoseconds.
fn mean(runs: &[Run]) -> f64 {
    let each = runs
        .iter()
        .map(|(start, end)| (*end - *start).as_nanos() as f64);
    each.sum::<f64>() / runs.len() as f64
}

/// So many calls in each thread, all of which begin at once.
fn batch(instance: &mut Instance, calls: u64, threads: usize) -> Vec<Run> {
    let waiting = AtomicUsize::new(threads);
    let runners: Vec<_> = (0..threads).map(|_| instance.runner()).collect();
    thread::scope(|scope| {
        let run = |mut runner: Runner| {
            let waiting = &waiting;
            scope.spawn(move || {
                let runtime = runtime();
                let _entered = runtime.enter();
                runner(calls / 4);
                waiting.fetch_sub(1, SeqCst);
                while waiting.load(SeqCst) > 0 {
                    spin_loop();
                }
                let start = Instant::now();
                black_box(runner(calls));
                (start, Instant::now())
            })
        };
        let running: Vec<_> = runners.into_iter().map(run).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, Run>| thread.join().expect("no panic");
        running.into_iter().map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_run_one_after_another_do_not_overlap() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let of = |runs: &[(u64, u64)]| {
            let runs: Vec<_> = runs.iter().map(|(a, b)| (at(*a), at(*b))).collect();
            overlap(&runs)
        };
        for (runs, overlaps) in [
            (&[(0, 10)][..], 1.0),
            (&[(0, 10), (0, 10)], 1.0),
            (&[(0, 10), (1, 9)], 0.8),
            (&[(0, 10), (20, 30)], 0.0),
            (&[(0, 10), (0, 20)], 0.5),
        ] {
            assert!((of(runs) - overlaps).abs() < 1e-9, "{runs:?}");
        }
    }
}
