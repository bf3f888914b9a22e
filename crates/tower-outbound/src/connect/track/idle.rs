//! [`IdleDeadline`]: closes an idle connection in time.

use std::task::{Context, Waker};
use std::time::Duration;

use tokio::time::Instant;

use crate::record::Connection;
use crate::timer::Alarm;

/// The time between leaving the pool and closing: a request that the pool had handed over before has arrived by then.
/// hyper can lose a request that is handed over while the connection's task ends.
const GRACE: Duration = Duration::from_millis(50);

/// How long the client may take to close a connection after the GOAWAY.
const RETIRED: Duration = Duration::from_secs(1);

/// The deadline of a connection that no attempt uses: the idle timeout, or earlier if the server closes it earlier.
///
/// The pool of another crate closes idle connections late, and does not know when the server does.
#[derive(Debug)]
pub(super) struct IdleDeadline {
    /// Zero, or a pool of this crate: only the server's timeout counts.
    idle_timeout: Duration,
    alarm: Alarm,
    /// The duration that the alarm has.
    within: Duration,
    /// The deadline of the server after a use that has ended late, which the alarm has.
    late: Option<Instant>,
    /// The deadline has passed, and the pool hands over no further request.
    left_pool: bool,
    /// The client has read a GOAWAY, and closes the connection (HTTP/2).
    retired: bool,
    /// The task that reads, as the connection has it.
    reader: Option<Waker>,
}

impl IdleDeadline {
    pub(super) const fn new(idle_timeout: Duration) -> Self {
        Self {
            idle_timeout,
            alarm: Alarm::Off,
            within: Duration::MAX,
            late: None,
            left_pool: false,
            retired: false,
            reader: None,
        }
    }

    /// A read of the unused HTTP/1 connection is pending. Returns whether it is to be closed.
    pub(super) fn poll_close(&mut self, connection: &Connection, cx: &mut Context<'_>) -> bool {
        let io = connection.io();
        if !self.left_pool {
            if !self.poll(connection, cx) || !io.expire() {
                return false;
            }
            self.left_pool = io.leave_pool();
            if !self.left_pool {
                return true;
            }
            self.alarm = Alarm::until(Instant::now() + GRACE);
        }
        // The pool drops a connection that has left it when its last request has ended.
        let unused = io.unused_since().is_some();
        unused && self.alarm.poll(io.timers(), cx, GRACE, |_| Err(())).is_some()
    }

    /// A read of an HTTP/2 connection whose requests are answered is pending. Returns whether the client does not close the
    /// connection that it was told to: h2 waits for the rest of an upload that was answered early, and which the peer's window
    /// may stop for ever.
    pub(super) fn poll_retired(&mut self, connection: &Connection, cx: &mut Context<'_>) -> bool {
        if !std::mem::replace(&mut self.retired, true) {
            self.alarm = Alarm::until(Instant::now() + RETIRED);
        }
        self.alarm.poll(connection.io().timers(), cx, RETIRED, |_| Err(())).is_some()
    }

    /// A read is pending. Returns whether the deadline has passed. If not, the task is woken when it does.
    pub(super) fn poll(&mut self, connection: &Connection, cx: &mut Context<'_>) -> bool {
        let io = connection.io();
        if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            self.reader = Some(cx.waker().clone());
            io.set_reader(self.reader.clone());
        }
        if io.is_retired() {
            return io.unused_since().is_some();
        }
        let idle_timeout = if io.is_pooled() { Duration::ZERO } else { self.idle_timeout };
        let within = match io.keep_alive() {
            None if idle_timeout.is_zero() => return false,
            None => idle_timeout,
            Some(keep_alive) if idle_timeout.is_zero() => keep_alive,
            Some(keep_alive) => keep_alive.min(idle_timeout),
        };
        if within < self.within {
            let deadline = io.idle_deadline(idle_timeout).filter(|_| self.within < Duration::MAX);
            self.alarm = deadline.map_or(Alarm::Off, Alarm::until);
        }
        self.within = within;
        let late = io.late_deadline(idle_timeout);
        if late != self.late {
            self.late = late;
            self.alarm = late.map_or(Alarm::Off, Alarm::until);
        }
        let left = |now| match io.idle_deadline(idle_timeout) {
            Some(deadline) if deadline <= now => Err(()),
            Some(deadline) => Ok(deadline - now),
            None => Ok(within),
        };
        self.alarm.poll(io.timers(), cx, within, left).is_some()
    }
}
