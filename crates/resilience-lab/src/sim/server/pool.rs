//! Workers, and the queue in front of them.

mod totals;
mod work;

pub(crate) use totals::Totals;
pub(super) use work::{Overflow, Work};

use super::config::{Discipline, ServerConfig, WhileWaiting};
use crate::sim::{
    Sampler, Sim, Stream,
    engine::Fire,
    fault::{Effect, Schedule},
};
use resilience_core::{
    ConfigError, nanos,
    sync::{Mutex, MutexGuard, lock},
};
use slab::Slab;
use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

/// The token of the event that lets new work begin.
const LOOK: u64 = u64::MAX;

/// The workers of one server.
pub(crate) struct Pool {
    me: Weak<Self>,
    sim: Sim,
    held: bool,
    discipline: Discipline,
    bound: u64,
    workers: u64,
    service_time: Sampler,
    refusal_time: u64,
    state: Mutex<State>,
}

struct State {
    jobs: Slab<Job>,
    /// Keys of jobs that wait, and the number of the job, since keys are used again.
    queue: VecDeque<(usize, u64)>,
    /// As `queue`, for refusals.
    refusals: VecDeque<(usize, u64)>,
    numbered: u64,
    stream: Stream,
    faults: Schedule,
    totals: Totals,
}

struct Job {
    number: u64,
    entered: u64,
    refusal: bool,
    stage: Stage,
}

enum Stage {
    Waiting(Waker),
    /// With the waker of who waits for the end; `None` if nobody does any more.
    Serving(Option<Waker>),
    Done,
}

impl Pool {
    pub(crate) fn new(sim: &Sim, config: &ServerConfig) -> Result<Arc<Self>, ConfigError> {
        config.validate()?;
        let faults = Schedule::new(
            &config.faults,
            sim.stream(&format!("{}/faults", config.name)),
        )?;
        let returns: Vec<u64> = faults.returns().collect();
        let (service_time, refusal_time) = (config.service_time.sampler()?, config.refusal_time()?);
        let now = nanos(sim.now());
        let pool = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            sim: sim.clone(),
            held: config.while_waiting == WhileWaiting::Held,
            discipline: config.discipline,
            bound: config.queue.unwrap_or(u64::MAX),
            workers: config.workers,
            service_time,
            refusal_time: nanos(refusal_time),
            state: Mutex::new(State {
                jobs: Slab::new(),
                queue: VecDeque::new(),
                refusals: VecDeque::new(),
                numbered: 0,
                stream: sim.stream(&format!("{}/service", config.name)),
                faults,
                totals: Totals::default().anew(now),
            }),
        });
        for at in returns {
            sim.engine().plan(at, pool.clone(), LOOK);
        }
        Ok(pool)
    }

    /// The state, with the areas up to now.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.totals.settle(self.now());
        state
    }

    fn now(&self) -> u64 {
        self.sim.engine().now()
    }

    /// A call has arrived at the server: what becomes of it.
    pub(crate) fn arrival(&self) -> Effect {
        let now = self.now();
        let mut state = self.state();
        state.totals.arrived += 1;
        state.faults.arrival(now)
    }

    pub(crate) fn refused(&self) {
        self.state().totals.refused += 1;
    }

    /// An answer that nobody waited for.
    pub(crate) fn wasted(&self) {
        self.state().totals.dead += 1;
    }

    pub(crate) fn totals(&self) -> Totals {
        self.state().totals
    }

    /// Counts from here.
    pub(crate) fn forget(&self) {
        let now = self.now();
        let mut state = self.state();
        state.totals = state.totals.anew(now);
    }

    pub(crate) fn refusing_costs(&self) -> bool {
        self.refusal_time > 0
    }

    /// Waits for a worker and its work.
    pub(crate) fn work(self: &Arc<Self>, refusal: bool) -> Work {
        Work::new(self.clone(), refusal)
    }

    /// Joins the queue, and begins at once if a worker is free. `None` if the queue is full.
    fn enter(&self, refusal: bool, cx: &Context<'_>) -> Option<usize> {
        let now = self.now();
        let mut state = self.state();
        if !refusal && state.totals.waiting >= self.bound && !self.has_free(&state, now) {
            state.totals.overflowed += 1;
            return None;
        }
        state.numbered += 1;
        let number = state.numbered;
        let key = state.jobs.insert(Job {
            number,
            entered: now,
            refusal,
            stage: Stage::Waiting(cx.waker().clone()),
        });
        if refusal {
            state.refusals.push_back((key, number));
        } else {
            state.queue.push_back((key, number));
            state.totals.waiting += 1;
        }
        self.start(&mut state);
        Some(key)
    }

    fn poll(&self, key: usize, cx: &Context<'_>) -> Poll<Result<(), Overflow>> {
        match &mut self.state().jobs[key].stage {
            Stage::Waiting(waker) | Stage::Serving(Some(waker)) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            Stage::Serving(None) => unreachable!("nobody polls what has been dropped"),
            Stage::Done => Poll::Ready(Ok(())),
        }
    }

    fn has_free(&self, state: &State, now: u64) -> bool {
        state.totals.busy < state.faults.workers(self.workers, now)
    }

    /// Gives work to workers that have none.
    fn start(&self, state: &mut State) {
        let now = self.now();
        while self.has_free(state, now) {
            let Some(key) = state.next(self.discipline) else {
                return;
            };
            let took = if state.jobs[key].refusal {
                self.refusal_time
            } else {
                let plain = self.service_time.draw(&mut state.stream);
                let totals = &mut state.totals;
                totals.waiting -= 1;
                totals.started += 1;
                totals.wait += u128::from(now - state.jobs[key].entered);
                nanos(state.faults.service_time(plain, now))
            };
            state.totals.busy += 1;
            let job = &mut state.jobs[key];
            if let Stage::Waiting(waker) = &mut job.stage {
                job.stage = Stage::Serving(Some(std::mem::replace(waker, Waker::noop().clone())));
            }
            if let Some(me) = self.me.upgrade() {
                let end = now.saturating_add(took);
                self.sim.engine().plan(end, me, key as u64);
            }
        }
    }

    /// The worker of a job is free again.
    fn release(&self, state: &mut State) {
        state.totals.busy -= 1;
        self.start(state);
    }

    /// Nobody waits for the job any more.
    fn leave(&self, key: usize) {
        let mut state = self.state();
        match &mut state.jobs[key].stage {
            Stage::Serving(waker) => *waker = None,
            Stage::Waiting(_) => {
                if !state.jobs.remove(key).refusal {
                    state.totals.waiting -= 1;
                }
            }
            Stage::Done => {
                if self.holds(&state.jobs.remove(key)) {
                    self.release(&mut state);
                }
            }
        }
    }

    /// Whether the worker of a job is not free before who waited for it says so.
    fn holds(&self, job: &Job) -> bool {
        self.held && !job.refusal
    }
}

impl Fire for Pool {
    fn fire(self: Arc<Self>, token: u64) {
        let mut state = self.state();
        if token == LOOK {
            self.start(&mut state);
            return;
        }
        let key = usize::try_from(token).expect("a key");
        let job = &mut state.jobs[key];
        let (held, refusal) = (self.holds(job), job.refusal);
        let waker = match std::mem::replace(&mut job.stage, Stage::Done) {
            Stage::Serving(waker) => waker,
            Stage::Waiting(_) | Stage::Done => unreachable!("it was planned once, when it began"),
        };
        if waker.is_none() {
            state.jobs.remove(key);
        }
        if !refusal {
            state.totals.served += 1;
            state.totals.dead += u64::from(waker.is_none());
        }
        if !held || waker.is_none() {
            self.release(&mut state);
        }
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    /// Takes the job that is next: refusals first.
    fn next(&mut self, discipline: Discipline) -> Option<usize> {
        loop {
            let (key, number) = self.refusals.pop_front().or_else(|| match discipline {
                Discipline::Fifo => self.queue.pop_front(),
                Discipline::Lifo => self.queue.pop_back(),
            })?;
            if self.jobs.get(key).is_some_and(|job| job.number == number) {
                return Some(key);
            }
        }
    }
}
