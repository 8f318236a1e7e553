use crate::{
    AsyncFunction, Failure, Fallback, Function, OtherService, Unmarked, Value, telemetry::Telemetry,
};
use resilience_core::{BoxError, ByClone, Errors, Name, sync::Handles};
use std::{fmt, future::Future};
use tower_layer::Layer;

/// Answers in place of failures: see [`Fallback`].
///
/// | part | default | change it with |
/// |---|---|---|
/// | which outcomes are failures | [`Errors`]: every error, the family's refusals included | [`classify`](Self::classify) |
/// | how degraded answers are told from whole ones | [`Unmarked`] | [`mark`](Self::mark) |
/// | how a request is kept for another service | [`ByClone`]: a clone of every request | [`replay`](Self::replay) |
///
/// `resilience-http` sets all three, with `.http()`.
///
/// A clone is the same fallback, with the same metrics.
pub struct FallbackLayer<A, C = Errors, M = Unmarked, R = ByClone> {
    shared: Handles<Shared<A>>,
    classify: C,
    mark: M,
    replay: R,
}

/// What a layer, its clones, their services and calls have in common. Calls hold a handle that is counted at the place of
/// their thread: an `Arc` to which two threads count costs each of them 70 ns a time.
#[derive(Debug)]
pub(crate) struct Shared<A> {
    pub(crate) policy: Name,
    pub(crate) stand_in: A,
    pub(crate) telemetry: Telemetry,
}

impl<V: Clone> FallbackLayer<Value<V>> {
    /// Answers with a clone of `value`. The service's error type stays.
    ///
    /// `name` stands in marks and metrics. The value is shared by all calls: where these are sent between threads, it
    /// must be [`Sync`].
    pub fn value(name: impl Into<Name>, value: V) -> Self {
        Self::new(name.into(), Value(value))
    }
}

impl<F> FallbackLayer<Function<F>> {
    /// Answers with what `function` makes of the failure. The service's error type stays.
    ///
    /// `name` stands in marks and metrics.
    ///
    /// ```
    /// use resilience_core::BoxError;
    /// use resilience_fallback::{Failure, FallbackLayer};
    ///
    /// let layer = FallbackLayer::function("price", |failure: Failure<u64, BoxError>| {
    ///     // Whatever there is, or the list price.
    ///     failure.into_result().unwrap_or(100)
    /// });
    /// # let _ = layer;
    /// ```
    pub fn function<Res, E, Alt>(name: impl Into<Name>, function: F) -> Self
    where
        F: Fn(Failure<Res, E>) -> Alt,
    {
        Self::new(name.into(), Function(function))
    }
}

impl<F> FallbackLayer<AsyncFunction<F>> {
    /// Answers with what the async `function` makes of the failure. The error type becomes [`BoxError`]: when the
    /// function fails, a [`BothFailed`](resilience_core::BothFailed).
    ///
    /// `name` stands in marks and metrics. Nothing bounds the time that the function takes.
    ///
    /// ```
    /// use std::io;
    /// use resilience_core::BoxError;
    /// use resilience_fallback::{Failure, FallbackLayer};
    ///
    /// async fn from_disk(_: Failure<Vec<u8>, BoxError>) -> Result<Vec<u8>, io::Error> {
    ///     # std::future::ready(()).await;
    ///     Ok(b"as of yesterday".to_vec())
    /// }
    ///
    /// let layer = FallbackLayer::async_function("prices", from_disk);
    /// # let _ = layer;
    /// ```
    pub fn async_function<Res, E, G, Alt, E2>(name: impl Into<Name>, function: F) -> Self
    where
        F: Fn(Failure<Res, E>) -> G,
        G: Future<Output = Result<Alt, E2>>,
        E2: Into<BoxError>,
    {
        Self::new(name.into(), AsyncFunction(function))
    }
}

impl<S2> FallbackLayer<OtherService<S2>> {
    /// Sends the request to another service, `other`, and answers as that does. The error type becomes [`BoxError`]:
    /// when `other` fails too, a [`BothFailed`](resilience_core::BothFailed).
    ///
    /// `name` stands in marks and metrics. `other` takes the requests that the inner service takes; its response must
    /// be of the same type, or one that the layer's [`Mark`](crate::Mark) joins with it. It is not asked for anything,
    /// not even whether it is ready, before the inner service has failed. Then the call makes a clone of it, waits
    /// until that is ready, without a limit, and calls it. Its response is the answer whatever it says: to judge it
    /// too, put another fallback around this one. The value itself is shared by all calls: where these are sent
    /// between threads, it must be [`Sync`].
    ///
    /// The request is kept by [`replay`](Self::replay), by default as a clone. Where it cannot be sent again, because
    /// its body is gone or its method forbids it, the caller gets what the inner service gave, response or error.
    ///
    /// ```
    /// use resilience_core::BoxError;
    /// use resilience_fallback::FallbackLayer;
    /// use tower::{ServiceBuilder, ServiceExt, service_fn};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// let replica = service_fn(|key: &'static str| async move { Ok::<_, BoxError>(format!("{key}, an hour old")) });
    /// let prices = ServiceBuilder::new()
    ///     .layer(FallbackLayer::service("prices", replica))
    ///     .service(service_fn(|_: &'static str| async { Err::<String, _>(BoxError::from("no primary")) }));
    ///
    /// assert_eq!(prices.oneshot("apples").await?, "apples, an hour old");
    /// # Ok(())
    /// # }
    /// ```
    pub fn service(name: impl Into<Name>, other: S2) -> Self
    where
        S2: Clone,
    {
        Self::new(name.into(), OtherService(other))
    }
}

impl<A> FallbackLayer<A> {
    fn new(policy: Name, stand_in: A) -> Self {
        Self {
            shared: Handles::new(Shared {
                telemetry: Telemetry::new(&policy),
                policy,
                stand_in,
            }),
            classify: Errors,
            mark: Unmarked,
            replay: ByClone,
        }
    }
}

impl<A, C, M, R> FallbackLayer<A, C, M, R> {
    /// Decides with `classify` which outcomes are failures. It sees the request as the inner service gets it.
    pub fn classify<D>(self, classify: D) -> FallbackLayer<A, D, M, R> {
        FallbackLayer {
            shared: self.shared,
            classify,
            mark: self.mark,
            replay: self.replay,
        }
    }

    /// Marks degraded answers with `mark`, an implementation of [`Mark`](crate::Mark).
    pub fn mark<N>(self, mark: N) -> FallbackLayer<A, C, N, R> {
        FallbackLayer {
            shared: self.shared,
            classify: self.classify,
            mark,
            replay: self.replay,
        }
    }

    /// Keeps requests for another service with `replay`, an implementation of [`Replay`](resilience_core::Replay).
    ///
    /// It also says which may be sent again after which outcome. Without effect on the other forms of fallbacks, which
    /// do not send requests.
    pub fn replay<Q>(self, replay: Q) -> FallbackLayer<A, C, M, Q> {
        FallbackLayer {
            shared: self.shared,
            classify: self.classify,
            mark: self.mark,
            replay,
        }
    }

    /// The name.
    pub fn policy(&self) -> &Name {
        &self.shared.policy
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.shared.telemetry
    }
}

/// By hand, because what stands in need not be `Clone`.
impl<A, C: Clone, M: Clone, R: Clone> Clone for FallbackLayer<A, C, M, R> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            classify: self.classify.clone(),
            mark: self.mark.clone(),
            replay: self.replay.clone(),
        }
    }
}

impl<A, C, M, R> fmt::Debug for FallbackLayer<A, C, M, R>
where
    A: fmt::Debug,
    C: fmt::Debug,
    M: fmt::Debug,
    R: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer")
            .field("policy", &self.shared.policy)
            .field("stand_in", &self.shared.stand_in)
            .field("classify", &self.classify)
            .field("mark", &self.mark)
            .field("replay", &self.replay)
            .finish()
    }
}

impl<S, A, C: Clone, M: Clone, R: Clone> Layer<S> for FallbackLayer<A, C, M, R> {
    type Service = Fallback<S, A, C, M, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(
            inner,
            self.shared.clone(),
            self.classify.clone(),
            self.mark.clone(),
            self.replay.clone(),
        )
    }
}
