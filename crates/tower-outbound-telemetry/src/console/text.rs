//! Sanitizes text.

use std::borrow::Cow;

/// Replaces line breaks and escape sequences, which would change the terminal.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        true => text.replace(char::is_control, "\u{fffd}").into(),
        false => text.into(),
    }
}

/// Cuts a text to this number of characters.
pub(super) fn clip(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_replaces_control_characters() {
        assert_eq!(clean("GET /users/{id}"), "GET /users/{id}");
        assert_eq!(clean("a\nb\u{1b}[31mc\u{9b}d"), "a\u{fffd}b\u{fffd}[31mc\u{fffd}d");
    }

    #[test]
    fn clip_counts_characters_not_bytes() {
        assert_eq!(clip("äöü", 2), "äö");
        assert_eq!(clip("äöü", 3), "äöü");
        assert_eq!(clip("", 3), "");
    }
}
