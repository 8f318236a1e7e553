//! How every subject is driven: ready, call, and polls until there is an answer, with a waker that does nothing.
//!
//! What is still pending then waits for another thread, as some of the others do for asynchronous locks, and then for timers.
//! It is brought to its end by a runtime that runs.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};
use tower::Service;

/// Requests are numbers below this, in a random order.
pub const KEYS: u64 = 1_000_000;

/// A request that the driver makes of a number.
pub trait Request: Send + 'static {
    fn of(number: u64) -> Self;
}

/// A response from which the driver sees whether the inner service was called, and with which number.
pub trait Response: Send + 'static {
    fn answers(&self, number: u64) -> bool;
}

/// What became of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By the inner service.
    pub answered: u64,
    /// With an error, or a response that the inner service has not made.
    pub refused: u64,
    pub polls: u64,
    /// The size of the latest future.
    pub future: usize,
}

/// Numbers, by a linear congruential generator: about as much work as counting.
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    #[inline]
    fn draw(&mut self) -> u64 {
        const FACTOR: u64 = 6_364_136_223_846_793_005;
        self.0 = self.0.wrapping_mul(FACTOR).wrapping_add(1);
        ((self.0 >> 32) * KEYS) >> 32
    }
}

impl Tally {
    /// The output of a future that is ready after a few polls, whoever wakes it.
    #[inline]
    pub fn wait<F: Future>(&mut self, future: F) -> F::Output {
        self.future = size_of::<F>();
        let mut future = pin!(future);
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            self.polls += 1;
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
        }
        insist(|cx| future.as_mut().poll(cx))
    }

    #[inline]
    fn note<R: Response, E>(&mut self, number: u64, result: Result<R, E>) {
        match std::hint::black_box(result) {
            Ok(response) if response.answers(number) => self.answered += 1,
            _ => self.refused += 1,
        }
    }
}

/// Makes so many calls, each of which `one` brings to its end.
#[inline]
pub fn calls<R: Response, E>(
    numbers: &mut Numbers,
    calls: u64,
    mut one: impl FnMut(u64, &mut Tally) -> Result<R, E>,
) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..calls {
        let number = std::hint::black_box(numbers.draw());
        let result = one(number, &mut tally);
        tally.note(number, result);
    }
    tally
}

/// One call of a Tower service.
#[inline]
pub fn through<Req: Request, S: Service<Req>>(
    service: &mut S,
    number: u64,
    tally: &mut Tally,
) -> Result<S::Response, S::Error> {
    let mut cx = Context::from_waker(Waker::noop());
    match service.poll_ready(&mut cx) {
        Poll::Ready(Ok(())) => {}
        Poll::Ready(Err(error)) => return Err(error),
        Poll::Pending => insist(|cx| service.poll_ready(cx))?,
    }
    tally.wait(service.call(Req::of(number)))
}

thread_local! {
    static RUNTIME: RefCell<Weak<Runtime>> = const { RefCell::new(Weak::new()) };
}

/// This thread's runtime, for timers to be registered with. It does not run, so that nothing else happens, until something
/// has to wait.
pub fn runtime() -> Rc<Runtime> {
    RUNTIME.with_borrow_mut(|known| {
        known.upgrade().unwrap_or_else(|| {
            let runtime = Builder::new_current_thread().enable_time().build();
            let runtime = Rc::new(runtime.expect("nothing special"));
            *known = Rc::downgrade(&runtime);
            runtime
        })
    })
}

/// Longer than any call takes.
const PATIENCE: Duration = Duration::from_secs(10);

#[cold]
#[inline(never)]
fn insist<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let done = async { tokio::time::timeout(PATIENCE, poll_fn(|cx| poll(cx))).await };
    runtime().block_on(done).expect("it is not stuck")
}
