//! What passes at one place of a stack.

use crate::sim::Sim;
use futures_util::future::BoxFuture;
use resilience_core::sync::{Mutex, lock};
use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tower::{Layer, Service};

/// A layer that notes when calls pass and how many of them are not over, and changes nothing. Clones are the same.
#[derive(Clone)]
pub(super) struct Tap {
    sim: Sim,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    in_flight: u64,
    most: u64,
}

impl Tap {
    pub(super) fn new(sim: &Sim) -> Self {
        Self {
            sim: sim.clone(),
            seen: Arc::default(),
        }
    }

    /// When each call passed, by the clock that layers read, in the order of time.
    pub(super) fn times(&self) -> Vec<Duration> {
        lock(&self.seen).times.clone()
    }

    /// Calls that are not over.
    pub(super) fn in_flight(&self) -> u64 {
        lock(&self.seen).in_flight
    }

    /// The most that were not over at any time.
    pub(super) fn most_in_flight(&self) -> u64 {
        lock(&self.seen).most
    }

    fn pass(&self) -> Passing {
        let now = self.sim.clock();
        let mut seen = lock(&self.seen);
        seen.times.push(now);
        seen.in_flight += 1;
        seen.most = seen.most.max(seen.in_flight);
        Passing(self.seen.clone())
    }
}

/// A call that is not over: answered, failed or given up.
struct Passing(Arc<Mutex<Seen>>);

impl Drop for Passing {
    fn drop(&mut self) {
        lock(&self.0).in_flight -= 1;
    }
}

impl<S> Layer<S> for Tap {
    type Service = Tapped<S>;

    fn layer(&self, inner: S) -> Tapped<S> {
        let tap = self.clone();
        Tapped { inner, tap }
    }
}

/// A service with a [`Tap`] in front of it.
#[derive(Clone)]
pub(super) struct Tapped<S> {
    inner: S,
    tap: Tap,
}

impl<S, Req> Service<Req> for Tapped<S>
where
    S: Service<Req, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let passing = self.tap.pass();
        let answer = self.inner.call(req);
        Box::pin(async move {
            let answer = answer.await;
            drop(passing);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Request, Response, Simulation};
    use std::future::pending;
    use tower::{ServiceExt, service_fn};

    #[test]
    fn what_is_given_up_is_over() {
        let tap = Simulation::new(1).run(async |sim| {
            let tap = Tap::new(&sim);
            let hangs =
                service_fn(|_: Request| pending::<Result<Response, resilience_core::BoxError>>());
            let mut hangs = tap.layer(hangs);
            let first = hangs.ready().await.unwrap().call(Request::default());
            let second = hangs.ready().await.unwrap().call(Request::default());
            assert_eq!((tap.in_flight(), tap.times().len()), (2, 2));
            drop((first, second));
            drop(hangs.ready().await.unwrap().call(Request::default()));
            tap
        });
        assert_eq!((tap.in_flight(), tap.most_in_flight()), (0, 2));
    }
}
