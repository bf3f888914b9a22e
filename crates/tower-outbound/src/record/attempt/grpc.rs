//! Whether a request is gRPC, and the status of its response.

use std::sync::atomic::{AtomicU8, Ordering};

use http::HeaderMap;

/// The last code that gRPC defines.
const UNAUTHENTICATED: u8 = 16;

/// Stored instead of a code.
const NO_GRPC: u8 = u8::MAX;
const NO_STATUS: u8 = NO_GRPC - 1;

/// The code in `grpc-status`: `1*DIGIT`, 0 to 16. Anything else is no status.
pub(crate) fn status(headers: &HeaderMap) -> Option<u8> {
    let digits = headers.get("grpc-status")?.as_bytes();
    let code = digits.iter().try_fold(0_u8, |code, digit| match digit {
        b'0'..=b'9' => code.checked_mul(10)?.checked_add(digit - b'0'),
        _ => None,
    });
    code.filter(|code| !digits.is_empty() && *code <= UNAUTHENTICATED)
}

/// The gRPC status of an attempt, in one byte.
#[derive(Debug)]
pub(in crate::record) struct GrpcStatus(AtomicU8);

impl GrpcStatus {
    pub(in crate::record) fn new(is_grpc: bool) -> Self {
        Self(AtomicU8::new(if is_grpc { NO_STATUS } else { NO_GRPC }))
    }

    pub(in crate::record) fn is_grpc(&self) -> bool {
        self.0.load(Ordering::Acquire) != NO_GRPC
    }

    pub(in crate::record) fn code(&self) -> Option<i32> {
        Some(self.0.load(Ordering::Acquire)).filter(|code| *code <= UNAUTHENTICATED).map(i32::from)
    }

    /// Reads the status from the head or the trailers of the response.
    pub(in crate::record) fn read(&self, headers: &HeaderMap) {
        if !self.is_grpc() {
            return;
        }
        if let Some(code) = status(headers) {
            self.0.store(code, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(name: &'static str, value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn grpc_status_is_digits_0_to_16() {
        for (value, expected) in [
            ("0", Some(0)),
            ("14", Some(14)),
            ("16", Some(16)),
            ("007", Some(7)),
            ("17", None),
            ("99", None),
            ("256", None),
            ("270", None),
            ("99999999999999999999", None),
            ("-1", None),
            ("+1", None),
            ("1 ", None),
            ("UNAVAILABLE", None),
            ("", None),
        ] {
            assert_eq!(status(&headers("grpc-status", value.as_bytes())), expected, "{value:?}");
        }
        assert_eq!(status(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn grpc_status_from_any_bytes_is_valid_code_or_none(value in proptest::collection::vec(32_u8..=255, 0..8)) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let code = status(&HeaderMap::from_iter([("grpc-status".parse().unwrap(), value)]));
                prop_assert!(code.is_none_or(|code| code <= 16));
            }
        }
    }
}
