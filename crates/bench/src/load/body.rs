//! The request's body.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Frames of a known total length.
#[derive(Clone, Debug)]
pub(crate) struct Up {
    frame: Bytes,
    left: u64,
}

impl Up {
    pub(crate) fn new(frame: Bytes, frames: u64) -> Self {
        Self { frame, left: frames }
    }
}

impl Body for Up {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match self.left {
            0 => return Poll::Ready(None),
            // As `Full`, the last frame leaves nothing behind.
            1 => std::mem::take(&mut self.frame),
            _ => self.frame.clone(),
        };
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left * self.frame.len() as u64)
    }
}
