use crate::{AsyncFunction, Failure, Fallback, Function, Unmarked, Value, telemetry::Telemetry};
use resilience_core::{BoxError, Errors, Name};
use std::{fmt, future::Future, sync::Arc};
use tower_layer::Layer;

/// Answers in place of failures: see [`Fallback`].
///
/// | part | default | change it with |
/// |---|---|---|
/// | which outcomes are failures | [`Errors`]: every error, the family's refusals included | [`classify`](Self::classify) |
/// | how degraded answers are told from whole ones | [`Unmarked`] | [`mark`](Self::mark) |
///
/// `resilience-http` sets both, with `.http()`.
///
/// A clone is the same fallback, with the same metrics.
pub struct FallbackLayer<A, C = Errors, M = Unmarked> {
    shared: Arc<Shared<A>>,
    classify: C,
    mark: M,
}

/// What a layer, its clones, their services and calls have in common.
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

impl<A> FallbackLayer<A> {
    fn new(policy: Name, stand_in: A) -> Self {
        Self {
            shared: Arc::new(Shared {
                telemetry: Telemetry::new(&policy),
                policy,
                stand_in,
            }),
            classify: Errors,
            mark: Unmarked,
        }
    }
}

impl<A, C, M> FallbackLayer<A, C, M> {
    /// Decides with `classify` which outcomes are failures.
    pub fn classify<D>(self, classify: D) -> FallbackLayer<A, D, M> {
        FallbackLayer {
            shared: self.shared,
            classify,
            mark: self.mark,
        }
    }

    /// Marks degraded answers with `mark`, an implementation of [`Mark`](crate::Mark).
    pub fn mark<N>(self, mark: N) -> FallbackLayer<A, C, N> {
        FallbackLayer {
            shared: self.shared,
            classify: self.classify,
            mark,
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
impl<A, C: Clone, M: Clone> Clone for FallbackLayer<A, C, M> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            classify: self.classify.clone(),
            mark: self.mark.clone(),
        }
    }
}

impl<A: fmt::Debug, C: fmt::Debug, M: fmt::Debug> fmt::Debug for FallbackLayer<A, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackLayer")
            .field("policy", &self.shared.policy)
            .field("stand_in", &self.shared.stand_in)
            .field("classify", &self.classify)
            .field("mark", &self.mark)
            .finish()
    }
}

impl<S, A, C: Clone, M: Clone> Layer<S> for FallbackLayer<A, C, M> {
    type Service = Fallback<S, A, C, M>;

    fn layer(&self, inner: S) -> Self::Service {
        Fallback::new(
            inner,
            self.shared.clone(),
            self.classify.clone(),
            self.mark.clone(),
        )
    }
}
