//! [`Drain`]: reads the rest of a body that was dropped, which saves an HTTP/1 connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::lease::BodyLease;

/// How much of a body is read for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DrainLimits {
    /// Zero: nothing is read.
    pub(super) bytes: u64,
    /// Zero: nothing is read.
    pub(super) time: Duration,
}

impl DrainLimits {
    pub(super) const NONE: Self = Self { bytes: 0, time: Duration::ZERO };
}

/// The rest of a body.
pub(super) struct Drain {
    // Dropped before the lease: beyond the bounds, hyper closes the connection.
    rest: Incoming,
    _lease: BodyLease,
    left: u64,
}

impl Drain {
    /// Spawns a task, if the bounds allow it and there is a runtime.
    pub(super) fn begin(rest: Incoming, lease: BodyLease) {
        let DrainLimits { bytes, time } = lease.drain_limits();
        let short = !rest.is_end_stream() && rest.size_hint().lower() <= bytes;
        let drain = Self { rest, _lease: lease, left: bytes };
        if bytes > 0 && !time.is_zero() && short {
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(timeout(time, drain));
            }
        }
    }
}

impl Future for Drain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match Pin::new(&mut self.rest).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None | Some(Err(_))) => return Poll::Ready(()),
                Poll::Ready(Some(Ok(frame))) => {
                    let read = frame.data_ref().map_or(0, |data| data.len() as u64);
                    match self.left.checked_sub(read) {
                        Some(left) => self.left = left,
                        None => return Poll::Ready(()),
                    }
                }
            }
        }
    }
}
