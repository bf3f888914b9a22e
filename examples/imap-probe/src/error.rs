//! Why a step failed, in words for people.

use std::error::Error;
use std::{fmt, io};

/// Longest text of the server that an error repeats.
const LONGEST: usize = 200;

/// Why a step failed.
#[derive(Debug)]
pub enum ProbeError {
    /// The server refused, with this text.
    Refused(String),
    /// The server did not speak IMAP.
    NotImap(String),
    /// The connection failed.
    Io(io::Error),
}

impl ProbeError {
    /// The server closed the connection.
    #[must_use]
    pub fn closed() -> Self {
        Self::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"))
    }

    /// Whether the connection is as good as before.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl From<async_imap::error::Error> for ProbeError {
    fn from(error: async_imap::error::Error) -> Self {
        use async_imap::error::Error;

        match error {
            // Its text repeats all that was read.
            Error::Io(error) if error.kind() == io::ErrorKind::Other => {
                Self::NotImap("an answer of it cannot be parsed".to_owned())
            }
            Error::Io(error) => Self::Io(error),
            Error::ConnectionLost => Self::closed(),
            Error::No(text) | Error::Bad(text) => Self::Refused(words(&text).to_owned()),
            error => Self::NotImap(error.to_string()),
        }
    }
}

impl From<io::Error> for ProbeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) => write!(f, "the server refused: {}", printable(text)),
            Self::NotImap(text) => write!(f, "the server does not speak IMAP: {}", printable(text)),
            Self::Io(_) => f.write_str("the connection failed"),
        }
    }
}

impl Error for ProbeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// What the server said: `async-imap` gives `code: None, info: Some("…")`.
fn words(text: &str) -> &str {
    let info = text.split_once("info: Some(\"").and_then(|(_, info)| info.strip_suffix("\")"));
    info.unwrap_or(text)
}

/// A text of the server, for a terminal.
fn printable(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    clean.take(LONGEST).collect()
}

/// An error and its sources, in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        line.extend([": ", &error.to_string()]);
        source = error.source();
    }
    line
}
