//! How every subject is driven: ready, call, and polls until there is an answer, with a waker that does nothing.
//!
//! Some of the others wait for asynchronous locks while another thread has them. They are asked again and again until they
//! are done, as if somebody had woken them at once: the least that waiting can cost.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};
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
        insist(|| future.as_mut().poll(&mut cx))
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
        Poll::Pending => insist(|| service.poll_ready(&mut cx))?,
    }
    tally.wait(service.call(Req::of(number)))
}

/// Polls until it is ready. Lets others run now and then: who has the lock may be waiting for a core.
#[cold]
#[inline(never)]
fn insist<T>(mut poll: impl FnMut() -> Poll<T>) -> T {
    const PATIENCE: u32 = 1_000_000;
    for attempt in 1..=PATIENCE {
        if let Poll::Ready(output) = poll() {
            return output;
        }
        if attempt % 256 == 0 {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
    panic!("still pending, and nobody else is at it")
}
