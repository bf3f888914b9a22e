//! The setup of a connection.

use std::cell::RefCell;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::{AddressAttempt, Origin};
use crate::event::{ConnectResult, Event, Observers};
use crate::failure::{Failure, Phase};
use crate::record::{Attempt, ObserverStates};

/// The setup of a connection: dns, tcp, tunnel, tls, and each address that was tried.
///
/// A setup starts when the client calls the tracked connector. It ends with a connection, a failure or a drop. Clones are
/// handles to one record.
#[derive(Clone)]
pub struct Setup(Arc<Inner>);

struct Inner {
    id: u64,
    origin: Origin,
    start: Instant,
    started_by: Option<u64>,
    end: OnceLock<Instant>,
    connection: AtomicU64,
    /// Code of the phase that started last; 0 for none.
    running: AtomicU8,
    phases: Mutex<Vec<SetupPhase>>,
    dns_answers: OnceLock<Box<[IpAddr]>>,
    attempts: Mutex<Vec<AddressAttempt>>,
    peer: OnceLock<SocketAddr>,
    tls: OnceLock<TlsInfo>,
    wasted: AtomicBool,
    /// The attempt that started the setup has ended without its connection.
    abandoned: AtomicBool,
    /// That attempt has had no response.
    unanswered: AtomicBool,
    /// The connection will be tracked.
    tracked: AtomicBool,
    /// TLS runs above the tracked connector and is not visible.
    below_tls: AtomicBool,
    observers: Observers,
    observer_states: ObserverStates,
}

/// A completed phase of a setup.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SetupPhase {
    /// Which phase.
    pub phase: Phase,
    /// When the phase started.
    pub start: Instant,
    /// When the phase ended.
    pub end: Instant,
    /// The failure, if the phase failed.
    pub failure: Option<Failure>,
}

/// The result of a TLS handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `1.2` or `1.3`.
    pub version: Option<&'static str>,
    /// The name of the cipher suite.
    pub cipher: Option<String>,
    /// The protocol that ALPN selected.
    pub alpn: Option<String>,
    /// Whether a session was resumed.
    pub resumed: Option<bool>,
}

const RUNNABLE: [Phase; 4] = [Phase::Dns, Phase::Tcp, Phase::Tunnel, Phase::Tls];

impl Setup {
    pub(crate) fn start(origin: Origin, attempt: Option<&Attempt>, observers: Observers) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let setup = Self(Arc::new(Inner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            origin,
            start: Instant::now(),
            started_by: attempt.map(Attempt::id),
            end: OnceLock::new(),
            connection: AtomicU64::new(0),
            running: AtomicU8::new(0),
            phases: Mutex::default(),
            dns_answers: OnceLock::new(),
            attempts: Mutex::default(),
            peer: OnceLock::new(),
            tls: OnceLock::new(),
            wasted: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            unanswered: AtomicBool::new(false),
            tracked: AtomicBool::new(false),
            below_tls: AtomicBool::new(false),
            observers,
            observer_states: ObserverStates::default(),
        }));
        if let Some(attempt) = attempt {
            attempt.0.serving().setups.push(setup.clone());
            // The next request may need a connection too.
            attempt.origin().request_capture();
        }
        setup.origin().changes().setup_started();
        // As if the client connected by itself.
        let attempt = attempt.filter(|attempt| !attempt.states().is_unobserved());
        setup.0.observers.emit(&Event::ConnectStarted { setup: &setup, attempt });
        setup
    }

    /// The connection will be tracked.
    pub(crate) fn track(&self) {
        self.0.tracked.store(true, Ordering::Release);
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.0.tracked.load(Ordering::Acquire)
    }

    /// The attempt that started the setup has ended without its connection: another attempt will have the first use.
    pub(crate) fn abandon(&self, answered: bool) {
        self.0.unanswered.store(!answered, Ordering::Release);
        self.0.abandoned.store(true, Ordering::Release);
    }

    /// The attempt that started the setup has ended without a response: it may have used the connection or not.
    #[cfg(feature = "reqwest")]
    pub(crate) fn is_unanswered(&self) -> bool {
        self.0.unanswered.load(Ordering::Acquire)
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.abandoned.load(Ordering::Acquire)
    }

    /// TLS runs above the tracked connector and is not visible.
    pub(crate) fn leave_tls(&self) {
        self.0.below_tls.store(true, Ordering::Release);
    }

    /// Whether TLS is part of the setup.
    pub(crate) fn has_tls(&self) -> bool {
        self.origin().scheme() == "https" && !self.0.below_tls.load(Ordering::Acquire)
    }

    /// Whether TLS follows above the tracked connector.
    pub(crate) fn awaits_tls(&self) -> bool {
        self.origin().scheme() == "https" && self.0.below_tls.load(Ordering::Acquire)
    }

    /// The setup whose connector is being polled on this thread.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Makes this the current setup until the guard is dropped.
    pub(crate) fn enter(&self) -> SetupScope {
        let before = CURRENT.try_with(|current| current.replace(Some(self.clone()))).ok().flatten();
        SetupScope { before }
    }

    /// Unique within the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The origin that the setup connects to.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// When the connector was called.
    #[must_use]
    pub fn start_time(&self) -> Instant {
        self.0.start
    }

    /// When the setup ended; `None` before that.
    #[must_use]
    pub fn end_time(&self) -> Option<Instant> {
        self.0.end.get().copied()
    }

    /// How long the whole took; `None` while it runs.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.end_time().map(|end| end - self.0.start)
    }

    /// The id of the attempt that started it; `None` if the client connects in a task of its own.
    #[must_use]
    pub fn started_by(&self) -> Option<u64> {
        self.0.started_by
    }

    /// The id of the connection, if the setup led to one.
    #[must_use]
    pub fn connection_id(&self) -> Option<u64> {
        match self.0.connection.load(Ordering::Acquire) {
            0 => None,
            id => Some(id),
        }
    }

    /// The completed phases, in the order of their ends.
    #[must_use]
    pub fn phases(&self) -> Vec<SetupPhase> {
        self.0.phases.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The duration of a phase; `None` if the phase did not occur or is not visible.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> Option<Duration> {
        let phases = self.0.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.iter().find(|ended| ended.phase == phase).map(|ended| ended.end - ended.start)
    }

    /// The addresses that the resolver returned; `None` if no name was resolved, or the resolver is not visible.
    ///
    /// Set when the phase [`Dns`](Phase::Dns) ends.
    #[must_use]
    pub fn dns_answers(&self) -> Option<&[IpAddr]> {
        self.0.dns_answers.get().map(|answers| &**answers)
    }

    /// The addresses that were tried, in the order in which their attempts ended. Only
    /// [`TcpConnector`](crate::connect::TcpConnector) records them; empty for other connectors.
    #[must_use]
    pub fn address_attempts(&self) -> Vec<AddressAttempt> {
        self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The address of the peer, once connected.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer.get().copied()
    }

    /// The result of the TLS handshake, if it is visible.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.0.tls.get()
    }

    pub(in crate::record) fn states(&self) -> &ObserverStates {
        &self.0.observer_states
    }

    observer_state!();

    pub(crate) fn set_dns_answers(&self, answers: Vec<IpAddr>) {
        let _ = self.0.dns_answers.set(answers.into());
    }

    pub(crate) fn end_address(&self, attempt: &AddressAttempt) {
        self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner).push(attempt.clone());
        self.0.observers.emit(&Event::AddressAttempt { setup: self, address: attempt });
    }

    pub(crate) fn set_peer(&self, peer: SocketAddr) {
        let _ = self.0.peer.set(peer);
    }

    pub(crate) fn set_tls(&self, tls: TlsInfo) {
        let _ = self.0.tls.set(tls);
    }

    pub(crate) fn set_connection(&self, id: u64) {
        self.0.connection.store(id, Ordering::Release);
    }

    /// Ends the setup. Later calls do nothing.
    pub(crate) fn finish(&self, result: ConnectResult<'_>) {
        let at = Instant::now();
        if self.0.end.set(at).is_ok() {
            self.origin().changes().setup_ended(at);
            self.0.observers.emit(&Event::ConnectEnded { setup: self, result });
        }
    }

    /// Returns the phase that was running: the one around this phase.
    pub(crate) fn begin_phase(&self, phase: Phase) -> Option<Phase> {
        let before = self.running_phase();
        self.resume_phase(Some(phase));
        before
    }

    /// An inner phase has ended. TLS follows the outermost phase of an https connect, unless TCP is not visible.
    pub(crate) fn resume_phase(&self, phase: Option<Phase>) {
        let connected = || self.has_phase(Phase::Tcp) || self.has_phase(Phase::Tunnel);
        let handshakes = || self.has_tls() && connected() && !self.has_phase(Phase::Tls);
        let tls = || handshakes().then_some(Phase::Tls);
        let phase = phase.or_else(tls);
        let at = phase.and_then(|phase| RUNNABLE.iter().position(|runnable| *runnable == phase));
        self.0.running.store(at.map_or(0, |at| at as u8 + 1), Ordering::Release);
    }

    /// The current phase; `None` if it is not visible, and after the end.
    pub(crate) fn running_phase(&self) -> Option<Phase> {
        let running = self.0.running.load(Ordering::Acquire);
        if self.end_time().is_some() {
            return None;
        }
        RUNNABLE.get(usize::from(running).checked_sub(1)?).copied()
    }

    pub(crate) fn has_phase(&self, phase: Phase) -> bool {
        self.phase(phase).is_some()
    }

    /// The end of the last phase that started at or after `start`: the next phase starts there.
    pub(crate) fn last_end_since(&self, start: Instant) -> Option<Instant> {
        let phases = self.0.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.iter().filter(|ended| ended.start >= start).map(|ended| ended.end).max()
    }

    pub(crate) fn end_phase(&self, phase: Phase, start: Instant, end: Instant, failure: Option<&Failure>) {
        let ended = SetupPhase { phase, start, end, failure: failure.cloned() };
        self.0.phases.lock().unwrap_or_else(PoisonError::into_inner).push(ended);
        self.0.observers.emit(&Event::ConnectPhase { setup: self, phase, start, end, failure });
    }

    pub(crate) fn is_wasted(&self) -> bool {
        self.0.wasted.load(Ordering::Acquire)
    }

    /// Emits, once, that the attempt that started the setup was served by another connection.
    pub(crate) fn mark_wasted(&self, attempt: &Attempt) {
        if !self.0.wasted.swap(true, Ordering::AcqRel) {
            self.0.observers.emit(&Event::ConnectWasted { setup: self, attempt });
        }
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("id", &self.id())
            .field("origin", self.origin())
            .field("started_by", &self.started_by())
            .field("connection", &self.connection_id())
            .finish_non_exhaustive()
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Setup>> = const { RefCell::new(None) };
}

/// Restores the setup that was current before.
pub(crate) struct SetupScope {
    before: Option<Setup>,
}

impl Drop for SetupScope {
    fn drop(&mut self) {
        let before = self.before.take();
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}
