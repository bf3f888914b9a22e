//! The making of a connection.

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

/// The making of a connection: dns, tcp, tunnel, tls, and each address that was tried.
///
/// It begins when the client asks the tracked connector and ends with a connection, a failure or a drop.
/// Clones are handles to one record.
#[derive(Clone)]
pub struct Setup(Arc<Inner>);

struct Inner {
    id: u64,
    origin: Origin,
    start: Instant,
    started_by: Option<u64>,
    end: OnceLock<Instant>,
    connection: AtomicU64,
    /// Code of the phase that began last, 0 where none has.
    running: AtomicU8,
    phases: Mutex<Vec<SetupPhase>>,
    dns_answers: OnceLock<Box<[IpAddr]>>,
    attempts: Mutex<Vec<AddressAttempt>>,
    peer: OnceLock<SocketAddr>,
    tls: OnceLock<TlsInfo>,
    wasted: AtomicBool,
    /// Who has started it will not be served by its connection.
    abandoned: AtomicBool,
    /// Its connection will be tracked.
    tracked: AtomicBool,
    /// TLS comes after it, out of its sight.
    below_tls: AtomicBool,
    observers: Observers,
    slots: ObserverStates,
}

/// One phase of a setup that has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SetupPhase {
    /// Which phase.
    pub phase: Phase,
    /// When it began.
    pub start: Instant,
    /// When it ended.
    pub end: Instant,
    /// What went wrong.
    pub failure: Option<Failure>,
}

/// What a TLS handshake agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `1.2` or `1.3`.
    pub version: Option<&'static str>,
    /// The cipher suite's name.
    pub cipher: Option<String>,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// Whether an earlier session was resumed.
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
            tracked: AtomicBool::new(false),
            below_tls: AtomicBool::new(false),
            observers,
            slots: ObserverStates::default(),
        }));
        if let Some(attempt) = attempt {
            attempt.0.serving().setups.push(setup.clone());
            // The next request may need a connection too.
            attempt.origin().request_capture();
        }
        setup.0.observers.emit(&Event::ConnectStarted { setup: &setup, attempt });
        setup
    }

    /// Its connection will be tracked.
    pub(crate) fn track(&self) {
        self.0.tracked.store(true, Ordering::Release);
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.0.tracked.load(Ordering::Acquire)
    }

    /// Who has started it is over, and was not served by its connection: another one has the first use of it.
    pub(crate) fn abandon(&self) {
        self.0.abandoned.store(true, Ordering::Release);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.abandoned.load(Ordering::Acquire)
    }

    /// TLS comes after it, out of its sight.
    pub(crate) fn leave_tls(&self) {
        self.0.below_tls.store(true, Ordering::Release);
    }

    /// Whether TLS is a part of it.
    pub(crate) fn has_tls(&self) -> bool {
        self.origin().scheme() == "https" && !self.0.below_tls.load(Ordering::Acquire)
    }

    /// Whether TLS is to come after it.
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

    /// Where to.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// When the connector was asked.
    #[must_use]
    pub fn start_time(&self) -> Instant {
        self.0.start
    }

    /// When it was over; `None` while it runs.
    #[must_use]
    pub fn end_time(&self) -> Option<Instant> {
        self.0.end.get().copied()
    }

    /// How long the whole took; `None` while it runs.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.end_time().map(|end| end - self.0.start)
    }

    /// The id of the attempt that started it; `None` where the client connects from a task of its own.
    #[must_use]
    pub fn started_by(&self) -> Option<u64> {
        self.0.started_by
    }

    /// The id of the connection that it made, if it did.
    #[must_use]
    pub fn connection_id(&self) -> Option<u64> {
        match self.0.connection.load(Ordering::Acquire) {
            0 => None,
            id => Some(id),
        }
    }

    /// The phases that have ended, in the order in which they ended.
    #[must_use]
    pub fn phases(&self) -> Vec<SetupPhase> {
        self.0.phases.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long a phase took; `None` if it did not take place or cannot be seen.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> Option<Duration> {
        let phases = self.0.phases.lock().unwrap_or_else(PoisonError::into_inner);
        phases.iter().find(|ended| ended.phase == phase).map(|ended| ended.end - ended.start)
    }

    /// What the name resolved to; `None` where nothing was resolved, or by a resolver that cannot be seen.
    ///
    /// It is there when the phase [`Dns`](Phase::Dns) ends.
    #[must_use]
    pub fn dns_answers(&self) -> Option<&[IpAddr]> {
        self.0.dns_answers.get().map(|answers| &**answers)
    }

    /// The addresses that were tried, in the order in which their attempts ended; none where that cannot be
    /// seen. Only [`TcpConnector`](crate::connect::TcpConnector) shows them.
    #[must_use]
    pub fn attempts(&self) -> Vec<AddressAttempt> {
        self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The address that was connected to.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.peer.get().copied()
    }

    /// What the TLS handshake agreed on, where that can be seen.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.0.tls.get()
    }

    observer_state!();

    pub(crate) fn set_dns_answers(&self, answers: Vec<IpAddr>) {
        let _ = self.0.dns_answers.set(answers.into());
    }

    pub(crate) fn end_address(&self, attempt: &AddressAttempt) {
        self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner).push(attempt.clone());
        self.0.observers.emit(&Event::AddressAttempt { setup: self, attempt });
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

    /// Ends the setup; every call after the first does nothing.
    pub(crate) fn finish(&self, result: ConnectResult<'_>) {
        if self.0.end.set(Instant::now()).is_ok() {
            self.0.observers.emit(&Event::ConnectEnded { setup: self, result });
        }
    }

    /// Returns the phase that was running: the stage around this one.
    pub(crate) fn begin_phase(&self, phase: Phase) -> Option<Phase> {
        let before = self.running_phase();
        self.resume_phase(Some(phase));
        before
    }

    /// A stage inside is over; after the outermost one of an https connect comes TLS, unless TCP is not seen.
    pub(crate) fn resume_phase(&self, phase: Option<Phase>) {
        let connected = || self.has_phase(Phase::Tcp) || self.has_phase(Phase::Tunnel);
        let handshakes = || self.has_tls() && connected() && !self.has_phase(Phase::Tls);
        let tls = || handshakes().then_some(Phase::Tls);
        let phase = phase.or_else(tls);
        let at = phase.and_then(|phase| RUNNABLE.iter().position(|runnable| *runnable == phase));
        self.0.running.store(at.map_or(0, |at| at as u8 + 1), Ordering::Release);
    }

    /// The phase that it is in; `None` where that cannot be seen, and when it is over.
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

    /// When the last phase ended that began at or after `start`: what comes next begins there.
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

    /// Says, once, that the attempt which started this was served by another connection.
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

/// Puts the setup back that was current before.
pub(crate) struct SetupScope {
    before: Option<Setup>,
}

impl Drop for SetupScope {
    fn drop(&mut self) {
        let before = self.before.take();
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}
