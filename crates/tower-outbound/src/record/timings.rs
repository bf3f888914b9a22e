//! Where the time of an attempt went.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::Attempt;
use crate::failure::Phase;
use crate::record::{Connection, Reuse, Setup, Use};

/// What a connection sends before the peer acknowledges anything: ten segments (RFC 6928), in bytes.
const INITIAL_WINDOW: u64 = 14_600;

/// Where the time of an attempt went.
///
/// Each response has it in its extensions. It is complete when the response's body has ended: clone it before you consume
/// the response.
///
/// # Example
/// ```
/// # use tower_outbound::Timings;
/// fn log<B>(response: &http::Response<B>) {
///     if let Some(timings) = response.extensions().get::<Timings>() {
///     // dns 1.2 tcp 0.3 tls 4.1 send 0.1 wait 50.2 head 0.1 = … ms, connection 7 new
///     // The total is `…` until the body has ended.
///     println!("{timings}");
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Timings {
    attempt: Attempt,
}

/// Times since the start of the attempt, as curl counts them: each is at least the one before it.
///
/// `None` for an instant that has not occurred or is not visible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cumulative {
    /// The in-flight limit granted a slot.
    pub queue: Option<Duration>,
    /// The attempt had a connection.
    pub acquire: Option<Duration>,
    /// The first byte of the request was written.
    pub send_start: Option<Duration>,
    /// The first byte of the response was read.
    pub first_byte: Option<Duration>,
    /// The head of the response was returned to the caller.
    pub head: Option<Duration>,
    /// The body of the response ended.
    pub body_end: Option<Duration>,
}

impl Timings {
    pub(in crate::record) fn new(attempt: Attempt) -> Self {
        Self { attempt }
    }

    /// The attempt.
    #[must_use]
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// Whether the attempt has ended: then nothing changes any more.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.attempt.is_ended()
    }

    /// The time from the start of the attempt to the end of the body; `None` before that.
    #[must_use]
    pub fn total(&self) -> Option<Duration> {
        self.cumulative().body_end
    }

    /// The duration of a phase; `None` if the phase did not occur, has not ended, or is not visible.
    ///
    /// Dns, tcp, tunnel and tls are those of the setup that this attempt started and used.
    #[must_use]
    pub fn phase(&self, phase: Phase) -> Option<Duration> {
        self.span(phase).map(|(start, end)| end.saturating_duration_since(start))
    }

    /// The start and end of a phase.
    #[must_use]
    pub fn span(&self, phase: Phase) -> Option<(Instant, Instant)> {
        if let Phase::Dns | Phase::Tcp | Phase::Tunnel | Phase::Tls = phase {
            let setup = self.attempt.setup().filter(|_| self.attempt.setup_paid())?;
            let ended = setup.phases().into_iter().find(|ended| ended.phase == phase);
            return ended.map(|ended| (ended.start, ended.end));
        }
        let start = self.attempt.start_time();
        self.nanos(phase)
            .map(|(from, to)| (start + Duration::from_nanos(from), start + Duration::from_nanos(to)))
    }

    /// The start and end of a phase, since the start of the attempt: cheaper than [`span`](Self::span).
    #[must_use]
    pub fn elapsed(&self, phase: Phase) -> Option<(Duration, Duration)> {
        if let Phase::Dns | Phase::Tcp | Phase::Tunnel | Phase::Tls = phase {
            let (from, to) = self.span(phase)?;
            let since_start = |at: Instant| at.saturating_duration_since(self.attempt.start_time());
            return Some((since_start(from), since_start(to)));
        }
        self.nanos(phase).map(|(from, to)| (Duration::from_nanos(from), Duration::from_nanos(to)))
    }

    /// Of a phase of the attempt itself.
    fn nanos(&self, phase: Phase) -> Option<(u64, u64)> {
        let inner = &self.attempt.0;
        let marks = &inner.marks;
        match phase {
            Phase::Queue => Some((0, marks.slot.nanos()?)),
            Phase::Acquire => Some((marks.slot.nanos().unwrap_or(0), marks.send_start.nanos()?)),
            Phase::Send => {
                let from = marks.send_start.nanos()?;
                // An early response ends the phase.
                let answer = marks.first_byte.nanos().filter(|_| self.attempt.answered_early());
                Some((from, answer.or_else(|| inner.sent_nanos())?.max(from)))
            }
            Phase::Wait => {
                let to = marks.first_byte.nanos()?;
                let from = inner.sent_nanos().filter(|_| !self.attempt.answered_early())?;
                Some((from.min(to), to))
            }
            Phase::Head => Some((marks.first_byte.nanos()?, marks.head.nanos()?)),
            Phase::Body => Some((marks.head.nanos()?, marks.end.nanos()?)),
            Phase::Backoff | Phase::Dns | Phase::Tcp | Phase::Tunnel | Phase::Tls => None,
        }
    }

    /// The cumulative view.
    #[must_use]
    pub fn cumulative(&self) -> Cumulative {
        let marks = &self.attempt.0.marks;
        Cumulative {
            queue: marks.slot.since(),
            acquire: marks.send_start.since(),
            send_start: marks.send_start.since(),
            first_byte: marks.first_byte.since(),
            head: marks.head.since(),
            body_end: marks.end.since().filter(|_| marks.head.is_set()),
        }
    }

    /// Whether the time of the first byte is an upper bound (that of the head): on HTTP/2, and where connections are not
    /// tracked, no earlier instant is visible.
    #[must_use]
    pub fn first_byte_is_upper_bound(&self) -> bool {
        self.attempt.0.first_byte_bound.load(Ordering::Acquire)
    }

    /// Whether [`Phase::Send`] may have taken longer, and [`Phase::Wait`] less.
    ///
    /// `Send` ends when the system has taken the last byte of the request. Of a larger upload, the system keeps what the peer
    /// does not read yet (on Linux up to some megabytes), so the peer's share is at most `Wait`. A request of up to 14,600
    /// bytes leaves at once: the initial congestion window (RFC 6928) has room for it.
    #[must_use]
    pub fn sent_is_lower_bound(&self) -> bool {
        self.attempt.request_body_bytes() > INITIAL_WINDOW
    }

    /// How many pooled connections turned out to be dead before the attempt had one that served it. Nothing of the request
    /// was sent on them. Always 0 on pools of other crates.
    #[must_use]
    pub fn stale_connections(&self) -> u32 {
        self.attempt.0.stale.load(Ordering::Relaxed)
    }

    /// The connection that served the attempt.
    #[must_use]
    pub fn connection(&self) -> Option<Connection> {
        self.attempt.connection()
    }

    /// Which use of the connection the attempt was.
    #[must_use]
    pub fn usage(&self) -> Option<Use> {
        self.attempt.usage()
    }

    /// Whether the connection was new or reused.
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        self.attempt.reuse()
    }

    /// The setup of the serving connection, whichever attempt started it.
    #[must_use]
    pub fn setup(&self) -> Option<Setup> {
        self.attempt.setup()
    }

    /// Whether this attempt started that setup.
    #[must_use]
    pub fn setup_paid(&self) -> bool {
        self.attempt.setup_paid()
    }
}

/// One line: the phases in milliseconds, their total, and the connection.
impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The phases of the setup replace the acquire phase that contains them.
        let paid = self.phase(Phase::Tcp).is_some();
        for phase in [
            Phase::Queue,
            Phase::Acquire,
            Phase::Dns,
            Phase::Tcp,
            Phase::Tunnel,
            Phase::Tls,
            Phase::Send,
            Phase::Wait,
            Phase::Head,
            Phase::Body,
        ] {
            if let Some(took) = self.phase(phase).filter(|_| !(paid && phase == Phase::Acquire)) {
                write!(f, "{phase} {:.1} ", took.as_secs_f64() * 1e3)?;
            }
        }
        match self.attempt.0.marks.end.get(self.attempt.start_time()) {
            Some(end) => write!(f, "= {:.1} ms", (end - self.attempt.start_time()).as_secs_f64() * 1e3)?,
            None => f.write_str("= … ms")?,
        }
        match (self.connection(), self.reuse()) {
            (Some(connection), reuse) => write!(f, ", connection {} {}", connection.id(), reuse.as_str()),
            // The connection may be one that is not tracked.
            (None, _) if self.attempt.status().is_some() => f.write_str(", connection unknown"),
            (None, _) => f.write_str(", no connection"),
        }
    }
}

impl fmt::Debug for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timings({self})")
    }
}
