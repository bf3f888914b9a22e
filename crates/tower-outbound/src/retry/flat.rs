//! Headers kept flat: a copy of a map would cost allocations, for each name and value that is new too.

use bytes::{Buf as _, BufMut as _, Bytes};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

const SHORT: usize = 256;

/// Of each header the two lengths, whether it is sensitive, name and value.
pub(super) struct Flat {
    size: usize,
    short: [u8; SHORT],
    /// Where it is longer, which costs one allocation.
    long: Vec<u8>,
}

impl Default for Flat {
    fn default() -> Self {
        Self { size: 0, short: [0; SHORT], long: Vec::new() }
    }
}

/// What stands before a name and its value.
const PREFIX: usize = 4 + 4 + 1;

impl Flat {
    pub(super) fn fill(&mut self, headers: &HeaderMap) {
        let size = |(name, value): (&HeaderName, &HeaderValue)| PREFIX + name.as_str().len() + value.len();
        self.size = headers.iter().map(size).sum();
        let mut flat = match self.short.get_mut(..self.size) {
            Some(short) => short,
            None => {
                self.long = vec![0; self.size];
                &mut self.long
            }
        };
        for (name, value) in headers {
            let name = name.as_str().as_bytes();
            // No header is as long as 4 GiB.
            flat.put_u32(u32::try_from(name.len()).unwrap_or_default());
            flat.put_u32(u32::try_from(value.len()).unwrap_or_default());
            flat.put_u8(u8::from(value.is_sensitive()));
            flat.put_slice(name);
            flat.put_slice(value.as_bytes());
        }
    }

    /// The array may stay for long: nothing is left in it.
    pub(super) fn clear(&mut self) {
        self.short.fill(0);
        (self.size, self.long) = (0, Vec::new());
    }

    pub(super) fn map(&self) -> HeaderMap {
        // The values share one copy.
        let mut flat = Bytes::copy_from_slice(self.short.get(..self.size).unwrap_or(&self.long));
        let mut headers = HeaderMap::new();
        while flat.remaining() >= PREFIX {
            let (name, value, sensitive) =
                (flat.get_u32() as usize, flat.get_u32() as usize, flat.get_u8() == 1);
            let (name, value) = (flat.split_to(name), flat.split_to(value));
            let parsed = (HeaderName::from_bytes(&name), HeaderValue::from_maybe_shared(value));
            // They were valid when they were taken.
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

    fn there_and_back(headers: &HeaderMap) -> HeaderMap {
        let mut flat = Flat::default();
        flat.fill(headers);
        flat.map()
    }

    #[test]
    fn flat_headers_round_trip_keeps_order_and_sensitivity() {
        let mut headers = HeaderMap::new();
        assert_eq!(there_and_back(&headers), headers);
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
            let again = there_and_back(&headers);
            assert_eq!(again, headers);
            assert!(again.keys().eq(headers.keys()), "{again:?}");
        }
        let again = there_and_back(&headers);
        assert!(again["authorization"].is_sensitive() && !again["x-one"].is_sensitive());
    }
}
