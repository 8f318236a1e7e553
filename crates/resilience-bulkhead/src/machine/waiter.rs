use super::{Full, Slots, slots::Change};
use resilience_core::Place;
use std::{
    convert::Infallible,
    mem,
    task::{Poll, Waker},
};

/// A caller that may wait for a slot, from [`Slots::join`] on. To be given to [`Slots::quit`], in whatever state.
#[derive(Debug)]
#[must_use = "who has joined has to quit"]
pub struct Waiter(State);

#[derive(Debug)]
enum State {
    /// Stands in line.
    Waiting(Place),
    /// Found a slot when it joined, and holds it.
    Inside,
    /// Has had its final answer.
    Over,
}

impl Waiter {
    /// Whether it stands in line.
    pub fn is_waiting(&self) -> bool {
        matches!(self.0, State::Waiting(_))
    }
}

/// Why a caller does not stand in line.
enum Instead {
    Entered(Change),
    Refused(Full),
}

impl Slots {
    /// Takes a slot if one is free and nobody waits for it; otherwise joins the line, if fewer than `most` stand
    /// there.
    pub fn join(&self, most: usize) -> Result<Waiter, Full> {
        match self.enter() {
            Ok(()) => return Ok(Waiter(State::Inside)),
            Err(Full::Closed) => return Err(Full::Closed),
            Err(Full::Taken | Full::Reserved) => {}
        }
        let joined = self.line.join(0, |ahead| {
            let change = self.update(|word| {
                if word.is_closed() {
                    return Err(Instead::Refused(Full::Closed));
                }
                // A slot came free since.
                if !word.has_waiters() && !self.is_full(word) {
                    return Ok(self.with_one_more(word));
                }
                if ahead.callers >= most {
                    return Err(Instead::Refused(Full::Taken));
                }
                Ok(word.with_waiters(true))
            })?;
            if change.after.has_waiters() {
                return Ok(());
            }
            Err(Instead::Entered(change))
        });
        match joined {
            Ok(place) => Ok(Waiter(State::Waiting(place))),
            Err(Instead::Entered(change)) => {
                self.tell(change);
                Ok(Waiter(State::Inside))
            }
            Err(Instead::Refused(why)) => Err(why),
        }
    }

    /// Ready when the caller has got its slot, which it gives back with [`leave`](Self::leave), or will never get
    /// one. Until then, `waker` is woken when it is the caller's turn.
    ///
    /// Only the head of the line takes a slot. To be asked no more after an answer, which is `Full` from then on.
    pub fn poll_turn(&self, waiter: &mut Waiter, waker: &Waker) -> Poll<Result<(), Full>> {
        let answer = match &waiter.0 {
            State::Over => Err(Full::Taken),
            State::Inside => Ok(()),
            State::Waiting(place) => {
                // Registers first and looks after: a call that leaves in between finds the waker.
                let is_head = place.is_head(waker);
                let taken = self.update(|word| {
                    if word.is_closed() {
                        return Err(Full::Closed);
                    }
                    if !is_head || self.is_full(word) {
                        return Err(Full::Taken);
                    }
                    Ok(self.with_one_more(word))
                });
                match taken {
                    Ok(change) => {
                        self.tell(change);
                        Ok(())
                    }
                    Err(Full::Closed) => Err(Full::Closed),
                    Err(_) => return Poll::Pending,
                }
            }
        };
        if let State::Waiting(place) = mem::replace(&mut waiter.0, State::Over) {
            self.leave_line(place);
        }
        Poll::Ready(answer)
    }

    /// Leaves the line, or gives back a slot that the caller was not told of. After a final answer of
    /// [`poll_turn`](Self::poll_turn) there is nothing left to do.
    pub fn quit(&self, waiter: &mut Waiter) {
        match mem::replace(&mut waiter.0, State::Over) {
            State::Waiting(place) => self.leave_line(place),
            State::Inside => self.leave(),
            State::Over => {}
        }
    }

    /// Wakes the next caller only if there is a slot for it: after a cancellation, or if several came free at once.
    fn leave_line(&self, place: Place) {
        let (may_enter, emptied) = place.leave(|behind, was_head| {
            if behind.callers > 0 {
                return (was_head && !self.is_full(self.load()), None);
            }
            let Ok(change) = self.update(|word| Ok::<_, Infallible>(word.with_waiters(false)));
            (false, Some(change))
        });
        if may_enter {
            self.line.wake_head();
        }
        if let Some(change) = emptied {
            self.tell(change);
        }
    }
}
