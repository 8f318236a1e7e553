//! A body that several attempts read, one after the other.

use super::tape::{Tape, Waste};
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use resilience_core::{
    BoxError,
    sync::{Arc, Mutex, MutexGuard, lock},
};
use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// The body, and what has been read of it. Read by one attempt at a time, the latest.
///
/// The body is taken out to be polled, and put back after: no foreign code runs under the lock, and between two
/// polls the next attempt can take over, whoever still holds the previous one.
struct Shared<B>(Mutex<State<B>>);

struct State<B> {
    tape: Tape,
    rest: Rest<B>,
    /// What the rest said of itself when it was last seen.
    hint: SizeHint,
    ended: bool,
    /// The attempt that may read.
    reader: u32,
    /// Where the reader waits.
    waker: Option<Waker>,
}

enum Rest<B> {
    Here(Pin<Box<B>>),
    /// Being polled.
    Away,
    /// Read to its end.
    Ended,
    /// Lost to an error or a panic.
    Lost,
}

/// One attempt's view of the body.
pub(super) struct Reader<B> {
    shared: Arc<Shared<B>>,
    attempt: u32,
}

/// Keeps the body for further attempts. Without it, nothing is recorded.
pub(super) struct Keeper<B>(Arc<Shared<B>>);

/// The reader of the first attempt, and the keeper for those that follow.
pub(super) fn share<B: Body>(body: B, cap: usize) -> (Reader<B>, Keeper<B>) {
    let shared = Arc::new(Shared(Mutex::new(State {
        tape: Tape::new(cap),
        hint: body.size_hint(),
        ended: body.is_end_stream(),
        rest: Rest::Here(Box::pin(body)),
        reader: 1,
        waker: None,
    })));
    let reader = Reader {
        shared: shared.clone(),
        attempt: 1,
    };
    (reader, Keeper(shared))
}

impl<B> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        lock(&self.0)
    }
}

impl<B> State<B> {
    fn is_whole(&self) -> bool {
        self.tape.is_whole() && !matches!(self.rest, Rest::Lost)
    }
}

impl<B> Keeper<B> {
    /// Whether another attempt could read the body from its beginning.
    pub(super) fn is_whole(&self) -> bool {
        self.0.lock().is_whole()
    }

    /// The reader of another attempt, which reads from the beginning. Earlier readers get errors from now on.
    pub(super) fn rewind(&self) -> Option<Reader<B>> {
        let mut state = self.0.lock();
        if !state.is_whole() {
            return None;
        }
        state.tape.rewind();
        state.reader += 1;
        let attempt = state.reader;
        let waker = state.waker.take();
        drop(state);
        // The previous reader, if it still waits somewhere, is to see that it is over.
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(Reader {
            shared: self.0.clone(),
            attempt,
        })
    }
}

impl<B> Drop for Keeper<B> {
    fn drop(&mut self) {
        let waste = self.0.lock().tape.let_go();
        drop(waste);
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

impl<B: Body> Reader<B>
where
    B::Error: Into<BoxError>,
{
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled {
        let mut rest = loop {
            match self.borrow() {
                Turn::Rest(rest) => break rest,
                Turn::Polled(polled) => return polled,
                Turn::Wait if self.wait(cx) => return Poll::Pending,
                Turn::Wait => {}
            }
        };
        let loan = Loan(&self.shared);
        let polled = rest.as_mut().poll_frame(cx).map(|frame| {
            frame.map(|read| {
                read.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
            })
        });
        let (hint, ended) = (rest.size_hint(), rest.is_end_stream());
        std::mem::forget(loan);
        self.give_back(rest, hint, ended, polled, cx)
    }

    /// Puts the rest of the body back, and records what came of it.
    fn give_back(
        &self,
        rest: Pin<Box<B>>,
        hint: SizeHint,
        ended: bool,
        polled: Poll<Option<Result<Frame<Bytes>, B::Error>>>,
        cx: &Context<'_>,
    ) -> Polled {
        let mut waker = polled.is_pending().then(|| cx.waker().clone());
        // What is no longer needed is dropped when the lock is released.
        let mut waste = Waste::new();
        let mut over = None;
        let mut state = self.shared.lock();
        let reading = state.reader == self.attempt;
        (state.hint, state.ended) = (hint, ended);
        let polled = match polled {
            Poll::Ready(Some(Ok(frame))) => {
                state.rest = Rest::Here(rest);
                if reading {
                    waste = state.tape.record(&frame);
                    Poll::Ready(Some(Ok(frame)))
                } else {
                    waste = state.tape.record_late(frame);
                    Poll::Pending
                }
            }
            Poll::Ready(Some(Err(error))) => {
                state.rest = Rest::Lost;
                over = Some(rest);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                state.rest = Rest::Ended;
                (state.hint, state.ended) = (SizeHint::with_exact(0), true);
                over = Some(rest);
                Poll::Ready(None)
            }
            Poll::Pending => {
                state.rest = Rest::Here(rest);
                Poll::Pending
            }
        };
        if reading {
            // From here, `waker` is the one that was there before.
            std::mem::swap(&mut state.waker, &mut waker);
            drop(state);
            drop((waste, over, waker));
            return polled.map(|frame| frame.map(|read| read.map_err(Into::into)));
        }
        let successor = state.waker.take();
        drop(state);
        drop((waste, over));
        if let Some(successor) = successor {
            successor.wake();
        }
        failed(Gone::Superseded)
    }
}

/// Where the next frame comes from.
enum Turn<B> {
    /// From the rest of the body, which is the reader's until it gives it back.
    Rest(Pin<Box<B>>),
    /// From the tape; or there is none.
    Polled(Polled),
    /// From the rest of the body; an earlier attempt is reading it, at this moment and for the last time.
    Wait,
}

impl<B> Reader<B> {
    fn borrow(&self) -> Turn<B> {
        let mut state = self.shared.lock();
        if state.reader != self.attempt {
            return Turn::Polled(failed(Gone::Superseded));
        }
        if let Some(frame) = state.tape.play() {
            return Turn::Polled(Poll::Ready(Some(Ok(frame))));
        }
        match state.rest {
            Rest::Here(_) => {}
            Rest::Away => return Turn::Wait,
            Rest::Ended => return Turn::Polled(Poll::Ready(None)),
            Rest::Lost => return Turn::Polled(failed(Gone::Lost)),
        }
        match std::mem::replace(&mut state.rest, Rest::Away) {
            Rest::Here(rest) => Turn::Rest(rest),
            _ => unreachable!("looked at above, under the same lock"),
        }
    }

    /// To be woken when the earlier attempt is done; false if that has happened meanwhile.
    fn wait(&self, cx: &Context<'_>) -> bool {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        let away = matches!(state.rest, Rest::Away);
        let before = away.then(|| state.waker.replace(waker));
        drop(state);
        drop(before);
        away
    }
}

impl<B> Reader<B> {
    pub(super) fn is_end_stream(&self) -> bool {
        let state = self.shared.lock();
        state.reader == self.attempt && state.ended && state.tape.is_played()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let state = self.shared.lock();
        if state.reader != self.attempt {
            return SizeHint::default();
        }
        let left = state.tape.left();
        let mut hint = SizeHint::new();
        hint.set_lower(state.hint.lower().saturating_add(left));
        if let Some(upper) = state.hint.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint
    }
}

/// Dropped only by a panic of the body: it is lost, and nobody waits for it.
struct Loan<'a, B>(&'a Shared<B>);

impl<B> Drop for Loan<'_, B> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.rest = Rest::Lost;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Why an attempt cannot read on.
#[derive(Clone, Copy, Debug)]
enum Gone {
    Superseded,
    Lost,
}

fn failed(why: Gone) -> Polled {
    Poll::Ready(Some(Err(why.into())))
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superseded => "the request is being sent again",
            Self::Lost => "the request body failed in an earlier attempt",
        })
    }
}

impl Error for Gone {}
