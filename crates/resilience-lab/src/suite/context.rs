//! What a scenario is run with.

use resilience_core::{
    BoxError,
    sync::{Mutex, lock},
};
use std::{fmt, num::NonZero, sync::Condvar, thread};

/// Hears how far the suite is. Called from several threads.
pub trait Progress: Sync {
    /// So many simulations more will be run.
    fn planned(&self, simulations: u64);

    /// One of them is done.
    fn done(&self, scenario: &str);
}

/// Nobody wants to know.
impl Progress for () {
    fn planned(&self, _: u64) {}

    fn done(&self, _: &str) {}
}

/// What a scenario is run with: the seed, and the cores.
pub struct Context<'a> {
    scenario: &'static str,
    seed: u64,
    cores: &'a Cores,
    progress: &'a dyn Progress,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        scenario: &'static str,
        seed: u64,
        cores: &'a Cores,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            scenario,
            seed,
            cores,
            progress,
        }
    }

    /// For the simulations of the scenario. The same for each: stacks are compared under the same arrivals.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Runs a simulation for each item, on as many threads as there are cores; in real time, on some more. Results are in the
    /// order of the items, whatever order they were run in.
    pub fn each<I: Send, T: Send>(
        &self,
        items: impl IntoIterator<Item = I>,
        simulation: impl Fn(I) -> Result<T, BoxError> + Sync,
    ) -> Result<Vec<T>, BoxError> {
        let items: Vec<_> = items.into_iter().collect();
        self.progress.planned(items.len() as u64);
        let simulation = &simulation;
        thread::scope(|scope| {
            let run = |item| {
                let _core = self.cores.take();
                let result = simulation(item);
                self.progress.done(self.scenario);
                result
            };
            let threads: Vec<_> = items
                .into_iter()
                .map(|item| scope.spawn(move || run(item)))
                .collect();
            let results = threads.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err("a simulation panicked".into()))
            });
            results.collect()
        })
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("scenario", &self.scenario)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// So many simulations at a time, in the order in which they ask: what takes longest shall not begin last by chance.
pub(super) struct Cores {
    line: Mutex<Line>,
    moved: Condvar,
}

struct Line {
    free: usize,
    /// How many have asked, and how many of them have got one.
    asked: u64,
    served: u64,
}

impl Cores {
    /// `each` simulations at a time on each core.
    pub(super) fn new(each: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            line: Mutex::new(Line {
                free: each * cores,
                asked: 0,
                served: 0,
            }),
            moved: Condvar::new(),
        }
    }

    fn take(&self) -> Core<'_> {
        let mut line = lock(&self.line);
        let place = line.asked;
        line.asked += 1;
        let mut line = self
            .moved
            .wait_while(line, |line| line.free == 0 || line.served != place)
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        line.free -= 1;
        line.served += 1;
        self.moved.notify_all();
        Core(self)
    }
}

/// Given back when dropped.
struct Core<'a>(&'a Cores);

impl Drop for Core<'_> {
    fn drop(&mut self) {
        lock(&self.0.line).free += 1;
        self.0.moved.notify_all();
    }
}
