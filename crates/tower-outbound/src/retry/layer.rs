use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;
use tower_layer::Layer;

use super::backoff::Jitter;
use super::state::RetryState;
use super::{PassThrough, Retry, RetryBudget, RetryPolicy};
use crate::record::Registry;
use crate::settings::{ReleaseBounds, RetrySettings};

/// Sends again what was certainly not processed, and holds nothing while it waits: no response, permit, connection or
/// readied service.
///
/// The request's body must be `Unpin`, which `Box::pin` makes of any, and `Send + 'static`; its data `Clone + Send`; its
/// error one that becomes a [`BoxError`](crate::BoxError). What is kept of it is gone when the call is over and no client
/// has any more of it to send.
///
/// It goes above [`ObserveLayer`](crate::observe::ObserveLayer), which proves what was sent: without it only what no client has
/// taken is sent again. The inner service is cloned for each request.
///
/// Unless set otherwise it sends again, twice at most, whatever was not sent (any method, streaming bodies too, which
/// were never polled) and what the peer says not to have processed (HTTP/2 `REFUSED_STREAM`, `GOAWAY`). It never sends
/// again, although never sent: our own refusals (`pool_timeout`, `queue_full`, `deadline_exceeded`), what TLS has
/// refused, a name of which the resolver says that it does not exist (the system's does not tell), an invalid request, a
/// failing request body, and what the caller has cancelled;
/// nor anything that was answered before its body was handed over whole.
///
/// A peer that is restarted kills all its idle connections. Where a reused HTTP/1 connection turns out to be dead before a
/// byte was written, the others to that peer that were idle beside it, and have not answered since, are taken out of
/// hyper-util's pool before the request is sent again: it goes out on one that has answered since, or on a new one. Their
/// close reason is `evicted`, unless they were dead too. That pool is asked for a hold on each connection at its first use,
/// or a later one; those of which there is none, and those of other clients, are found dead one by one.
///
/// # Example
/// ```
/// use http::StatusCode;
/// use tower_outbound::Outbound;
///
/// let outbound = Outbound::new();
/// // 429 and 503 too, with the wait that the peer asks for.
/// let layer = outbound.retry_layer()
///     .status([StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE])
///     .max_retries(3);
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing unless put around a service"]
pub struct RetryLayer<L = PassThrough> {
    registry: Registry,
    /// The options of this layer; `None` follows those of its `Outbound`.
    own: Option<Arc<RetrySettings>>,
    state: Arc<RetryState>,
    lease: L,
}

impl RetryLayer {
    /// Follows the options of the registry.
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, own: None, state: Arc::new(RetryState::new()), lease: PassThrough }
    }

    /// The layer of an `Outbound`, whose options become that `Outbound`'s.
    pub(crate) fn attach(self, registry: Registry) -> Self {
        Self { registry, own: None, ..self }
    }
}

impl<L> RetryLayer<L> {
    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn state_shared(&self) -> &Arc<RetryState> {
        &self.state
    }

    pub(super) fn lease_ref(&self) -> &L {
        &self.lease
    }

    pub(crate) fn settings(&self) -> Arc<RetrySettings> {
        self.own.clone().unwrap_or_else(|| self.registry.settings().retry.clone())
    }

    fn set(mut self, change: impl FnOnce(&mut RetrySettings)) -> Self {
        let mut settings = self.settings();
        change(Arc::make_mut(&mut settings));
        self.own = Some(settings);
        self.state(|_| {})
    }

    /// A layer that goes its own way has budgets of its own.
    fn state(mut self, change: impl FnOnce(&mut RetryState)) -> Self {
        match Arc::get_mut(&mut self.state) {
            Some(state) => change(state),
            None => {
                let mut state = self.state.fork();
                change(&mut state);
                self.state = Arc::new(state);
            }
        }
        self
    }

    /// Stricter: only where no connection was had, or a reused one was dead before a byte was written; once.
    pub fn connect_only(self) -> Self {
        self.set(|settings| {
            settings.connect_only = true;
            settings.max_retries = 1;
        })
    }

    /// How many times a request is sent again at most: 2 unless set; 0 is off. Not counted, unless
    /// [`connect_only`](Self::connect_only), are retries at once because a reused connection was found dead: one
    /// as a rule, and never more than there are connections.
    pub fn max_retries(self, retries: u32) -> Self {
        self.set(|settings| settings.max_retries = retries)
    }

    /// Also what was sent on a reused connection that then died, where the method is idempotent (RFC 9110, section
    /// 9.2.2) or the request has an `Idempotency-Key`. Off unless set.
    pub fn idempotent(self) -> Self {
        self.set(|settings| settings.idempotent = true)
    }

    /// Also what is answered with one of these, whatever the method. None unless set.
    ///
    /// `Retry-After` (seconds or a date) says how long to wait; an answer that asks for more than
    /// [`longest_wait`](Self::longest_wait), or beyond the call's deadline, is returned as it is.
    pub fn status(self, statuses: impl IntoIterator<Item = StatusCode>) -> Self {
        self.set(|settings| settings.statuses = statuses.into_iter().collect())
    }

    /// Also what gRPC answers with `UNAVAILABLE` in a response of trailers only; `grpc-retry-pushback-ms` says how
    /// long to wait, or not to try again. Off unless set.
    pub fn grpc(self) -> Self {
        self.set(|settings| settings.grpc = true)
    }

    /// How much of a request's body is kept so that it can be sent again once it was polled: 64 KiB unless set; 0
    /// keeps nothing. Data is kept by clones: of `Bytes` a reference count.
    pub fn replay_up_to(self, bytes: usize) -> Self {
        self.set(|settings| settings.replay_up_to = bytes)
    }

    /// The wait before a retry is anything from zero to a bound, which is `base` (25 ms unless set) for the first,
    /// doubles with each, and is never above `cap` (250 ms unless set). There is none where a reused connection turned
    /// out to be dead.
    pub fn backoff(self, base: Duration, cap: Duration) -> Self {
        self.set(|settings| (settings.backoff_base, settings.backoff_cap) = (base, cap))
    }

    /// Makes the waits the same in each run.
    pub fn seed(self, seed: u64) -> Self {
        self.state(|state| state.jitter = Jitter::seeded(seed))
    }

    /// The longest wait that a peer may ask for: 30 s unless set.
    pub fn longest_wait(self, longest_wait: Duration) -> Self {
        self.set(|settings| settings.longest_wait = longest_wait)
    }

    /// How much of a failed response is read, and for how long, so that its connection can be used again: 64 KiB and
    /// 50 ms unless set. What is longer is dropped, which closes an HTTP/1 connection.
    pub fn release_within(self, bytes: usize, time: Duration) -> Self {
        self.set(|settings| settings.release = ReleaseBounds { bytes, time })
    }

    /// How many failed connects to an origin may be followed by another one.
    pub fn connect_budget(self, budget: RetryBudget) -> Self {
        self.set(|settings| settings.connect_budget = budget)
    }

    /// How many other retries an origin gets. Those for which a reused connection was dead, and the first of a call that
    /// the peer says not to have processed, are free.
    pub fn budget(self, budget: RetryBudget) -> Self {
        self.set(|settings| settings.budget = budget)
    }

    /// Tells the peer in this header how many times the request was sent before (gRPC:
    /// `grpc-previous-rpc-attempts`); on retries only. Off unless set.
    pub fn attempt_header(self, name: HeaderName) -> Self {
        self.set(|settings| settings.attempt_header = Some(name))
    }

    /// The user's own decision.
    pub fn policy(self, policy: impl RetryPolicy) -> Self {
        self.state(|state| state.policy = Some(Arc::new(policy)))
    }

    /// What the client takes as body, for one that takes a type of its own: see [`Lease`](crate::retry::Lease).
    pub fn lease<M>(self, lease: M) -> RetryLayer<M> {
        RetryLayer { registry: self.registry, own: self.own, state: self.state, lease }
    }
}

impl<S, L: Clone> Layer<S> for RetryLayer<L> {
    type Service = Retry<S, L>;

    fn layer(&self, inner: S) -> Retry<S, L> {
        Retry { inner, layer: self.clone() }
    }
}
