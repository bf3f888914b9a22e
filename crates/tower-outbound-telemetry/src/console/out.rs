//! The output.

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::waterfall::WIDTH;

/// Standard error, or a given writer. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Out(Option<Arc<Mutex<dyn Write + Send>>>);

impl Out {
    pub(super) fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Some(Arc::new(Mutex::new(writer))))
    }

    /// Writes the text at once, so that concurrent output is not mixed in.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        match &self.0 {
            None => io::stderr().write_all(text.as_bytes()),
            Some(writer) => {
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write_all(text.as_bytes())?;
                writer.flush()
            }
        }
    }

    fn is_terminal(&self) -> bool {
        self.0.is_none() && io::stderr().is_terminal()
    }

    /// The terminal's current width.
    pub(super) fn width(&self) -> usize {
        let size = self.is_terminal().then(|| terminal_size::terminal_size_of(io::stderr())).flatten();
        size.map_or(WIDTH, |(columns, _)| columns.0.into())
    }

    /// On a terminal, unless `NO_COLOR` has a value.
    pub(super) fn colors(&self) -> bool {
        self.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }
}
