//! What is known of one call, and what comes after each of its attempts.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;

use super::decide::{Cost, IDEMPOTENCY_KEY, Rules, Seen, Wait, Wanted, is_permanent};
use super::head::Head;
use super::kept::Kept;
use super::state::RetryState;
use super::{Lease, LeasedBody, RetryContext, RetryLayer, RetryOptions, Verdict};
use crate::error::{BoxError, Error, FailedAttempt, RetryHistory};
use crate::event::{Event, Outcome, ResponseHead, StackWarning};
use crate::failure::{Failure, Kind, Phase, SendState};
use crate::record::{
    Attempt, Call, CallStorage, Connection, EndCause, Registry, RetryLimit, RetryReason, Reuse, Setup,
    Timings,
};
use crate::settings::RetrySettings;

/// No call meets more dead connections: a pool that holds more is broken.
const DEAD_AT_MOST: usize = 100;

/// One call, and what is needed to send its request again. Its end is told when it is dropped, if not before.
pub(super) struct Plan<L, B: Body> {
    registry: Registry,
    settings: Arc<RetrySettings>,
    state: Arc<RetryState>,
    lease: L,
    call: Call,
    /// The call is this layer's to end.
    owner: bool,
    head: Head,
    kept: CallStorage<Kept<B>>,
    retries: u32,
    attempts_before: u32,
    not_processed: u32,
    history: Vec<FailedAttempt>,
    phase: Phase,
    /// Since when it waits.
    pause: Option<Instant>,
    finished: bool,
}

impl<L: Lease<B>, B: Body> Plan<L, B> {
    /// With the request for the first attempt; `None` where it is not to be sent again.
    pub(super) fn new(layer: &RetryLayer<L>, mut request: Request<B>) -> (Option<Self>, Request<L::Leased>)
    where
        L: Clone,
        B: Send + 'static,
        B::Data: Send,
    {
        let (registry, lease) = (layer.registry(), layer.lease_ref());
        let settings = layer.settings();
        let options = request.extensions().get::<RetryOptions>();
        let retries = options.and_then(|options| options.retries).unwrap_or(settings.max_retries);
        if let Some(key) = options.and_then(|options| options.key.clone()) {
            request.headers_mut().entry(IDEMPOTENCY_KEY).or_insert(key);
        }
        warn_of_observe_above(registry, &request);
        if retries == 0 {
            return (None, request.map(|body| lease.lease(LeasedBody::own(body))));
        }
        let made_above = request.extensions().get::<Call>().cloned();
        let (head, length) = (Head::of(&request), crate::util::http::body_length(&request));
        let (mut parts, body) = request.into_parts();
        let (call, kept) = Call::with_storage::<Kept<B>>();
        kept.keep(&parts.headers);
        kept.body.put(body, length, settings.replay_up_to);
        let call = match made_above {
            // It has no room: that of the new call is used, which nobody else will see.
            Some(call) => call,
            None => {
                parts.extensions.insert(call.clone());
                call
            }
        };
        let plan = Self {
            registry: registry.clone(),
            settings,
            state: layer.state_shared().clone(),
            lease: lease.clone(),
            owner: call.claim(),
            attempts_before: call.attempts(),
            call,
            head,
            kept,
            retries,
            not_processed: 0,
            history: Vec::new(),
            phase: Phase::Acquire,
            pause: None,
            finished: false,
        };
        if plan.owner {
            plan.emit(&Event::CallStarted { call: &plan.call });
        } else if !plan.call.is_ended() {
            plan.registry.warn(StackWarning::RetriedTwice);
        }
        let request = Request::from_parts(parts, plan.lease.lease(plan.kept.lease()));
        (Some(plan), request)
    }

    /// The request for the next attempt.
    pub(super) fn again(&mut self) -> Request<L::Leased> {
        self.phase = Phase::Acquire;
        self.call.clear_end_cause();
        let leased = self.lease.lease(self.kept.lease());
        let mut request = self.head.request(self.kept.headers(), leased);
        request.extensions_mut().insert(self.call.clone());
        if let Some(name) = &self.settings.attempt_header {
            request.headers_mut().insert(name, self.made().into());
        }
        request
    }
}

impl<L, B: Body> Plan<L, B> {
    pub(super) fn settings(&self) -> &RetrySettings {
        &self.settings
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(super) fn call(&self) -> &Call {
        &self.call
    }

    pub(super) fn emit(&self, event: &Event<'_>) {
        self.registry.emit(event);
    }

    pub(super) fn pause_begins(&mut self, delay: Duration) {
        self.pause = Some(Instant::now());
        self.emit(&Event::BackoffStarted { call: &self.call, delay });
    }

    pub(super) fn pause_ends(&mut self) {
        if let Some(start) = self.pause.take() {
            self.emit(&Event::BackoffEnded { call: &self.call, start, end: Instant::now() });
        }
    }

    /// Whether one more retry would be too many. Those after a dead reused connection do not count: the connections that
    /// were there bound them, also in a pool that cannot be told which else are likely to be dead.
    fn is_used_up(&self, reason: RetryReason) -> bool {
        let free = |reason| reason == RetryReason::ReusedConnection && !self.settings.connect_only;
        let dead = self.history.iter().filter(|attempt| free(attempt.reason)).count();
        match free(reason) {
            true => dead >= DEAD_AT_MOST,
            false => self.history.len() - dead >= self.retries as usize,
        }
    }

    /// How many times it was sent again.
    fn made(&self) -> u32 {
        u32::try_from(self.history.len()).unwrap_or(u32::MAX)
    }

    /// How long to wait before it is sent again; `None` where the caller gets this response.
    pub(super) fn after_response<R>(&mut self, response: &Response<R>) -> Option<Duration>
    where
        B: Unpin,
        B::Error: Into<BoxError>,
    {
        let head = ResponseHead {
            status: response.status(),
            version: response.version(),
            headers: response.headers(),
        };
        let attempt = response.extensions().get::<Timings>().map(Timings::attempt);
        let (reason, delay) = self.judge(Ok(head), attempt)?;
        let connection = attempt.and_then(Attempt::connection);
        self.remember(None, Some(response.status()), connection, reason, delay);
        self.call.set_end_cause(EndCause::ReleasedByRetry);
        Some(delay)
    }

    /// How long to wait before it is sent again; `None` where the caller gets this error.
    pub(super) fn after_error(&mut self, error: &Error) -> Option<Duration>
    where
        B: Unpin,
        B::Error: Into<BoxError>,
    {
        let failure = error.failure();
        // A layer above Observe may have sent requests of its own: what failed need not be this one.
        if self.call.attempts() - self.attempts_before > self.made() + 1 {
            return None;
        }
        let (reason, delay) = self.judge(Err(failure), error.attempt())?;
        self.not_processed += u32::from(failure.send_state() == Some(SendState::NotProcessed));
        self.remember(Some(failure.clone()), None, failure.connection().cloned(), reason, delay);
        // The timeout that has ended the attempt is not the caller's leaving.
        self.call.clear_end_cause();
        Some(delay)
    }

    fn remember(
        &mut self,
        failure: Option<Failure>,
        status: Option<http::StatusCode>,
        connection: Option<Connection>,
        reason: RetryReason,
        delay: Duration,
    ) {
        self.phase = Phase::Backoff;
        self.call.retried(reason, delay);
        self.history.push(FailedAttempt { failure, status, connection, reason, delay });
    }

    fn judge(
        &self,
        result: Result<ResponseHead<'_>, &Failure>,
        attempt: Option<&Attempt>,
    ) -> Option<(RetryReason, Duration)>
    where
        B: Unpin,
        B::Error: Into<BoxError>,
    {
        if result.is_err_and(is_permanent) {
            return None;
        }
        let seen = Seen {
            result,
            reuse: attempt.map_or(Reuse::Unknown, Attempt::reuse),
            idempotent: self.head.is_idempotent(),
            not_processed: self.not_processed,
        };
        let wanted = Rules(&self.settings).wanted(seen);
        // Nobody asks for more of a body whose answer is returned as it is.
        if wanted.is_none() && self.state.policy.is_none() {
            return None;
        }
        let early = result.is_ok() && !self.kept.body.is_handed_over();
        let wanted = if early { wanted } else { self.consult(seen, wanted) }?;
        let decision = match early {
            true => Err(RetryLimit::Body),
            false => self.check(wanted, attempt),
        };
        let (call, reason) = (&self.call, wanted.reason);
        self.emit(&Event::RetryDecided { call, reason, decision });
        // One that has died after it was sent may have died of it.
        if decision.is_ok() && reason == RetryReason::ReusedConnection {
            attempt.into_iter().for_each(Attempt::distrust_idle);
        }
        decision.ok().map(|delay| (reason, delay))
    }

    /// Asks the user's policy, if there is one.
    fn consult(&self, seen: Seen<'_>, wanted: Option<Wanted>) -> Option<Wanted> {
        let Some(policy) = &self.state.policy else { return wanted };
        let attempt = RetryContext {
            result: seen.result,
            head: &self.head,
            ordinal: self.made(),
            elapsed: self.call.start().elapsed(),
            deadline: self.call.deadline(),
            wanted: wanted.map(|wanted| wanted.reason),
        };
        let retry = |wait| Some(Wanted { reason: RetryReason::Policy, cost: Cost::Request, wait });
        match policy.decide(&attempt) {
            Verdict::Default => wanted,
            Verdict::Return => None,
            Verdict::Retry => retry(Wait::Backoff),
            Verdict::RetryAfter(wait) => retry(Wait::Asked(wait)),
        }
    }

    /// Whether the retry can be made; what it costs is drawn last.
    fn check(&self, wanted: Wanted, attempt: Option<&Attempt>) -> Result<Duration, RetryLimit> {
        if self.is_used_up(wanted.reason) {
            return Err(RetryLimit::Attempts);
        }
        if !self.kept.body.is_whole() {
            return Err(RetryLimit::Body);
        }
        let delay = match wanted.wait {
            Wait::AtOnce => Duration::ZERO,
            Wait::Backoff => {
                let RetrySettings { backoff_base, backoff_cap, .. } = *self.settings;
                self.state.jitter.delay(backoff_base, backoff_cap, self.made())
            }
            Wait::Asked(wait) if wait <= self.settings.longest_wait => wait,
            Wait::Asked(_) | Wait::Forbidden => return Err(RetryLimit::RetryAfter),
        };
        let end = Instant::now().checked_add(delay);
        if self.call.deadline().is_some_and(|deadline| end.is_none_or(|end| end >= deadline)) {
            return Err(RetryLimit::Deadline);
        }
        match attempt {
            Some(attempt) => self.state.draw(&self.settings, wanted.cost, attempt.origin()),
            None => self.state.draw(&self.settings, wanted.cost, &self.registry.origin(self.head.uri())),
        }?;
        // Not before it is certain: where the answer is returned the client may still come back for the body's end.
        if self.kept.body.take_back() { Ok(delay) } else { Err(RetryLimit::Body) }
    }

    /// The caller gets this response.
    pub(super) fn respond<R>(&mut self, response: &mut Response<R>) {
        self.finished = true;
        if self.owner {
            let ended = |timings: &Timings| timings.attempt().is_ended();
            self.call.mark_last();
            if response.extensions().get::<Timings>().is_none_or(ended) {
                self.call.end(&self.registry, &Outcome::Ok);
            }
        }
        if !self.history.is_empty() {
            response.extensions_mut().insert(RetryHistory::new(std::mem::take(&mut self.history)));
        }
        self.kept.settle();
    }

    /// The caller gets this error.
    pub(super) fn fail(&mut self, error: Error) -> Error
    where
        B: Send + 'static,
    {
        self.finished = true;
        if self.owner {
            let outcome = Outcome::Failed(error.failure().clone());
            self.call.end(&self.registry, &outcome);
        }
        let unsent = error.failure().send_state() == Some(SendState::NotSent);
        let body = if unsent { self.kept.body.untouched() } else { None };
        let error = error.with_history(std::mem::take(&mut self.history));
        let error = match body {
            Some(body) => error.with_request(self.head.request(self.kept.headers(), body)),
            None => error,
        };
        self.kept.settle();
        error
    }
}

/// The caller gives up, or the client has panicked.
impl<L, B: Body> Drop for Plan<L, B> {
    fn drop(&mut self) {
        self.pause_ends();
        if self.owner && !self.finished {
            self.tell_early_end();
        }
        self.kept.let_go();
    }
}

impl<L, B: Body> Plan<L, B> {
    fn tell_early_end(&self) {
        let phase = self.call.cancelled_in().unwrap_or(self.phase);
        let failed = |kind| Outcome::Failed(Failure::new(kind).with_phase(phase));
        let outcome = match self.call.end_cause() {
            Some(EndCause::AttemptTimeout) => failed(Kind::ResponseTimeout),
            _ if std::thread::panicking() => failed(Kind::Other),
            _ => Outcome::Cancelled { phase },
        };
        self.call.end(&self.registry, &outcome);
    }
}

/// Then all its attempts would be one to the layer above.
fn warn_of_observe_above<B>(registry: &Registry, request: &Request<B>) {
    let identity = crate::record::identity(request.uri());
    let inside = Attempt::current().is_some_and(|outer| outer.identity() == identity && identity != 0);
    if inside && Setup::current().is_none() {
        registry.warn(StackWarning::RetryInsideObserve);
    }
}
