//! `CONNECT` on the wire.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;

use hyper::rt::{Read, ReadBuf, Write};

use super::head::{Answer, parse};
use crate::error::{BoxError, TunnelError};

/// The largest head of an answer, interim answers included.
const MAX_HEAD: usize = 16 * 1024;

/// Sends the request, and reads up to the end of the answer's head.
pub(super) async fn open<T: Read + Write + Unpin>(io: &mut T, request: &[u8]) -> Result<(), BoxError> {
    let mut rest = request;
    while !rest.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *io).poll_write(cx, rest)).await?;
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        rest = &rest[written..];
    }
    poll_fn(|cx| Pin::new(&mut *io).poll_flush(cx)).await?;

    let mut head = Vec::with_capacity(256);
    let mut begin = 0;
    while head.len() < MAX_HEAD {
        head.push(read_byte(io).await?);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        match parse(&head[begin..])? {
            Answer::Interim => begin = head.len(),
            Answer::Opened => return Ok(()),
            Answer::Refused(status) => return Err(TunnelError::answer(status).into()),
        }
    }
    Err(TunnelError::HEAD_TOO_LARGE.into())
}

/// One byte at a time: what follows the head belongs to the tunnel.
async fn read_byte<T: Read + Unpin>(io: &mut T) -> io::Result<u8> {
    let mut byte = [0];
    let mut buf = ReadBuf::new(&mut byte);
    poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, buf.unfilled())).await?;
    buf.filled().first().copied().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
