//! A simulation, and the handle that everything in it has.

use super::{
    Lateness, Stream,
    engine::{Engine, Pace, Sleep},
    series::{Series, Track},
};
use resilience_core::{
    Entropy, clock,
    sync::{Mutex, lock},
};
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use tokio::{runtime::Builder, task::JoinHandle};

/// A system that runs in virtual time, or in [real time](Self::real_time).
///
/// Of its own, it is deterministic: the same seed and scenario give the same figures, to the byte, on every machine. Layers
/// that read another clock than tokio's, or draw from another source of chance than `fastrand` or what they are handed,
/// are not; `tokio::select!` that is not `biased` is such a source.
#[derive(Clone, Debug)]
#[must_use = "a simulation does nothing until it is run"]
pub struct Simulation {
    seed: u64,
    lateness: Option<Lateness>,
}

impl Simulation {
    /// A simulation whose chances all come from `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            lateness: None,
        }
    }

    /// Lets the time be that of the system's clock, for layers that read another clock than tokio's: what takes a minute takes a
    /// minute. `lateness` hears how late events were; what it says is part of the result, since a machine that has
    /// other things to do plays another scenario than the one that was written.
    ///
    /// Arrivals, service times and faults are those of virtual time, to the nanosecond, however late each of them was: lateness
    /// does not add up. What the layers do is no longer the same each time.
    pub fn real_time(mut self, lateness: &Lateness) -> Self {
        self.lateness = Some(lateness.clone());
        self
    }

    /// Runs `scenario` on this thread, until it is done. Build the layers in it: they read the clock of the simulation.
    ///
    /// # Panics
    ///
    /// If the scenario panics, if it waits for something that will never happen (in real time it waits), or within another tokio runtime.
    pub fn run<T>(self, scenario: impl AsyncFnOnce(Sim) -> T) -> T {
        let pace = self.lateness.map_or(Pace::Virtual, Pace::Real);
        let is_virtual = matches!(pace, Pace::Virtual);
        let engine = Engine::new(pace);
        let (steps, looks) = (engine.clone(), engine.clone());
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(is_virtual)
            .event_interval(1 << 20)
            .on_thread_park(move || steps.step())
            .on_thread_unpark(move || looks.look())
            .build()
            .expect("a runtime without I/O");
        let sim = Sim(Arc::new(Inner {
            engine: engine.clone(),
            seed: self.seed,
            names: Mutex::default(),
            tracks: Mutex::default(),
        }));
        let _chances = Chances::seeded(sim.stream("fastrand").bits());
        let result = runtime.block_on(async {
            let _anew = clock::begin_anew();
            engine.begin();
            let result = scenario(sim).await;
            engine.end();
            result
        });
        drop(runtime);
        result
    }
}

/// A handle of the running simulation: its time, its chances, its tasks, what is sampled. Clones are the same.
#[derive(Clone)]
pub struct Sim(Arc<Inner>);

struct Inner {
    engine: Arc<Engine>,
    seed: u64,
    /// How many streams of each name there are.
    names: Mutex<BTreeMap<String, u64>>,
    tracks: Mutex<Vec<Arc<Track>>>,
}

impl Sim {
    /// Time since the simulation began: the time for which what happens was planned.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.0.engine.now())
    }

    /// The time since the simulation began by the clock that the layers read: [`now`](Self::now) in virtual time.
    pub(crate) fn clock(&self) -> Duration {
        Duration::from_nanos(self.0.engine.clock())
    }

    /// Waits for `duration`, to the nanosecond. (Tokio's timers, which the layers use, are rounded up to milliseconds, as they
    /// are in production.)
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now().saturating_add(duration))
    }

    /// Waits until `time` since the simulation began. Ready at once if that has passed.
    pub fn sleep_until(&self, time: Duration) -> Sleep {
        self.0.engine.sleep_until(resilience_core::nanos(time))
    }

    /// The random numbers of the component `name`. The second stream of a name is another than the first.
    pub fn stream(&self, name: &str) -> Stream {
        let mut names = lock(&self.0.names);
        let nth = names.entry(name.to_owned()).or_default();
        *nth += 1;
        Stream::new(self.0.seed, name, *nth)
    }

    /// The jitter of the component `name`, for builders that take an [`Entropy`].
    pub fn entropy(&self, name: &str) -> Entropy {
        Entropy::seeded(self.stream(name).bits())
    }

    /// Runs `build` so that the jitter of what it builds comes from the stream `name`: for presets, which make their own.
    ///
    /// Without it, their jitter repeats too, but depends on what has been built before.
    pub fn seeded<T>(&self, name: &str, build: impl FnOnce() -> T) -> T {
        let _chances = Chances::seeded(self.stream(name).bits());
        build()
    }

    /// Runs `task` beside the scenario, until it or the simulation ends.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        tokio::spawn(task)
    }

    /// Samples `value` now and at each multiple of `every`.
    ///
    /// # Panics
    ///
    /// If `every` is zero.
    pub fn track(
        &self,
        name: impl Into<String>,
        every: Duration,
        mut value: impl FnMut() -> f64 + Send + 'static,
    ) {
        assert!(!every.is_zero(), "`every` is zero");
        let track = Arc::new(Track::new(name.into(), every));
        lock(&self.0.tracks).push(track.clone());
        let sim = self.clone();
        tokio::spawn(async move {
            let mut at = sim.now();
            loop {
                sim.sleep_until(at).await;
                track.push(at, value());
                at += every;
            }
        });
    }

    /// Samples by how much `total` grows, per second, in each interval of the length `every`. A point stands at the end of its
    /// interval.
    ///
    /// # Panics
    ///
    /// If `every` is zero.
    pub fn track_rate(
        &self,
        name: impl Into<String>,
        every: Duration,
        mut total: impl FnMut() -> u64 + Send + 'static,
    ) {
        let mut before = None;
        self.track(name, every, move || {
            let now = total();
            let grown = now.saturating_sub(before.replace(now).unwrap_or(now));
            super::float(grown) / every.as_secs_f64()
        });
    }

    /// What has been sampled so far, in the order in which the tracks began.
    pub fn series(&self) -> Vec<Series> {
        lock(&self.0.tracks).iter().map(|t| t.series()).collect()
    }

    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.0.seed)
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

/// The thread's generator, from which `Entropy::new` and others seed theirs, is seeded while this lives.
struct Chances {
    after: u64,
}

impl Chances {
    fn seeded(seed: u64) -> Self {
        let after = fastrand::u64(..);
        fastrand::seed(seed);
        Self { after }
    }
}

impl Drop for Chances {
    fn drop(&mut self) {
        fastrand::seed(self.after);
    }
}
