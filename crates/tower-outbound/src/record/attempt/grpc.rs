//! gRPC, as far as an attempt goes: whether it is that, and the status that its response ends with.

use std::sync::atomic::{AtomicU8, Ordering};

use http::HeaderMap;

use super::Attempt;

/// The last code that gRPC defines.
const UNAUTHENTICATED: u8 = 16;

/// In place of a code.
const NO_GRPC: u8 = u8::MAX;
const NO_STATUS: u8 = NO_GRPC - 1;

/// The code in `grpc-status`: `1*DIGIT`, 0 to 16; anything else is no status.
pub(crate) fn status(headers: &HeaderMap) -> Option<u8> {
    let digits = headers.get("grpc-status")?.as_bytes();
    let code = digits.iter().try_fold(0_u8, |code, digit| match digit {
        b'0'..=b'9' => code.checked_mul(10)?.checked_add(digit - b'0'),
        _ => None,
    });
    code.filter(|code| !digits.is_empty() && *code <= UNAUTHENTICATED)
}

/// The status of an attempt, if it is gRPC's.
#[derive(Debug)]
pub(in crate::record) struct GrpcStatus(AtomicU8);

impl GrpcStatus {
    pub(in crate::record) fn new(is_grpc: bool) -> Self {
        Self(AtomicU8::new(if is_grpc { NO_STATUS } else { NO_GRPC }))
    }

    fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

impl Attempt {
    /// Whether the request is gRPC's by its `content-type`: `application/grpc`, alone, with a suffix (`+proto`) or with
    /// parameters; `application/grpc-web` is not.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.0.grpc.get() != NO_GRPC
    }

    /// The code of the gRPC status that the peer has answered, 0 (`OK`) to 16: from the trailers, or from the head where
    /// the response is nothing but trailers.
    ///
    /// `None` before it is here, where it is missing or no such code, and for what [is not gRPC](Self::is_grpc).
    ///
    /// # Example
    /// ```
    /// # use tower_outbound::{Event, Observer};
    /// struct Unavailable;
    ///
    /// impl Observer for Unavailable {
    ///     fn on_event(&self, event: &Event<'_>) {
    ///         match event {
    ///             Event::AttemptEnded { attempt, .. } if attempt.grpc_status() == Some(14) => {
    ///                 eprintln!("{} is not available", attempt.origin());
    ///             }
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn grpc_status(&self) -> Option<i32> {
        Some(self.0.grpc.get()).filter(|code| *code <= UNAUTHENTICATED).map(i32::from)
    }

    /// The response's head or its trailers have come.
    pub(crate) fn see_grpc_status(&self, headers: &HeaderMap) {
        if !self.is_grpc() {
            return;
        }
        if let Some(code) = status(headers) {
            self.0.grpc.0.store(code, Ordering::Release);
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
