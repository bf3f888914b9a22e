//! A copy of a request's headers.

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// Size in bytes of the part that needs no allocation.
const INLINE: usize = 256;

/// Size in bytes of what precedes each name: name length, value length, sensitive flag.
const PREFIX: usize = 4 + 4 + 1;

/// A copy of a request's headers in one buffer. A cloned `HeaderMap` would allocate for the map, and for each name and
/// value that is not shared yet.
///
/// Encoding per header: name length (u32), value length (u32), sensitive (u8), name, value.
pub(super) struct HeaderSnapshot {
    size: usize,
    inline: [u8; INLINE],
    /// Used instead of `inline` by a snapshot longer than `inline`: one allocation.
    heap: Vec<u8>,
}

impl Default for HeaderSnapshot {
    fn default() -> Self {
        Self { size: 0, inline: [0; INLINE], heap: Vec::new() }
    }
}

impl HeaderSnapshot {
    pub(super) fn store(&mut self, headers: &HeaderMap) {
        let size = |(name, value): (&HeaderName, &HeaderValue)| PREFIX + name.as_str().len() + value.len();
        self.size = headers.iter().map(size).sum();
        let mut buffer = match self.inline.get_mut(..self.size) {
            Some(inline) => inline,
            None => {
                self.heap = vec![0; self.size];
                &mut self.heap[..]
            }
        };
        for (name, value) in headers {
            let name = name.as_str().as_bytes();
            // No header is as long as 4 GiB.
            let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
            let ([n0, n1, n2, n3], [v0, v1, v2, v3]) = (length(name), length(value.as_bytes()));
            let prefix: [u8; PREFIX] = [n0, n1, n2, n3, v0, v1, v2, v3, u8::from(value.is_sensitive())];
            for piece in [&prefix[..], name, value.as_bytes()] {
                let (place, rest) = buffer.split_at_mut(piece.len());
                place.copy_from_slice(piece);
                buffer = rest;
            }
        }
    }

    /// Overwrites the snapshot, which may hold secrets: the inline part lives as long as the call.
    pub(super) fn clear(&mut self) {
        if let Some(inline) = self.inline.get_mut(..self.size) {
            inline.fill(0);
        }
        (self.size, self.heap) = (0, Vec::new());
    }

    pub(super) fn to_map(&self) -> HeaderMap {
        // The values share one copy.
        let mut buffer = Bytes::copy_from_slice(self.inline.get(..self.size).unwrap_or(&self.heap));
        let mut headers = HeaderMap::new();
        while buffer.remaining() >= PREFIX {
            let (name, value, sensitive) =
                (buffer.get_u32() as usize, buffer.get_u32() as usize, buffer.get_u8() == 1);
            let (name, value) = (buffer.split_to(name), buffer.split_to(value));
            let parsed = (HeaderName::from_bytes(&name), HeaderValue::from_maybe_shared(value));
            // Always valid: the bytes come from a `HeaderMap`.
            if let (Ok(name), Ok(mut value)) = parsed {
                value.set_sensitive(sensitive);
                headers.append(name, value);
            }
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(headers: &HeaderMap) -> HeaderMap {
        let mut snapshot = HeaderSnapshot::default();
        snapshot.store(headers);
        snapshot.to_map()
    }

    #[test]
    fn header_snapshot_keeps_order_and_sensitivity() {
        let mut headers = HeaderMap::new();
        assert_eq!(round_trip(&headers), headers);
        let mut secret = HeaderValue::from_static("Bearer abc");
        secret.set_sensitive(true);
        let long = "v".repeat(300);
        for (name, value) in [
            ("x-one", HeaderValue::from_static("1")),
            ("x-two", HeaderValue::from_static("2")),
            ("x-one", HeaderValue::from_static("3")),
            ("x-bytes", HeaderValue::from_bytes(b"\xff\t").unwrap()),
            ("x-empty", HeaderValue::from_static("")),
            ("authorization", secret),
            ("x-long", HeaderValue::from_str(&long).unwrap()),
        ] {
            headers.append(name, value);
            let copy = round_trip(&headers);
            assert_eq!(copy, headers);
            assert!(copy.keys().eq(headers.keys()), "{copy:?}");
        }
        let copy = round_trip(&headers);
        assert!(copy["authorization"].is_sensitive() && !copy["x-one"].is_sensitive());
    }
}
