//! Lets go of a failed response, so that others can use its connection.

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
use crate::timer::{Limit, Timers};

pin_project! {
    /// Reads a body to its end, within bounds. The body is let go by dropping it.
    pub(super) struct Drain<R> {
        #[pin]
        body: R,
        left: u64,
        start: Instant,
        limit: Limit,
        http2: bool,
        polled: bool,
    }
}

impl<R: Body> Drain<R> {
    pub(super) fn new(body: R, version: Version, bounds: ReleaseBounds) -> Self {
        let (left, http2) = (bounds.bytes as u64, version == Version::HTTP_2);
        // Without a runtime there is no clock to wait by.
        let time = if Handle::try_current().is_ok() { bounds.time } else { Duration::ZERO };
        let limit = Limit::new(time);
        Self { body, left, start: Instant::now(), limit, http2, polled: false }
    }

    pub(super) fn poll(self: Pin<&mut Self>, timers: &Timers, cx: &mut Context<'_>) -> Poll<Release> {
        let mut this = self.project();
        let cut = if *this.http2 { Release::Reset } else { Release::Closed };
        loop {
            if this.body.is_end_stream() {
                return Poll::Ready(if *this.polled { Release::Drained } else { Release::Empty });
            }
            if this.body.size_hint().lower() > *this.left {
                return Poll::Ready(cut);
            }
            match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    *this.polled = true;
                    let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                    match this.left.checked_sub(bytes) {
                        Some(left) => *this.left = left,
                        None => return Poll::Ready(cut),
                    }
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(cut),
                Poll::Ready(None) => {
                    return Poll::Ready(if *this.polled { Release::Drained } else { Release::Empty });
                }
                Poll::Pending => {
                    let start = *this.start;
                    let over = this.limit.after().is_zero() || this.limit.poll(timers, cx, || Some(start));
                    return if over { Poll::Ready(cut) } else { Poll::Pending };
                }
            }
        }
    }
}
