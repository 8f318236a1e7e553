use super::limits::Limits;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use resilience_core::{BoxError, Timestamp, clock};
use resilience_timeout::{Kind, Limit};
use std::{
    fmt,
    future::Future,
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    task::coop,
    time::{Sleep, sleep_until},
};

pin_project! {
    /// A response body that breaks off with a [`TimedOut`](resilience_timeout::TimedOut) when it stands still, or lasts,
    /// for too long: see [`BodyTimeoutLayer`](crate::BodyTimeoutLayer).
    ///
    /// A body that has its frames at hand needs no timer. A frame that is there wins over a time that is up; after the total
    /// time, one frame of data does, and the end, so that a body with always another frame at hand breaks off too. The
    /// inner body is dropped at once then, and the body is at its end after the error.
    ///
    /// The clock is read when the body is first pending for a frame, if silences are bounded; for the total time, at the
    /// head, unless the body is at its end there, and for each frame of data.
    ///
    /// Size hint, end-of-stream and trailers are those of the inner body. Other errors are boxed. With the feature
    /// `tonic`, the error is a [`StatusError`](crate::StatusError) of `DEADLINE_EXCEEDED` around the timeout, so that
    /// a generated client reports that.
    #[project = Projected]
    pub struct TimedBody<B> {
        // Gone when the time was up.
        #[pin]
        body: Option<B>,
        // One for both limits. Made when the body is first pending, then used again for every frame.
        #[pin]
        timer: Option<Sleep>,
        timer_at: Timestamp,
        // When the frame that is awaited has to be there; none while none is.
        idle_at: Option<Timestamp>,
        // When the body has to be at its end.
        total_at: Option<Timestamp>,
        // A frame of data was there after that, and has passed.
        late: bool,
        limits: Arc<Limits>,
    }
}

impl<B: Body> TimedBody<B> {
    pub(super) fn new(body: B, limits: Arc<Limits>) -> Self {
        let total_at = match &limits.total {
            Some(limit) if !body.is_end_stream() => Some(clock::now() + limit.length()),
            _ => None,
        };
        Self {
            body: Some(body),
            timer: None,
            timer_at: Timestamp::MAX,
            idle_at: None,
            total_at,
            late: false,
            limits,
        }
    }
}

impl<B> Projected<'_, B> {
    /// Which time is up, of a body that is pending.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<Kind> {
        if self.idle_at.is_none() {
            let from_now = |limit: &Limit| clock::now() + limit.length();
            *self.idle_at = self.limits.idle.as_ref().map(from_now);
        }
        let idle_at = self.idle_at.unwrap_or(Timestamp::MAX);
        let total_at = self.total_at.unwrap_or(Timestamp::MAX);
        let wake_at = idle_at.min(total_at);
        if wake_at == Timestamp::MAX {
            return Poll::Pending;
        }

        match self.timer.as_mut().as_pin_mut() {
            None => self.timer.set(Some(sleep_until(clock::instant(wake_at)))),
            Some(timer) if *self.timer_at != wake_at => timer.reset(clock::instant(wake_at)),
            Some(_) => {}
        }
        *self.timer_at = wake_at;
        let timer = self.timer.as_mut().as_pin_mut().expect("made above");
        // Outside of the task's budget, which a busy inner body may have used up.
        ready!(pin!(coop::unconstrained(timer)).poll(cx));
        Poll::Ready(if total_at <= idle_at {
            Kind::Total
        } else {
            Kind::Idle
        })
    }
}

impl<B: Body> Body for TimedBody<B>
where
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let kind = match body.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                *this.idle_at = None;
                let late = this.total_at.is_some_and(|at| clock::now() > at);
                if !mem::replace(this.late, late) {
                    return Poll::Ready(Some(Ok(frame)));
                }
                Kind::Total
            }
            Poll::Ready(end) => {
                *this.idle_at = None;
                this.timer.set(None);
                return Poll::Ready(end.map(|frame| frame.map_err(Into::into)));
            }
            Poll::Pending => ready!(this.poll_time(cx)),
        };

        // What the inner body holds comes back before anybody learns that the time is up.
        this.body.set(None);
        this.timer.set(None);
        Poll::Ready(Some(Err(this.limits.passed(kind))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl<B> fmt::Debug for TimedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedBody")
            .field("limits", &self.limits)
            .field("waiting", &self.timer.is_some())
            .finish_non_exhaustive()
    }
}
