//! Bounds what a server can make the probe store: the IMAP client keeps a response until it is whole.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest line, and the longest literal, in bytes.
pub const LONGEST: u64 = 64 * 1024;

/// An IO whose reads fail once a line, or a literal that a line announces, is longer than [`LONGEST`].
#[derive(Debug)]
pub struct Bounded<IO> {
    inner: IO,
    /// Bytes of the line that is read.
    line: u64,
    /// The number in `{n}`, if the line ends with it so far.
    literal: Option<u64>,
}

impl<IO> Bounded<IO> {
    /// Bounds the lines of an IO.
    pub fn new(inner: IO) -> Self {
        Self { inner, line: 0, literal: None }
    }

    /// The IO.
    pub fn into_inner(self) -> IO {
        self.inner
    }

    fn count(&mut self, read: &[u8]) -> io::Result<()> {
        for byte in read {
            self.line += 1;
            self.literal = match (byte, self.literal) {
                (b'{', _) => Some(0),
                (b'0'..=b'9', Some(n)) => Some(n.saturating_mul(10).saturating_add(u64::from(byte - b'0'))),
                (b'+' | b'}' | b'\r', literal) => literal,
                (b'\n', Some(n)) if n > LONGEST => return Err(too_long("literal")),
                _ => None,
            };
            if *byte == b'\n' {
                self.line = 0;
            } else if self.line > LONGEST {
                return Err(too_long("line"));
            }
        }
        Ok(())
    }
}

fn too_long(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the server sends a {what} of more than {LONGEST} bytes"),
    )
}

impl<IO: AsyncRead + Unpin> AsyncRead for Bounded<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                let counted = this.count(&buf.filled()[before..]);
                // A read that fails has read nothing.
                if counted.is_err() {
                    buf.set_filled(before);
                }
                Poll::Ready(counted)
            }
            other => other,
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Bounded<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn read(text: &[u8]) -> io::Result<usize> {
        Bounded::new(text).read_to_end(&mut Vec::new()).await
    }

    #[tokio::test]
    async fn line_and_literal_are_bounded_wherever_reads_are_cut() {
        let longest = usize::try_from(LONGEST).unwrap();
        for (text, allowed) in [
            ("x".repeat(longest) + "\n", true),
            ("x".repeat(longest + 1), false),
            ("* short\r\n".repeat(longest), true),
            (format!("* BAD {{{longest}}}\r\n"), true),
            (format!("* BAD {{{}}}\r\n", longest + 1), false),
            ("* BAD {99999999999999999999999+}\r\n".to_owned(), false),
            ("* {99999999} is no literal\r\n".to_owned(), true),
        ] {
            assert_eq!(read(text.as_bytes()).await.is_ok(), allowed, "{}", &text[..20]);
            let mut bytewise = Bounded::new(&b""[..]);
            let result = text.as_bytes().iter().try_for_each(|byte| bytewise.count(&[*byte]));
            assert_eq!(result.is_ok(), allowed, "{}", &text[..20]);
        }
    }
}
