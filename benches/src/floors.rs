//! The least that a pattern can be, written by hand: one shared word or two, no configuration, no readiness, no clean-up
//! after cancelled calls. What a layer costs above its floor is what it does besides.

use crate::{
    drive::KEYS,
    inner::{Failure, Inner, Later, plain},
    list::{CLOCK, RANDOM_KEYS},
    ours::LIMIT,
    subject::{Bare, By, Instance, Subject, unseen},
};
use pin_project_lite::pin_project;
use resilience_core::{BoxError, clock};
use std::{
    collections::HashMap,
    future::{Future, Ready},
    hash::{BuildHasherDefault, Hasher},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::time::Sleep;
use tower::Service;

fn subject(pattern: &'static str, make: impl Fn() -> Instance + 'static) -> Subject {
    Subject::new(pattern, By::Floor, "", make)
}

/// A service around a shared state, which `begin`s each call, and `ends` it when there is a response.
struct Around<T, B, N> {
    inner: Inner,
    state: Arc<T>,
    begin: B,
    end: N,
}

impl<T, B: Clone, N: Clone> Clone for Around<T, B, N> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            state: self.state.clone(),
            begin: self.begin.clone(),
            end: self.end.clone(),
        }
    }
}

struct AroundFuture<T, N> {
    inner: Ready<Result<u64, BoxError>>,
    state: Arc<T>,
    end: N,
}

impl<T, B, N> Service<u64> for Around<T, B, N>
where
    B: Fn(&T),
    N: Fn(&T) + Copy + Unpin,
{
    type Response = u64;
    type Error = BoxError;
    type Future = AroundFuture<T, N>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, number: u64) -> Self::Future {
        (self.begin)(&self.state);
        AroundFuture {
            inner: self.inner.call(number),
            state: self.state.clone(),
            end: self.end,
        }
    }
}

impl<T, N: Fn(&T) + Unpin> Future for AroundFuture<T, N> {
    type Output = Result<u64, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.inner).poll(cx));
        (self.end)(&self.state);
        Poll::Ready(result)
    }
}

fn around<T: Send + Sync + 'static>(
    state: T,
    begin: impl Fn(&T) + Clone + Send + 'static,
    end: impl Fn(&T) + Copy + Unpin + Send + 'static,
    verify: impl Fn(&T, u64) + 'static,
) -> Instance {
    Instance::service(|| {
        let state = Arc::new(state);
        let service = Around {
            inner: plain(),
            state: state.clone(),
            begin,
            end,
        };
        (service, move |calls| verify(&state, calls))
    })
}

/// Nanoseconds since the first time that anybody asked.
#[inline]
fn nanos(since: &Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).expect("584 years")
}

/// A rate limit in one word: each call pushes it one nanosecond further than the present.
#[inline]
fn push(word: &AtomicU64, now: u64) {
    let mut old = word.load(Relaxed);
    loop {
        let new = old.max(now) + 1;
        assert!(new - now < 1 << 60, "refused");
        match word.compare_exchange_weak(old, new, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(other) => old = other,
        }
    }
}

struct Slots(AtomicU64);

#[inline]
fn enter(slots: &Slots) {
    assert!(slots.0.fetch_add(1, Relaxed) < 1_000, "refused");
}

#[inline]
fn leave(slots: &Slots) {
    slots.0.fetch_sub(1, Relaxed);
}

#[derive(Default)]
struct Breaker {
    open: AtomicU64,
    successes: AtomicU64,
}

#[inline]
fn admit(breaker: &Breaker) {
    assert!(breaker.open.load(Relaxed) == 0, "refused");
}

#[inline]
fn succeed(breaker: &Breaker) {
    breaker.successes.fetch_add(1, Relaxed);
}

/// A multiplication: any hash that withstands an attacker costs more.
#[derive(Clone, Copy, Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers")
    }

    #[inline]
    fn write_u64(&mut self, key: u64) {
        let product = u128::from(key + 1) * 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

type Keys = HashMap<u64, u64, BuildHasherDefault<Multiply>>;

/// 64 maps behind a lock each.
fn keyed(keys: u64, of: fn(u64) -> u64) -> Instance {
    type State = (Instant, Vec<Mutex<Keys>>);
    let fresh = || {
        let shards = (0..64).map(|_| Mutex::default()).collect();
        let state: State = (Instant::now(), shards);
        for key in 0..keys {
            state.1[(key % 64) as usize].lock().unwrap().insert(key, 0);
        }
        Arc::new(state)
    };
    Instance::direct(
        || {
            let state = fresh();
            let kept = state.clone();
            let verify = move |calls| {
                let sum = |shard: &Mutex<Keys>| shard.lock().unwrap().len() as u64;
                assert_eq!(kept.1.iter().map(sum).sum::<u64>(), keys);
                assert!(calls == 0 || kept.1[0].lock().unwrap().values().any(|word| *word > 0));
            };
            ((plain(), state), verify)
        },
        move |(inner, state), number, tally| {
            let key = of(number);
            let now = nanos(&state.0);
            let mut shard = state.1[(key % 64) as usize].lock().unwrap();
            let word = shard.entry(key).or_default();
            *word = (*word).max(now) + 1;
            drop(shard);
            tally.wait(inner.call(number))
        },
    )
}

/// A first attempt with what a second would need.
fn retry() -> Instance {
    Instance::direct(
        || (plain(), unseen),
        |inner, number, tally| {
            let spare = (inner.clone(), number);
            tally.wait(inner.call(number)).or_else(|_| {
                let (mut inner, number) = spare;
                tally.wait(inner.call(number))
            })
        },
    )
}

pin_project! {
    /// A timer that is made when the inner future is first pending.
    struct Timed<F> {
        #[pin]
        inner: F,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F: Future<Output = Result<u64, BoxError>>> Future for Timed<F> {
    type Output = Result<u64, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(result) = this.inner.poll(cx) {
            return Poll::Ready(result);
        }
        if this.timer.is_none() {
            this.timer.set(Some(tokio::time::sleep(LIMIT)));
        }
        let timer = this.timer.as_pin_mut().expect("made above");
        timer.poll(cx).map(|()| Err("too late".into()))
    }
}

/// Around any of the inner services.
fn timed<S>(make: fn() -> S) -> Instance
where
    S: Service<u64, Response = u64, Error = BoxError> + Clone + Send + 'static,
{
    Instance::direct(
        move || (make(), unseen),
        |inner, number, tally| {
            let inner = inner.call(number);
            tally.wait(Timed { inner, timer: None })
        },
    )
}

/// Rate limit, bulkhead and breaker behind one pointer, with one look at the clock.
struct Stack {
    start: Instant,
    rate: AtomicU64,
    slots: Slots,
    breaker: Breaker,
    budget: AtomicU64,
}

fn stack() -> Instance {
    let state = Stack {
        start: Instant::now(),
        rate: AtomicU64::new(0),
        slots: Slots(AtomicU64::new(0)),
        breaker: Breaker::default(),
        budget: AtomicU64::new(0),
    };
    let begin = |stack: &Stack| {
        push(&stack.rate, nanos(&stack.start));
        enter(&stack.slots);
        admit(&stack.breaker);
    };
    let end = |stack: &Stack| {
        succeed(&stack.breaker);
        leave(&stack.slots);
        stack.budget.fetch_add(1, Relaxed);
    };
    around(state, begin, end, |stack, calls| {
        assert_eq!(stack.slots.0.load(Relaxed), 0);
        assert_eq!(stack.breaker.successes.load(Relaxed), calls);
        assert_eq!(stack.budget.load(Relaxed), calls);
        assert!(stack.rate.load(Relaxed) >= calls);
    })
}

/// A word says no.
fn refused() -> Instance {
    Instance::direct(
        || {
            let state = Arc::new(Breaker::default());
            state.open.store(1, Relaxed);
            ((Inner::<Failure>::new(), state), unseen)
        },
        |(inner, state), number, tally| {
            if state.open.load(Relaxed) == 1 {
                return Err(Failure::Inner);
            }
            tally.wait(inner.call(number))
        },
    )
}

pub fn subjects() -> Vec<Subject> {
    vec![
        Subject::new("bare", By::Bare, "", || {
            Instance::service(|| (plain(), unseen))
        }),
        Subject::new("bare", By::Bare, "one pending poll", || {
            Instance::service(|| (Later, unseen))
        })
        .over(Bare::Later),
        Subject::new("bare", By::Bare, CLOCK, || {
            Instance::direct(
                || (plain(), unseen),
                |inner, number, tally| {
                    std::hint::black_box(clock::now());
                    tally.wait(inner.call(number))
                },
            )
        }),
        subject("breaker, closed", || {
            around(Breaker::default(), admit, succeed, |breaker, calls| {
                assert_eq!(breaker.successes.load(Relaxed), calls);
            })
        }),
        subject("breaker, refused", refused).refused(),
        subject("bulkhead", || {
            around(Slots(AtomicU64::new(0)), enter, leave, |slots, _| {
                assert_eq!(slots.0.load(Relaxed), 0);
            })
        }),
        subject("bulkhead, refused", refused).refused(),
        subject("rate limit", || {
            let state = (Instant::now(), AtomicU64::new(0));
            let begin = |(start, word): &(Instant, AtomicU64)| push(word, nanos(start));
            // No permit: nothing is to be done in the end.
            Instance::direct(
                || {
                    let state = Arc::new(state);
                    let kept = state.clone();
                    let verify = move |calls| assert!(kept.1.load(Relaxed) >= calls);
                    ((plain(), state), verify)
                },
                move |(inner, state), number, tally| {
                    begin(state);
                    tally.wait(inner.call(number))
                },
            )
        }),
        subject("rate limit, one hot key", || keyed(1, |_| 0)),
        subject(RANDOM_KEYS, || keyed(KEYS, |number| number)).large(),
        subject("retry with budget, first try", retry),
        subject("attempt timeout, ready at once", || timed(plain)),
        subject("attempt timeout, one pending poll", || timed(|| Later)).over(Bare::Later),
        subject("fallback, not needed", || {
            Instance::direct(
                || (plain(), unseen),
                |inner, number, tally| {
                    let result = tally.wait(inner.call(number));
                    result.or(Ok::<u64, BoxError>(0))
                },
            )
        }),
        subject("client stack", stack),
    ]
}
