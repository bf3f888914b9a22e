//! Reads the rest of a failed response, so that its connection can be reused during the backoff.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http::Version;
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::record::Release;
use crate::settings::ReleaseBounds;
use crate::timer::{Timeout, Timers};

pin_project! {
    /// Reads a response body to its end, within bounds. Dropping the drain releases the body.
    pub(super) struct Drain<R> {
        #[pin]
        body: R,
        remaining: u64,
        start: Instant,
        timeout: Timeout,
        http2: bool,
        polled: bool,
    }
}

impl<R: Body> Drain<R> {
    pub(super) fn new(body: R, version: Version, bounds: ReleaseBounds) -> Self {
        let (remaining, http2) = (bounds.bytes as u64, version == Version::HTTP_2);
        // No timer works outside of a tokio runtime.
        let time = if Handle::try_current().is_ok() { bounds.time } else { Duration::ZERO };
        let timeout = Timeout::new(time);
        Self { body, remaining, start: Instant::now(), timeout, http2, polled: false }
    }

    pub(super) fn poll(self: Pin<&mut Self>, timers: &Timers, cx: &mut Context<'_>) -> Poll<Release> {
        let mut this = self.project();
        let cut_off = if *this.http2 { Release::Reset } else { Release::Closed };
        loop {
            if this.body.is_end_stream() {
                return Poll::Ready(if *this.polled { Release::Drained } else { Release::Empty });
            }
            if this.body.size_hint().lower() > *this.remaining {
                return Poll::Ready(cut_off);
            }
            match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    *this.polled = true;
                    let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                    match this.remaining.checked_sub(bytes) {
                        Some(remaining) => *this.remaining = remaining,
                        None => return Poll::Ready(cut_off),
                    }
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(cut_off),
                Poll::Ready(None) => {
                    return Poll::Ready(if *this.polled { Release::Drained } else { Release::Empty });
                }
                Poll::Pending => {
                    let start = *this.start;
                    let elapsed =
                        this.timeout.duration().is_zero() || this.timeout.poll(timers, cx, || Some(start));
                    return if elapsed { Poll::Ready(cut_off) } else { Poll::Pending };
                }
            }
        }
    }
}
