//! What comes in.

use std::fmt::Write as _;

use bytes::Bytes;

/// The longest id of a caller.
const LONGEST: usize = 64;

/// A message to decide on.
#[derive(Clone, Debug)]
pub struct Message {
    id: String,
    body: Bytes,
}

impl Message {
    /// A message. An id that is no part of a path is replaced, and so is a missing one.
    #[must_use]
    pub fn new(id: Option<&str>, body: Bytes) -> Self {
        let id = id.filter(|id| is_plain(id)).map_or_else(random, str::to_owned);
        Self { id, body }
    }

    /// Its id: the name in the storage, and for the webhook.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The message as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// Letters, digits, `-` and `_`.
fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !id.is_empty() && id.len() <= LONGEST && id.bytes().all(plain)
}

fn random() -> String {
    let mut id = String::new();
    let _ = write!(id, "{:032x}", fastrand::u128(..));
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_id_that_is_no_part_of_a_path_is_replaced() {
        for id in [None, Some(""), Some("../x"), Some("a b"), Some("é"), Some(&*"a".repeat(65))] {
            let message = Message::new(id, Bytes::new());
            assert!(is_plain(message.id()) && message.id().len() == 32, "{id:?}");
        }
        assert_eq!(Message::new(Some("mail-7_a"), Bytes::new()).id(), "mail-7_a");
    }
}
