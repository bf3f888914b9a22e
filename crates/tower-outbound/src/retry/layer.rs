use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;
use tower_layer::Layer;

use super::backoff::Jitter;
use super::shared::RetryShared;
use super::{PassThrough, Retry, RetryBudget, RetryPolicy};
use crate::record::Registry;
use crate::settings::{ReleaseBounds, RetrySettings};

/// Retries requests that the server provably did not process. No response, permit, connection or readied service is
/// held during the backoff.
///
/// From [`Outbound::retry_layer`](crate::Outbound::retry_layer), which follows the options of
/// [`OutboundBuilder::retry`](crate::outbound::OutboundBuilder::retry). A layer with an option of its own keeps a copy
/// of all options, and has budgets of its own. The [module](crate::retry) says what is retried.
///
/// # Position
/// Above [`ObserveLayer`](crate::observe::ObserveLayer), which proves what was sent. Without an observe layer below,
/// only requests that the client never took are retried. Layers between the two run once per attempt; layers above this
/// one run once per call.
///
/// # Service
/// The client must be `Clone`: see [`Retry`].
///
/// # Request bodies
/// `B: Body + Unpin + Send + 'static` (wrap the body with `Box::pin` if needed), `B::Data: Clone + Send`,
/// `B::Error: Into<BoxError>`. The client gets a [`LeasedBody`](super::LeasedBody), or the type of a
/// [`lease`](Self::lease). The stored body is dropped when the call has ended and the client has dropped its lease.
///
/// # Example
/// ```
/// use http::StatusCode;
/// use tower_outbound::Outbound;
///
/// let outbound = Outbound::builder()
///     // Retry 429 and 503 as well, after the delay in `Retry-After`.
///     .retry(|retry| {
///         retry
///             .status([StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE])
///             .max_retries(3)
///     })
///     .build();
/// let layer = outbound.retry_layer();
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing unless put around a service"]
pub struct RetryLayer<L = PassThrough> {
    shared: Arc<RetryShared>,
    lease: L,
}

impl RetryLayer {
    /// A layer that follows the settings of the registry.
    pub(crate) fn new(registry: Registry) -> Self {
        Self { shared: Arc::new(RetryShared::new(registry)), lease: PassThrough }
    }

    /// The layer of an `Outbound`, whose settings have taken over the options of this layer.
    pub(crate) fn attach(self, registry: Registry) -> Self {
        self.change(|shared| shared.attach(registry))
    }
}

impl<L> RetryLayer<L> {
    pub(crate) fn settings(&self) -> Arc<RetrySettings> {
        self.shared.settings()
    }

    /// `keys`: of the settings that are changed.
    fn set(self, keys: &[&'static str], change: impl FnOnce(&mut RetrySettings)) -> Self {
        self.change(|shared| {
            shared.set(|settings| {
                change(settings);
                settings.by_code(keys);
            });
        })
    }

    /// Changes this layer alone: state that other layers or services share is forked first.
    fn change(mut self, change: impl FnOnce(&mut RetryShared)) -> Self {
        match Arc::get_mut(&mut self.shared) {
            Some(shared) => change(shared),
            None => {
                let mut shared = self.shared.fork();
                change(&mut shared);
                self.shared = Arc::new(shared);
            }
        }
        self
    }

    /// Retries only a request that got no connection, or whose reused connection was dead before a byte was written.
    /// Sets [`max_retries`](Self::max_retries) to 1, and counts every retry. Default: off.
    ///
    /// Overrides [`idempotent`](Self::idempotent). [`status`](Self::status), [`grpc`](Self::grpc) and
    /// [`policy`](Self::policy) still apply if they are set.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::Outbound;
    ///
    /// let outbound = Outbound::builder().retry(|retry| retry.connect_only()).build();
    /// # let _ = outbound;
    /// ```
    pub fn connect_only(self) -> Self {
        self.set(&["retry.connect_only", "retry.max_retries"], |settings| {
            settings.connect_only = true;
            settings.max_retries = 1;
        })
    }

    /// Maximum number of retries of a request. Default: 2. Zero disables retries.
    ///
    /// Immediate retries after a dead reused connection do not count, except with
    /// [`connect_only`](Self::connect_only). The number of open connections bounds those: usually one is enough.
    pub fn max_retries(self, max_retries: u32) -> Self {
        self.set(&["retry.max_retries"], |settings| settings.max_retries = max_retries)
    }

    /// Retries an idempotent request also if it was sent on a reused connection that then died. Default: off.
    ///
    /// Idempotent are the methods of RFC 9110, section 9.2.2, and requests with an `Idempotency-Key`.
    pub fn idempotent(self) -> Self {
        self.set(&["retry.idempotent"], |settings| settings.idempotent = true)
    }

    /// Retries also after a response with one of these status codes, whatever the request's method. Default: none.
    ///
    /// The delay is that of the `Retry-After` header (seconds or a date), else a [backoff](Self::backoff). A response
    /// that asks for more than [`longest_wait`](Self::longest_wait), or for a delay beyond the call's deadline, is
    /// returned to the caller.
    pub fn status(self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.set(&["retry.status"], |settings| settings.statuses = statuses.into_iter().collect())
    }

    /// Retries also after a gRPC response that has trailers only and the status `UNAVAILABLE`. Default: off.
    ///
    /// `grpc-retry-pushback-ms` sets the delay, or forbids the retry.
    pub fn grpc(self) -> Self {
        self.set(&["retry.grpc"], |settings| settings.grpc = true)
    }

    /// Maximum size in bytes of the stored request body. Default: 64 KiB. Zero stores nothing.
    ///
    /// A body that the client never polled is retried whatever its size. Data is stored as clones: a clone of `Bytes`
    /// is a reference count.
    pub fn replay_up_to(self, bytes: usize) -> Self {
        self.set(&["retry.replay_up_to"], |settings| settings.replay_up_to = bytes)
    }

    /// The delay before a retry is random between zero and a bound. The bound is `base` for the first retry, doubles
    /// with each retry, and never exceeds `cap`. Defaults: 25 ms and 250 ms; for a failed connect, the default of `base`
    /// is 8 ms.
    ///
    /// A retry after a dead reused connection has no delay.
    pub fn backoff(self, base: Duration, cap: Duration) -> Self {
        self.set(&["retry.backoff_base", "retry.connect_backoff", "retry.backoff_cap"], |settings| {
            (settings.backoff_base, settings.connect_backoff, settings.backoff_cap) = (base, base, cap);
        })
    }

    /// Seeds the randomness of the backoff, for reproducible delays. Default: a random seed.
    pub fn seed(self, seed: u64) -> Self {
        self.change(|shared| shared.jitter = Jitter::seeded(seed))
    }

    /// The longest delay that a peer or a policy may ask for. Default: 30 s.
    pub fn longest_wait(self, longest_wait: Duration) -> Self {
        self.set(&["retry.longest_wait"], |settings| settings.longest_wait = longest_wait)
    }

    /// Bounds of draining a failed response before the backoff, so that its connection can be reused. Defaults: 64 KiB
    /// and 50 ms.
    ///
    /// A response beyond the bounds is dropped: that closes an HTTP/1 connection, and resets an HTTP/2 stream.
    pub fn release_within(self, bytes: usize, time: Duration) -> Self {
        self.set(&["retry.release_up_to", "retry.release_timeout"], |settings| {
            settings.release = ReleaseBounds { bytes, time }
        })
    }

    /// The budget for retries after a failed connect, per origin. Default: [`RetryBudget::new`].
    pub fn connect_budget(self, budget: RetryBudget) -> Self {
        self.set(&["retry.connect_budget_share", "retry.connect_budget_per_second"], |settings| {
            settings.connect_budget = budget;
        })
    }

    /// The budget for all other retries, per origin. Default: [`RetryBudget::new`].
    ///
    /// Free are retries after a dead reused connection, and the first retry of a call that the peer reported as not
    /// processed.
    pub fn budget(self, budget: RetryBudget) -> Self {
        self.set(&["retry.budget_share", "retry.budget_per_second"], |settings| settings.budget = budget)
    }

    /// Sends the number of earlier attempts in this header, on retries only (gRPC: `grpc-previous-rpc-attempts`).
    /// Default: no header.
    pub fn attempt_header(self, name: HeaderName) -> Self {
        self.set(&["retry.attempt_header"], |settings| settings.attempt_header = Some(name))
    }

    /// Overrides the layer's own decisions. Default: no policy.
    pub fn policy(self, policy: impl RetryPolicy) -> Self {
        self.change(|shared| shared.policy = Some(Arc::new(policy)))
    }

    /// Converts the leased body for a client with a body type of its own: see [`Lease`](super::Lease).
    pub fn lease<M>(self, lease: M) -> RetryLayer<M> {
        RetryLayer { shared: self.shared, lease }
    }
}

impl<S, L: Clone> Layer<S> for RetryLayer<L> {
    type Service = Retry<S, L>;

    fn layer(&self, inner: S) -> Retry<S, L> {
        Retry::new(inner, self.shared.clone(), self.lease.clone())
    }
}
