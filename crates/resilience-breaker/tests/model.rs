//! The machine against a naive model, which keeps every outcome and counts them all each time.
#![cfg(not(resilience_loom))]

use proptest::{collection::vec, option, prelude::*};
use resilience_breaker::{
    Abandoned, BreakerBuilder, State,
    machine::{Machine, Ticket},
};
use resilience_core::{Now, Outcome, Timestamp};
use std::time::Duration;

const MILLI: u64 = 1_000_000;
const LIMIT: u64 = 100;
const SLOW: u64 = 40;
const STEADY: u32 = 2;
const BASE: u64 = 50;
const CAP: u64 = 150;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_nanos(millis * MILLI)
}

fn now(millis: u64) -> Now {
    Now::at(at(millis))
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[derive(Clone, Debug)]
struct Config {
    window: Window,
    failure_rate: Option<f64>,
    slow_rate: Option<f64>,
    minimum_calls: usize,
    run: Option<(u32, u64)>,
    probes: usize,
    judge: Judge,
    abandoned: Abandoned,
    /// One, where the model is exact: it dates every success when it comes.
    success_batch: u32,
}

#[derive(Clone, Debug)]
enum Window {
    Count(usize),
    Time {
        width: u64,
        buckets: u64,
        covered: u64,
    },
}

#[derive(Clone, Debug)]
enum Judge {
    InARow(usize),
    ByRate(usize),
}

impl Config {
    fn machine(&self) -> Machine {
        let mut builder = BreakerBuilder::new("model")
            .failure_rate(self.failure_rate)
            .minimum_calls(self.minimum_calls as u64)
            .consecutive_failures(self.run.map(|run| run.0))
            .open_growing(millis(BASE), STEADY, 2.0, millis(CAP))
            .open_jitter(0.0)
            .probes(self.probes)
            .probe_limit(millis(LIMIT))
            .abandoned(self.abandoned)
            .success_batch(self.success_batch);
        if let Some((_, spread)) = self.run {
            builder = builder.minimum_spread(millis(spread));
        }
        if let Some(rate) = self.slow_rate {
            builder = builder
                .slow_call_duration(millis(SLOW))
                .slow_call_rate(rate);
        }
        builder = match self.window {
            Window::Count(length) => builder.count_window(length),
            Window::Time {
                width,
                buckets,
                covered,
            } => builder
                .time_window(millis(width * buckets), u32::try_from(buckets).unwrap())
                .minimum_covered(millis(covered)),
        };
        builder = match self.judge {
            Judge::InARow(needed) => builder.successes_to_close(u32::try_from(needed).unwrap()),
            Judge::ByRate(needed) => builder.judge_probes_after(u32::try_from(needed).unwrap()),
        };
        builder.machine().unwrap()
    }

    fn exceeded(&self, marks: &[Mark]) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let share = |part: usize| part as f64 / marks.len() as f64;
        let failures = marks.iter().filter(|mark| mark.failure).count();
        let slow = marks.iter().filter(|mark| mark.slow).count();
        self.failure_rate
            .is_some_and(|rate| share(failures) >= rate)
            || self.slow_rate.is_some_and(|rate| share(slow) >= rate)
    }
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    time: u64,
    failure: bool,
    slow: bool,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    epoch: u64,
    admitted: u64,
    probe: bool,
    id: u64,
    head: Option<bool>,
}

#[derive(Debug)]
struct Model {
    config: Config,
    time: u64,
    epoch: u64,
    state: State,
    until: u64,
    openings: u32,
    /// Since the breaker was closed.
    history: Vec<Mark>,
    /// The times of the failures since the last success.
    run: Vec<u64>,
    under_way: Vec<Call>,
    results: Vec<Mark>,
    calls: u64,
}

impl Model {
    fn new(config: Config) -> Self {
        Self {
            config,
            time: 77_777,
            epoch: 0,
            state: State::Closed,
            until: 0,
            openings: 0,
            history: Vec::new(),
            run: Vec::new(),
            under_way: Vec::new(),
            results: Vec::new(),
            calls: 0,
        }
    }

    fn enter(&mut self, state: State) {
        self.epoch += 1;
        self.state = state;
        self.under_way.clear();
        self.results.clear();
    }

    fn open(&mut self) {
        self.openings += 1;
        let growth = 1 << self.openings.saturating_sub(STEADY).min(10);
        self.until = self.time + (BASE * growth).min(CAP);
        self.enter(State::Open);
    }

    fn close(&mut self) {
        self.history.clear();
        self.run.clear();
        self.openings = 0;
        self.enter(State::Closed);
    }

    fn window(&self) -> Vec<Mark> {
        if self.config.failure_rate.is_none() && self.config.slow_rate.is_none() {
            return Vec::new();
        }
        match self.config.window {
            Window::Count(length) => {
                let skip = self.history.len().saturating_sub(length);
                self.history[skip..].to_vec()
            }
            Window::Time { width, buckets, .. } => {
                let oldest = (self.time / width + 1).saturating_sub(buckets);
                let inside = |mark: &&Mark| mark.time / width >= oldest;
                self.history.iter().filter(inside).copied().collect()
            }
        }
    }

    fn trips(&self, with_rates: bool) -> bool {
        if let (Some((failures, spread)), Some(first)) = (self.config.run, self.run.first())
            && self.run.len() >= failures as usize
            && self.time - first >= spread
        {
            return true;
        }
        let window = self.window();
        let covers = match self.config.window {
            Window::Count(_) => true,
            Window::Time { covered, .. } => window
                .first()
                .is_some_and(|first| self.time - first.time >= covered),
        };
        with_rates
            && covers
            && window.len() >= self.config.minimum_calls
            && self.config.exceeded(&window)
    }

    fn judge(&mut self, mark: Mark) {
        self.results.push(mark);
        let verdict = match self.config.judge {
            Judge::InARow(_) if mark.failure || mark.slow => Some(false),
            Judge::InARow(needed) => (self.results.len() == needed).then_some(true),
            Judge::ByRate(needed) => {
                (self.results.len() == needed).then(|| !self.config.exceeded(&self.results))
            }
        };
        match verdict {
            Some(true) => self.close(),
            Some(false) => self.open(),
            None => {}
        }
    }

    /// Ends the probes that have had their time.
    fn expire(&mut self) {
        let epoch = self.epoch;
        while epoch == self.epoch {
            let late = |call: &Call| self.time - call.admitted >= LIMIT;
            let Some(late) = self.under_way.iter().position(late) else {
                return;
            };
            let call = self.under_way.remove(late);
            self.judge(Mark {
                time: self.time,
                failure: call.head.is_none(),
                slow: call.head == Some(true),
            });
        }
    }

    /// Whether the next call brings something about that time has made due.
    fn due(&self) -> bool {
        let late = |call: &Call| self.time - call.admitted >= LIMIT;
        self.state == State::Open && self.time >= self.until || self.under_way.iter().any(late)
    }

    fn admit(&mut self) -> Result<Call, Option<Duration>> {
        if self.state == State::Open && self.time >= self.until {
            self.enter(State::HalfOpen);
        }
        self.expire();
        let probe = self.state == State::HalfOpen;
        match self.state {
            State::Open => return Err(Some(millis(self.until - self.time))),
            State::ForcedOpen => return Err(None),
            State::HalfOpen if self.under_way.len() == self.config.probes => return Err(None),
            _ => {}
        }
        self.calls += 1;
        let call = Call {
            epoch: self.epoch,
            admitted: self.time,
            probe,
            id: self.calls,
            head: None,
        };
        if probe {
            self.under_way.push(call);
        }
        Ok(call)
    }

    /// The call, if it may still move something.
    fn settle(&mut self, call: Call, expire: bool) -> bool {
        if expire && call.probe && call.epoch == self.epoch {
            self.expire();
        }
        if call.epoch != self.epoch {
            return false;
        }
        if !call.probe {
            return self.state == State::Closed;
        }
        let Some(place) = self.under_way.iter().position(|probe| probe.id == call.id) else {
            return false;
        };
        self.under_way.remove(place);
        true
    }

    fn record(&mut self, call: Call, failure: bool, slow: bool) {
        let time = self.time;
        if !self.settle(call, true) {
            return;
        }
        let mark = Mark {
            time,
            failure,
            slow,
        };
        if call.probe {
            return self.judge(mark);
        }
        self.history.push(mark);
        if failure {
            self.run.push(time);
        } else {
            self.run.clear();
        }
        if self.trips(failure || slow) {
            self.open();
        }
    }

    fn slow(&self, call: Call) -> bool {
        self.config.slow_rate.is_some() && call.head.unwrap_or(self.time - call.admitted >= SLOW)
    }

    fn head(&mut self, call: &mut Call) {
        let slow = self.slow(*call);
        call.head = Some(slow);
        if call.epoch != self.epoch || !call.probe {
            return;
        }
        self.expire();
        if let Some(probe) = self.under_way.iter_mut().find(|probe| probe.id == call.id) {
            probe.head = Some(slow);
            if slow && matches!(self.config.judge, Judge::InARow(_)) {
                self.open();
            }
        }
    }

    fn abandon(&mut self, call: Call) {
        let failure = match self.config.abandoned {
            _ if call.head.is_some() => false,
            Abandoned::ExtendsRun if call.probe => true,
            Abandoned::ExtendsRun => {
                if self.settle(call, true) {
                    self.run.push(self.time);
                    if self.trips(false) {
                        self.open();
                    }
                }
                return;
            }
            Abandoned::Failure => true,
            Abandoned::FailureAfter(limit) => millis(self.time - call.admitted) >= limit,
            _ => false,
        };
        if failure {
            let slow = self.slow(call);
            // A probe that extends the run has no duration to judge; it is a failure anyway.
            let slow = slow && self.config.abandoned != Abandoned::ExtendsRun;
            self.record(call, true, slow);
        } else {
            self.settle(call, true);
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Pass(u64),
    Admit,
    Finish(prop::sample::Index, Outcome),
    Head(prop::sample::Index),
    Drop(prop::sample::Index),
    Revert(prop::sample::Index),
    ForceOpen,
    ForceClosed,
    Reset,
}

fn ops() -> impl Strategy<Value = Op> {
    use prop::sample::Index;
    let outcome = prop_oneof![
        4 => Just(Outcome::Success),
        4 => Just(Outcome::TRANSIENT),
        1 => Just(Outcome::Permanent),
        1 => Just(Outcome::Ignored),
    ];
    prop_oneof![
        120 => (0..30_u64).prop_map(Op::Pass),
        40 => (30..200_u64).prop_map(Op::Pass),
        2 => (0..1_u64 << 40).prop_map(Op::Pass),
        240 => Just(Op::Admit),
        240 => (any::<Index>(), outcome).prop_map(|(index, outcome)| Op::Finish(index, outcome)),
        30 => any::<Index>().prop_map(Op::Head),
        30 => any::<Index>().prop_map(Op::Drop),
        20 => any::<Index>().prop_map(Op::Revert),
        2 => Just(Op::ForceOpen),
        2 => Just(Op::ForceClosed),
        4 => Just(Op::Reset),
    ]
}

fn configs() -> impl Strategy<Value = Config> {
    let rate = || prop::sample::select(vec![0.2, 0.25, 0.5, 1.0]);
    let window = prop_oneof![
        (1..9_usize).prop_map(Window::Count),
        (10..60_u64, 2..6_u64, 0..6_u64).prop_map(|(width, buckets, part)| Window::Time {
            width,
            buckets,
            covered: width * (buckets - 1) * part / 5,
        }),
    ];
    let judge = prop_oneof![
        (1..4_usize).prop_map(Judge::InARow),
        (1..5_usize).prop_map(Judge::ByRate),
    ];
    let abandoned = prop_oneof![
        Just(Abandoned::ExtendsRun),
        Just(Abandoned::Ignored),
        Just(Abandoned::Failure),
        Just(Abandoned::FailureAfter(millis(20))),
    ];
    (
        window,
        option::of(rate()),
        option::of(rate()),
        1..6_usize,
        option::of((1..5_u32, prop::sample::select(vec![0, 15, 60_u64]))),
        1..4_usize,
        judge,
        abandoned,
    )
        .prop_map(
            |(window, failure_rate, slow_rate, minimum_calls, run, probes, judge, abandoned)| {
                let rates = failure_rate.is_some() || slow_rate.is_some();
                Config {
                    minimum_calls: match window {
                        Window::Count(length) => minimum_calls.min(length),
                        Window::Time { .. } => minimum_calls,
                    },
                    window,
                    failure_rate,
                    slow_rate,
                    run: if rates { run } else { run.or(Some((3, 15))) },
                    probes,
                    judge: if rates { judge } else { Judge::InARow(2) },
                    abandoned,
                    success_batch: 1,
                }
            },
        )
}

/// Applies one operation to both, and compares what they answer.
fn step(
    op: &Op,
    machine: &Machine,
    model: &mut Model,
    calls: &mut Vec<(Ticket, Call)>,
) -> Result<(), TestCaseError> {
    let mut now = now(model.time);
    let take = |calls: &mut Vec<(Ticket, Call)>, index: prop::sample::Index| {
        (!calls.is_empty()).then(|| calls.swap_remove(index.index(calls.len())))
    };
    let (state, epoch) = (model.state, model.epoch);
    let transition = match *op {
        Op::Pass(millis) => {
            model.time += millis;
            None
        }
        Op::Admit => {
            let admission = machine.admit(&mut now);
            match (admission.ticket, model.admit()) {
                (Ok(ticket), Ok(call)) => {
                    prop_assert_eq!(ticket.is_probe(), call.probe);
                    prop_assert_eq!(ticket.epoch(), call.epoch);
                    calls.push((ticket, call));
                }
                (Err(refused), Err(retry_after)) => {
                    prop_assert_eq!(refused.retry_after, retry_after);
                }
                (machine, model) => prop_assert!(false, "{:?} is not {:?}", machine, model),
            }
            admission.transition
        }
        Op::Finish(index, outcome) => take(calls, index).and_then(|(ticket, call)| {
            match outcome {
                Outcome::Ignored => {
                    model.settle(call, true);
                }
                _ => model.record(call, outcome.is_failure(), model.slow(call)),
            }
            machine.finish(ticket, outcome, &mut now).transition
        }),
        Op::Head(index) if !calls.is_empty() => {
            let index = index.index(calls.len());
            let (ticket, call) = &mut calls[index];
            if call.head.is_none() {
                model.head(call);
                machine.head(ticket, &mut now)
            } else {
                None
            }
        }
        Op::Head(_) => None,
        Op::Drop(index) => take(calls, index).and_then(|(ticket, call)| {
            model.abandon(call);
            machine.abandon(ticket, &mut now).transition
        }),
        Op::Revert(index) => take(calls, index).and_then(|(ticket, call)| {
            model.settle(call, false);
            machine.revert(ticket);
            None
        }),
        Op::ForceOpen => {
            if state != State::ForcedOpen {
                model.enter(State::ForcedOpen);
            }
            machine.force_open()
        }
        Op::ForceClosed => {
            if state != State::ForcedClosed {
                model.enter(State::ForcedClosed);
            }
            machine.force_closed()
        }
        Op::Reset => {
            model.close();
            machine.reset()
        }
    };
    prop_assert_eq!(
        transition.map(|transition| (transition.from, transition.to, transition.epoch)),
        (state != model.state).then_some((state, model.state, epoch + 1))
    );
    Ok(())
}

fn compare(machine: &Machine, model: &Model) -> Result<(), TestCaseError> {
    let window = model.window();
    let snapshot = machine.snapshot(at(model.time));
    prop_assert_eq!(snapshot.state, model.state);
    prop_assert_eq!(machine.state(), model.state);
    prop_assert_eq!(machine.epoch(), model.epoch);
    prop_assert_eq!(snapshot.calls, window.len() as u64);
    let failures = window.iter().filter(|mark| mark.failure).count();
    prop_assert_eq!(snapshot.failures, failures as u64);
    let slow = window.iter().filter(|mark| mark.slow).count();
    prop_assert_eq!(snapshot.slow_calls, slow as u64);
    prop_assert_eq!(snapshot.consecutive_failures as usize, model.run.len());
    prop_assert_eq!(snapshot.openings_in_a_row, model.openings);
    prop_assert_eq!(snapshot.probes, model.under_way.len());
    let until =
        (model.state == State::Open).then(|| millis(model.until.saturating_sub(model.time)));
    prop_assert_eq!(snapshot.until_probe, until);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_machine_does_what_the_model_does(config in configs(), ops in vec(ops(), 1..250)) {
        let machine = config.machine();
        let mut model = Model::new(config);
        let mut calls = Vec::new();
        for op in ops {
            step(&op, &machine, &mut model, &mut calls)?;
            compare(&machine, &model)?;
        }
    }

    /// As when a full bulkhead beside the breaker refuses: a machine that sees admissions reverted in between
    /// is, after every step, where one is that does not.
    #[test]
    fn a_reverted_admission_leaves_no_trace(config in configs(), ops in vec(ops(), 1..150)) {
        let (machine, disturbed) = (config.machine(), config.machine());
        let (mut model, mut other) = (Model::new(config.clone()), Model::new(config));
        let (mut calls, mut others) = (Vec::new(), Vec::new());
        for op in ops {
            // Asking brings about what is due anyway; what is left is the admission alone.
            if !model.due() {
                let admission = disturbed.admit(&mut now(model.time));
                prop_assert_eq!(admission.transition, None);
                if let Ok(ticket) = admission.ticket {
                    disturbed.revert(ticket);
                }
            }
            step(&op, &machine, &mut model, &mut calls)?;
            step(&op, &disturbed, &mut other, &mut others)?;
            compare(&disturbed, &model)?;
        }
    }

    /// Dated later, successes are all still counted, and at most a batch of them is not where it belongs. Failures are.
    #[test]
    fn successes_dated_later_are_in_the_window_but_for_a_batch(
        batch in 1..100_u32,
        width in 10..60_u64,
        buckets in 2..6_u64,
        steps in vec((0..40_u64, 0..30_usize, any::<bool>(), any::<bool>()), 1..60),
    ) {
        let config = Config {
            window: Window::Time { width, buckets, covered: 0 },
            // As good as never, and yet there is a window.
            failure_rate: Some(1.0),
            slow_rate: None,
            minimum_calls: 1_000_000,
            run: None,
            probes: 1,
            judge: Judge::InARow(1),
            abandoned: Abandoned::Ignored,
            success_batch: batch,
        };
        let machine = config.machine();
        let mut model = Model::new(config);
        for (pass, successes, fails, looks) in steps {
            model.time += pass;
            for index in 0..successes + usize::from(fails) {
                let outcome = if index < successes { Outcome::Success } else { Outcome::TRANSIENT };
                let call = model.admit().unwrap();
                model.record(call, outcome.is_failure(), false);
                let ticket = machine.admit(&mut now(model.time)).ticket.unwrap();
                machine.finish(ticket, outcome, &mut now(model.time));
            }
            if looks {
                let snapshot = machine.snapshot(at(model.time));
                let window = model.window();
                let off = snapshot.calls.abs_diff(window.len() as u64);
                prop_assert!(off <= u64::from(batch), "{} is not {}", snapshot.calls, window.len());
                let failures = window.iter().filter(|mark| mark.failure).count();
                prop_assert_eq!(snapshot.failures, failures as u64);
            }
        }
    }
}
