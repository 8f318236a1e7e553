use crate::{Completion, MapErr, Now, Permit, Verdict};
use pin_project_lite::pin_project;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a call through a [`Guard`](crate::Guard).
    ///
    /// Dropping it before it is ready abandons the call; the permit comes back.
    pub struct ResponseFuture<F, P, V, K, R, T> {
        #[pin]
        state: State<F, P, V, K, R, T>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, P, V, K, R, T> {
        Refused {
            answer: Option<T>,
        },
        Called {
            #[pin]
            inner: F,
            // Taken when the response arrives.
            call: Option<(P, V)>,
            completion: K,
            reject: R,
        },
    }
}

impl<F, P, V, K, R, T> ResponseFuture<F, P, V, K, R, T> {
    #[inline]
    pub(crate) fn refused(answer: T) -> Self {
        let answer = Some(answer);
        Self {
            state: State::Refused { answer },
        }
    }

    #[inline]
    pub(crate) fn called(inner: F, permit: P, verdict: V, completion: K, reject: R) -> Self {
        Self {
            state: State::Called {
                inner,
                call: Some((permit, verdict)),
                completion,
                reject,
            },
        }
    }
}

impl<F, P, V, K, R, Res, E> Future for ResponseFuture<F, P, V, K, R, Result<K::Response, R::Error>>
where
    F: Future<Output = Result<Res, E>>,
    P: Permit,
    V: Verdict<Res, E>,
    K: Completion<Res, P, V>,
    R: MapErr<E>,
{
    type Output = Result<K::Response, R::Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Refused { answer } => {
                Poll::Ready(answer.take().expect("polled after completion"))
            }
            StateProj::Called {
                inner,
                call,
                completion,
                reject,
            } => {
                let result = ready!(inner.poll(cx));
                let (permit, verdict) = call.take().expect("polled after completion");
                Poll::Ready(settle(result, permit, verdict, completion, reject))
            }
        }
    }
}

/// Ends a call with the result of the inner service.
#[inline]
pub(crate) fn settle<Res, E, P, V, K, R>(
    result: Result<Res, E>,
    permit: P,
    mut verdict: V,
    completion: &K,
    reject: &R,
) -> Result<K::Response, R::Error>
where
    P: Permit,
    V: Verdict<Res, E>,
    K: Completion<Res, P, V>,
    R: MapErr<E>,
{
    let mut now = Now::lazy();
    match result {
        Ok(res) => {
            let head = verdict.response(&res);
            Ok(completion.complete(res, head, permit, verdict, &mut now))
        }
        Err(error) => {
            permit.finish(verdict.error(&error), &mut now);
            Err(reject.map_err(error))
        }
    }
}

impl<F, P, V, K, R, T> fmt::Debug for ResponseFuture<F, P, V, K, R, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Refused { .. } => "refused",
            State::Called { .. } => "called",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
