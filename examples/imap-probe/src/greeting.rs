//! The greeting: the first line, which says whether the server speaks IMAP at all.

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use crate::error::ProbeError;

/// The longest greeting in bytes: far above any real one.
const LONGEST: u64 = 8192;

/// Reads the greeting, and not a byte of what follows.
pub async fn greeting(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<(), ProbeError> {
    let mut line = Vec::new();
    stream.take(LONGEST).read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        return Err(match line.len() as u64 {
            LONGEST => ProbeError::NotImap(format!("its greeting has no end within {LONGEST} bytes")),
            _ => ProbeError::closed(),
        });
    }
    let Ok(text) = std::str::from_utf8(&line) else {
        return Err(ProbeError::NotImap("its greeting is not UTF-8".to_owned()));
    };
    let text = text.trim_end();
    let word = text.strip_prefix("* ").unwrap_or_default().split(' ').next().unwrap_or_default();
    match word.to_ascii_uppercase().as_str() {
        "OK" | "PREAUTH" => Ok(()),
        "BYE" => Err(ProbeError::Refused(text.to_owned())),
        _ => Err(ProbeError::NotImap(format!("its greeting is {text:?}"))),
    }
}
