//! Finds the end of an HTTP/1 message in a partly filled buffer.

/// The framing of a request's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
}

/// The index after the empty line that ends the head which begins at `start`.
pub(crate) fn head_end(bytes: &[u8], start: usize) -> Option<usize> {
    find(bytes, start, b"\r\n\r\n").map(|at| at + 4)
}

/// The framing that a request head announces; a head without framing has no body.
pub(crate) fn framing(head: &[u8]) -> Framing {
    let mut framing = Framing::Length(0);
    for line in String::from_utf8_lossy(head).split("\r\n").skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            return Framing::Chunked;
        }
        if name.eq_ignore_ascii_case("content-length") {
            framing = Framing::Length(value.parse().unwrap_or(0));
        }
    }
    framing
}

/// The index after the body that begins at `start`, if the buffer has the whole body.
pub(crate) fn body_end(bytes: &[u8], start: usize, framing: Framing) -> Option<usize> {
    match framing {
        Framing::Length(length) => Some(start + length).filter(|end| *end <= bytes.len()),
        Framing::Chunked => chunks_end(bytes, start),
    }
}

fn chunks_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let line_end = find(bytes, at, b"\r\n")?;
        let line = String::from_utf8_lossy(&bytes[at..line_end]);
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).ok()?;
        at = line_end + 2;
        if size == 0 {
            return trailers_end(bytes, at);
        }
        at += size + 2;
    }
}

fn trailers_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let line_end = find(bytes, at, b"\r\n")?;
        if line_end == at {
            return Some(at + 2);
        }
        at = line_end + 2;
    }
}

fn find(bytes: &[u8], start: usize, needle: &[u8]) -> Option<usize> {
    let from = bytes.get(start..)?;
    from.windows(needle.len()).position(|window| window == needle).map(|at| start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing_is_read_from_head_in_any_case() {
        assert_eq!(framing(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"), Framing::Length(0));
        assert_eq!(framing(b"POST / HTTP/1.1\r\nContent-LENGTH: 12\r\n\r\n"), Framing::Length(12));
        assert_eq!(framing(b"POST / HTTP/1.1\r\nTransfer-Encoding:Chunked\r\n\r\n"), Framing::Chunked);
    }

    #[test]
    fn chunked_body_ends_after_last_trailer() {
        let body = b"5\r\nhello\r\nA;ext=1\r\n0\r\n\r\n45678\r\n0\r\nx-sum: 1\r\n\r\nGET";
        let end = body.len() - 3;
        assert_eq!(body_end(body, 0, Framing::Chunked), Some(end));
        for cut in 0..end {
            assert_eq!(body_end(&body[..cut], 0, Framing::Chunked), None, "at {cut}");
        }
    }

    #[test]
    fn content_length_body_ends_at_declared_length() {
        assert_eq!(body_end(b"headbody", 4, Framing::Length(4)), Some(8));
        assert_eq!(body_end(b"headbod", 4, Framing::Length(4)), None);
        assert_eq!(body_end(b"head", 4, Framing::Length(0)), Some(4));
    }
}
