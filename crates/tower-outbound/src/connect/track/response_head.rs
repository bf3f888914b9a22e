//! Finds the head of the final response among the interim ones (RFC 9110, section 15.2), whatever pieces the bytes come in.

use tokio::time::Instant;

/// Before the status code, the first line has a version of this length.
const VERSION: usize = b"HTTP/1.1".len();
/// Bytes of the status code that tell an interim response: 101 is final.
const CODE: usize = 3;

/// Reads the heads of one turn up to the status code of the final one.
///
/// The lines end as hyper reads them: with CRLF or LF, and empty lines may come before a head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ResponseHeads {
    at: Position,
    /// When the first byte of the current head was read.
    began: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// So many bytes of the version were read.
    Version(usize),
    /// So many digits of a code that begins like that of an interim response were read. The last one is zero so far.
    Code { digits: usize, zero: bool },
    /// In a line of an interim head.
    Line { empty: bool },
    /// The head of the final response has begun.
    Final,
}

impl Default for Position {
    fn default() -> Self {
        Self::Version(0)
    }
}

impl ResponseHeads {
    /// Reads bytes that came at this instant. Returns when the head of the final response began, as soon as it is known to
    /// be one.
    pub(super) fn read(&mut self, bytes: &[u8], at: Instant) -> Option<Instant> {
        if self.at == Position::Version(0)
            && matches!(bytes.get(..=VERSION + 1), Some([b'H', .., b'2'..=b'5']))
        {
            self.at = Position::Final;
            return Some(at);
        }
        for byte in bytes {
            if self.is_between() && !matches!(byte, b'\r' | b'\n') {
                self.began = Some(at);
            }
            self.at = self.at.after(*byte);
            if self.at == Position::Final {
                return self.began.take();
            }
        }
        None
    }

    /// The peer has ended the connection within the first line of a head, which is taken for that of the final response.
    /// Returns when it began.
    pub(super) fn end(&mut self) -> Option<Instant> {
        match self.at {
            Position::Version(1..) | Position::Code { .. } => {
                self.at = Position::Final;
                self.began.take()
            }
            Position::Version(0) | Position::Line { .. } | Position::Final => None,
        }
    }

    fn is_between(&self) -> bool {
        self.at == Position::Version(0)
    }
}

impl Position {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Version(0), b'\r' | b'\n') => self,
            (Self::Version(read), _) if read < VERSION => {
                // What is not HTTP is the answer all the same.
                if b"HTTP/1."[..].get(read).is_none_or(|expected| *expected == byte) {
                    Self::Version(read + 1)
                } else {
                    Self::Final
                }
            }
            // hyper can be told to accept more than one space.
            (Self::Version(_), b' ') => self,
            (Self::Version(_), b'1') => Self::Code { digits: 1, zero: false },
            (Self::Code { digits: 1, .. }, b'0'..=b'9') => Self::Code { digits: 2, zero: byte == b'0' },
            (Self::Code { digits: 2, zero: true }, b'1') => Self::Final,
            (Self::Code { digits: 2, .. }, b'0'..=b'9') => Self::Code { digits: CODE, zero: false },
            (Self::Code { digits: CODE, .. }, b'\n') | (Self::Line { empty: false }, b'\n') => {
                Self::Line { empty: true }
            }
            (Self::Line { empty: true }, b'\n') => Self::Version(0),
            (Self::Line { .. }, b'\r') => self,
            (Self::Code { digits: CODE, .. } | Self::Line { .. }, _) => Self::Line { empty: false },
            (Self::Version(_) | Self::Code { .. } | Self::Final, _) => Self::Final,
        }
    }
}

#[cfg(test)]
mod tests;
