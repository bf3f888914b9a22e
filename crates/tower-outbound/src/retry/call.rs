//! The retry layer's side of one call.

use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, Request, Response};
use http_body::Body;
use tokio::time::Instant;

use super::failed_attempts::FailedAttempts;
use super::replay::{ReplayState, RequestParts};
use super::report::{end_dropped, end_with_response, report_deadline};
use super::rules::{AttemptResult, BudgetKind, Delay, RetryDecision, Rules, is_idempotent, is_permanent};
use super::shared::RetryShared;
use super::single::SingleCall;
use super::{Lease, LeasedBody, RetryContext, RetryOptions, Verdict};
use crate::error::{BoxError, DeadlineElapsed, Error, FailedAttempt, RetryHistory};
use crate::event::{Event, Outcome, ResponseHead, StackWarning};
use crate::failure::{Failure, Kind, Phase, SendState};
use crate::record::{
    Attempt, Call, CallHandOver, CallStorage, EndCause, Registry, RetryLimit, RetryReason, Reuse, Setup,
    Timings,
};
use crate::settings::{ReleaseBounds, RetrySettings};
use crate::util::timeout_header::{GRPC_TIMEOUT, grpc_value};

/// What a client of this crate knows of its calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallOptions {
    /// The request's body is in memory: keeping it copies nothing, whatever its size.
    pub(super) in_memory: bool,
    /// The connect timeout of a client that connects from a task of its own.
    pub(super) connects_by_task: Option<Duration>,
    /// The client below is an observe layer over a client without layers: each attempt gets the call directly. Elsewhere the
    /// request has it in an extension, where other layers may look for it later.
    pub(super) above_observe: bool,
}

/// A call that has started.
#[expect(clippy::large_enum_variant, reason = "each retried request would pay for a box")]
pub(super) enum StartedCall<L, B: Body> {
    Retried(RetryCall<L, B>),
    /// Retries are off for the request.
    Single(SingleCall),
}

/// One call whose request may be retried: the stored request, the attempts so far, and the decision after each attempt.
///
/// Dropping it ends the call as cancelled, unless the call has ended before.
pub(super) struct RetryCall<L, B: Body> {
    shared: Arc<RetryShared>,
    /// Read once, at the start of the call.
    settings: Arc<RetrySettings>,
    options: CallOptions,
    lease: L,
    call: Call,
    /// Whether this layer reports the start and the end of the call. A layer above may do so instead.
    owns_call: bool,
    parts: RequestParts,
    /// Only of interest where the settings ask for it.
    idempotent: bool,
    replay: CallStorage<ReplayState<B>>,
    max_retries: u32,
    /// Number of attempts that the call had before this layer saw it.
    attempts_before: u32,
    failed: FailedAttempts,
    phase: Phase,
    /// When the first attempt began: at the first poll.
    first_poll: Option<Instant>,
    backoff_start: Option<Instant>,
    finished: bool,
}

impl<L: Lease<B>, B: Body> RetryCall<L, B> {
    /// Starts a call. Returns its state and the request of the first attempt.
    pub(super) fn start(
        shared: &Arc<RetryShared>,
        lease: &L,
        mut request: Request<B>,
        options: CallOptions,
    ) -> (StartedCall<L, B>, Request<L::Leased>)
    where
        L: Clone,
        B: Send + 'static,
        B::Data: Send,
    {
        let settings = shared.settings();
        warn_if_below_observe(shared.registry(), &request);
        let max_retries = RetryOptions::apply(&mut request).unwrap_or(settings.max_retries);
        if max_retries == 0 {
            let single = SingleCall::start(shared.registry(), request.extensions());
            return (StartedCall::Single(single), request.map(|body| lease.lease(LeasedBody::direct(body))));
        }
        let replay_up_to = match settings.replay_up_to {
            1.. if options.in_memory => usize::MAX,
            bytes => bytes,
        };
        // Before the call joins the extensions: a retry adds the call itself, and empty extensions clone for free.
        let parts = RequestParts::of(&request);
        let idempotent = settings.idempotent && is_idempotent(&request);
        let (mut request, new_call, replay) = ReplayState::store(request, replay_up_to);
        let call = join_call(request.extensions_mut(), new_call, options.above_observe);
        call.take_deadlines(request.extensions());
        let this = Self {
            shared: shared.clone(),
            settings,
            options,
            lease: lease.clone(),
            owns_call: call.claim(),
            attempts_before: call.attempts(),
            call,
            parts,
            idempotent,
            replay,
            max_retries,
            failed: FailedAttempts::default(),
            phase: Phase::Acquire,
            first_poll: None,
            backoff_start: None,
            finished: false,
        };
        this.report_start();
        let request = request.map(|()| this.lease_body());
        (StartedCall::Retried(this), request)
    }

    /// The request of the next attempt.
    pub(super) fn next_request(&mut self) -> Request<L::Leased> {
        self.phase = Phase::Acquire;
        self.call.clear_end_cause();
        let mut request = self.parts.to_request(self.replay.headers(), self.lease_body());
        if !self.options.above_observe {
            request.extensions_mut().insert(self.call.clone());
        }
        if let (Some(deadline), Some(timeout)) =
            (self.call.deadline(), request.headers_mut().get_mut(&GRPC_TIMEOUT))
        {
            *timeout = grpc_value(deadline.saturating_duration_since(Instant::now()));
        }
        if let Some(name) = &self.settings.attempt_header {
            request.headers_mut().insert(name, self.failed.retries().into());
        }
        request
    }

    fn lease_body(&self) -> L::Leased {
        self.lease.lease(self.replay.lease())
    }
}

impl<L, B: Body> RetryCall<L, B> {
    /// The bounds of a release before this delay, so that the delay ends before the deadline.
    pub(super) fn release_before(&self, delay: Duration) -> ReleaseBounds {
        let ReleaseBounds { bytes, time } = self.settings.release;
        let left = self.call.attempts_end().map(|end| end.saturating_duration_since(Instant::now()));
        ReleaseBounds { bytes, time: left.map_or(time, |left| left.saturating_sub(delay).min(time)) }
    }

    /// The deadline has passed between two attempts.
    pub(super) fn deadline_elapsed(&self) -> Error {
        report_deadline(&self.call, self.registry());
        let failure = Failure::new(Kind::DeadlineExceeded).with_phase(Phase::Backoff);
        Error::new(failure, None, DeadlineElapsed::between_attempts(&self.call).into())
    }

    pub(super) fn registry(&self) -> &Registry {
        self.shared.registry()
    }

    pub(super) fn call(&self) -> &Call {
        &self.call
    }

    /// The first attempt begins.
    pub(super) fn begin(&mut self) {
        // Only a policy asks for the time since.
        self.first_poll = self.shared.policy.as_ref().map(|_| Instant::now());
    }

    /// The next attempt that starts on this thread belongs to the call. No extension of the request, which would cost two
    /// allocations.
    pub(super) fn hand_over(&self) -> Option<CallHandOver> {
        self.options.above_observe.then(|| CallHandOver::enter(&self.call))
    }

    pub(super) fn emit(&self, event: &Event<'_>) {
        self.registry().emit(event);
    }

    fn report_start(&self) {
        if self.owns_call {
            self.emit(&Event::CallStarted { call: &self.call });
        } else if !self.call.is_ended() {
            self.registry().warn(StackWarning::RetriedTwice);
        }
    }

    pub(super) fn start_backoff(&mut self, delay: Duration) {
        self.backoff_start = Some(Instant::now());
        self.emit(&Event::BackoffStarted { call: &self.call, delay });
    }

    pub(super) fn end_backoff(&mut self) {
        if let Some(start) = self.backoff_start.take() {
            self.emit(&Event::BackoffEnded { call: &self.call, start, end: Instant::now() });
        }
    }

    /// The delay before the next attempt; `None` if the caller gets this response.
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
        let (reason, delay) = self.decide(Ok(head), attempt)?;
        let failed = FailedAttempt {
            failure: None,
            status: Some(response.status()),
            connection: attempt.and_then(Attempt::connection),
            reason,
            delay,
        };
        self.record_attempt(failed, attempt);
        self.call.set_end_cause(EndCause::ReleasedByRetry);
        Some(delay)
    }

    /// The delay before the next attempt; `None` if the caller gets this error.
    pub(super) fn after_error(&mut self, error: &Error) -> Option<Duration>
    where
        B: Unpin,
        B::Error: Into<BoxError>,
    {
        // A layer between this one and the observe layer sent requests of its own: the failure may belong to one of
        // those.
        if self.call.attempts() - self.attempts_before > self.failed.retries() + 1 {
            return None;
        }
        let failure = error.failure();
        let (reason, delay) = self.decide(Err(failure), error.attempt())?;
        let failed = FailedAttempt {
            failure: Some(failure.clone()),
            status: None,
            connection: error.connection(),
            reason,
            delay,
        };
        self.record_attempt(failed, error.attempt());
        // The cause of the failed attempt is not the cause of the call's end.
        self.call.clear_end_cause();
        Some(delay)
    }

    fn record_attempt(&mut self, attempt: FailedAttempt, of: Option<&Attempt>) {
        if let Some(of) = of {
            self.call.keep_split(of);
        }
        self.phase = Phase::Backoff;
        self.call.retried(attempt.reason, attempt.delay);
        self.failed.push(attempt);
    }

    /// Decides on one attempt, and reports the decision if a retry was asked for.
    fn decide(
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
        let result = AttemptResult {
            result,
            reuse: attempt.map_or(Reuse::Unknown, Attempt::reuse),
            idempotent: self.idempotent,
            not_processed: self.failed.not_processed(),
            lost: self.failed.lost(),
        };
        let by_rules = Rules(&self.settings).decide(result);
        // Do not poll the body of a request whose response is returned anyway.
        if by_rules.is_none() && self.shared.policy.is_none() {
            return None;
        }
        let connects_in_time = self.connects_in_time(result.result, attempt);
        let answered_early = result.result.is_ok() && !self.replay.is_fully_taken();
        let decision = if answered_early { by_rules } else { self.apply_policy(result, by_rules) }?;
        let delay = match answered_early {
            true => Err(RetryLimit::Body),
            false if !connects_in_time => Err(RetryLimit::ConnectBudget),
            false => self.check_limits(decision, attempt),
        };
        let (call, reason) = (&self.call, decision.reason);
        self.emit(&Event::RetryDecided { call, reason, decision: delay });
        // Only if the request was not sent: a connection may have died of the request itself.
        if delay.is_ok() && reason == RetryReason::ReusedConnection {
            attempt.into_iter().for_each(|attempt| attempt.response().evict_idle_peers());
        }
        delay.ok().map(|delay| (reason, delay))
    }

    /// Counts the time of a failed connect. Returns whether the time of the call's connects allows another one.
    fn connects_in_time(
        &self,
        result: Result<ResponseHead<'_>, &Failure>,
        attempt: Option<&Attempt>,
    ) -> bool {
        let (Err(failure), Some(attempt)) = (result, attempt) else { return true };
        if !failure.is_connect() {
            return true;
        }
        let by_task = self.options.connects_by_task;
        let timeout = by_task.unwrap_or_else(|| self.registry().settings().connect.connect);
        let Some(left) = self.call.connect_failed(attempt.response().time_at_client(), timeout) else {
            return true;
        };
        // What is left shortens the next connect, or the wait for it.
        !left.is_zero()
    }

    /// The decision of the user's policy; that of the rules if there is no policy.
    fn apply_policy(
        &self,
        result: AttemptResult<'_>,
        by_rules: Option<RetryDecision>,
    ) -> Option<RetryDecision> {
        let Some(policy) = &self.shared.policy else { return by_rules };
        let context = RetryContext {
            result: result.result,
            parts: &self.parts,
            ordinal: self.failed.retries(),
            elapsed: self.first_poll.map(|start| start.elapsed()).unwrap_or_default(),
            deadline: self.call.deadline(),
            default_reason: by_rules.map(|decision| decision.reason),
        };
        let retry =
            |delay| Some(RetryDecision { reason: RetryReason::Policy, budget: BudgetKind::Request, delay });
        match policy.decide(&context) {
            Verdict::Default => by_rules,
            Verdict::Return => None,
            Verdict::Retry => retry(Delay::Backoff),
            Verdict::RetryAfter(delay) => retry(Delay::Fixed(delay)),
        }
    }

    /// The delay before the retry, or the limit that refuses it. The budget comes last, so that only a retry that
    /// follows draws on it.
    fn check_limits(
        &self,
        decision: RetryDecision,
        attempt: Option<&Attempt>,
    ) -> Result<Duration, RetryLimit> {
        if self.failed.is_exhausted(decision.reason, self.max_retries, &self.settings) {
            return Err(RetryLimit::Attempts);
        }
        if !self.replay.body.is_replayable() {
            return Err(RetryLimit::Body);
        }
        let delay = self.delay(decision)?;
        let end = Instant::now().checked_add(delay);
        if self.call.attempts_end().is_some_and(|deadline| end.is_none_or(|end| end >= deadline)) {
            return Err(RetryLimit::Deadline);
        }
        let withdraw = |origin| self.shared.withdraw(&self.settings, decision.budget, origin);
        match attempt {
            Some(attempt) => withdraw(attempt.origin()),
            None => withdraw(&self.registry().origin(self.parts.uri())),
        }?;
        // Not before the retry is certain: if the response is returned, the client may still poll for the body's end.
        if self.replay.body.revoke() { Ok(delay) } else { Err(RetryLimit::Body) }
    }

    fn delay(&self, decision: RetryDecision) -> Result<Duration, RetryLimit> {
        let RetrySettings { backoff_base, connect_backoff, backoff_cap, longest_wait, .. } = *self.settings;
        let base = if decision.reason == RetryReason::Connect { connect_backoff } else { backoff_base };
        match decision.delay {
            Delay::None => Ok(Duration::ZERO),
            Delay::Backoff => Ok(self.shared.jitter.delay(base, backoff_cap, self.failed.retries())),
            Delay::Fixed(delay) if delay <= longest_wait => Ok(delay),
            Delay::Fixed(_) | Delay::Forbidden => Err(RetryLimit::RetryAfter),
        }
    }

    /// Ends the retries: the caller gets this response.
    pub(super) fn respond<R>(&mut self, response: &mut Response<R>) {
        self.finished = true;
        if self.owns_call {
            end_with_response(&self.call, self.registry(), response);
        }
        if !self.failed.is_empty() {
            response.extensions_mut().insert(RetryHistory::new(self.failed.take()));
        }
        self.replay.finish();
    }

    /// Ends the retries: the caller gets this error, with the unsent request if the body was not polled.
    pub(super) fn fail(&mut self, error: Error) -> Error
    where
        B: Send + 'static,
    {
        self.finished = true;
        if self.owns_call {
            let outcome = Outcome::Failed(error.failure().clone());
            self.call.end(self.registry(), &outcome);
        }
        let unsent = error.failure().send_state() == Some(SendState::NotSent);
        let body = if unsent { self.replay.body.take_unpolled() } else { None };
        let error = error.with_history(self.failed.take());
        let error = match body {
            Some(body) => error.with_request(self.parts.to_request(self.replay.headers(), body)),
            None => error,
        };
        self.replay.finish();
        error
    }
}

impl<L, B: Body> Drop for RetryCall<L, B> {
    fn drop(&mut self) {
        self.end_backoff();
        if self.owns_call && !self.finished {
            end_dropped(&self.call, self.registry(), self.phase);
        }
        if !self.finished {
            // The body itself may be dropping this call while it is polled.
            self.replay.release();
        }
    }
}

/// The call that a layer above has put into the extensions; else the new call, for the layers below.
fn join_call(extensions: &mut Extensions, new_call: Call, above_observe: bool) -> Call {
    if let Some(call) = extensions.get::<Call>() {
        return call.clone();
    }
    if !above_observe {
        extensions.insert(new_call.clone());
    }
    new_call
}

/// Warns if this layer is below an observe layer, which would count all attempts as one.
fn warn_if_below_observe<B>(registry: &Registry, request: &Request<B>) {
    let inside = Attempt::current().is_some_and(|outer| outer.is_of_request(request));
    if inside && Setup::current().is_none() {
        registry.warn(StackWarning::RetryInsideObserve);
    }
}
