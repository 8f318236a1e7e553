use crate::DeadlineExceeded;
use pin_project_lite::pin_project;
use resilience_core::{Deadline, clock};
use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{task::coop, time::Sleep};

/// Does work that has to be over before `deadline`: what a call starts, and does not wait for itself.
///
/// When the deadline passes, the work is dropped, and the result is a [`DeadlineExceeded`] whose policy is called
/// `work`. Work that is first polled past the deadline is not begun. A result that is there wins over a time that is up.
///
/// ```
/// use resilience_core::Deadline;
/// use resilience_timeout::before;
/// use std::{future::pending, time::Duration};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// // In a handler: what the request's extensions hold.
/// let deadline = Deadline::within(Duration::from_millis(50));
/// let reindexing = tokio::spawn(before(deadline, pending::<()>()));
/// let error = reindexing.await.unwrap().unwrap_err();
/// assert_eq!(&**error.policy(), "work");
/// # }
/// ```
pub fn before<F: IntoFuture>(deadline: Deadline, work: F) -> Before<F::IntoFuture> {
    Before {
        work: Some(work.into_future()),
        timer: None,
        deadline,
        left: None,
    }
}

pin_project! {
    /// The future of [`before`]. Dropping it drops the work.
    #[must_use = "futures do nothing unless they are polled"]
    pub struct Before<F> {
        // Gone at the end.
        #[pin]
        work: Option<F>,
        // Made when `work` is first pending.
        #[pin]
        timer: Option<Sleep>,
        deadline: Deadline,
        // What there was of the time when the work began.
        left: Option<Duration>,
    }
}

impl<F: Future> Future for Before<F> {
    type Output = Result<F::Output, DeadlineExceeded>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let deadline = *this.deadline;
        let left = *this.left.get_or_insert_with(|| deadline.remaining());
        if !left.is_zero() {
            let work = this.work.as_mut().as_pin_mut();
            if let Poll::Ready(done) = work.expect("polled after completion").poll(cx) {
                this.work.set(None);
                this.timer.set(None);
                return Poll::Ready(Ok(done));
            }
            if this.timer.is_none() {
                let at = clock::instant(deadline.timestamp());
                this.timer.set(Some(tokio::time::sleep_until(at)));
            }
            let timer = this.timer.as_mut().as_pin_mut().expect("made above");
            // Outside of the task's budget, which busy work may have used up.
            ready!(pin!(coop::unconstrained(timer)).poll(cx));
        }
        this.work.set(None);
        this.timer.set(None);
        Poll::Ready(Err(DeadlineExceeded::new("work", left)))
    }
}

impl<F> fmt::Debug for Before<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Before")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
