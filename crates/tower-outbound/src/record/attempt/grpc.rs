//! Whether a request is gRPC, and the status of its response.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

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

/// The header with the deadline of a call.
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The time in `grpc-timeout`: at most 8 digits and a unit. Anything else is no time.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(GRPC_TIMEOUT)?.as_bytes().split_last()?;
    let valid = matches!(digits.len(), 1..=8) && digits.iter().all(u8::is_ascii_digit);
    if !valid {
        return None;
    }
    let amount = digits.iter().fold(0, |amount, digit| amount * 10 + u64::from(digit & 15));
    match unit {
        b'H' => Some(Duration::from_secs(amount * 3600)),
        b'M' => Some(Duration::from_secs(amount * 60)),
        b'S' => Some(Duration::from_secs(amount)),
        b'm' => Some(Duration::from_millis(amount)),
        b'u' => Some(Duration::from_micros(amount)),
        b'n' => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

/// The value of `grpc-timeout`, in the finest unit that has room for it.
pub(crate) fn timeout_value(time: Duration) -> HeaderValue {
    let units = [(1, 'n'), (1_000, 'u'), (1_000_000, 'm'), (1_000_000_000, 'S')];
    let fits = |(size, _): &(u128, char)| time.as_nanos() / size <= 99_999_999;
    let (size, unit) = units.into_iter().find(fits).unwrap_or((3_600_000_000_000, 'H'));
    let value = format!("{}{unit}", time.as_nanos() / size);
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("0n"))
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

    #[test]
    fn grpc_timeout_is_8_digits_and_a_unit() {
        for (value, expected) in [
            ("200m", Some(Duration::from_millis(200))),
            ("0n", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("7M", Some(Duration::from_secs(420))),
            ("3S", Some(Duration::from_secs(3))),
            ("5u", Some(Duration::from_micros(5))),
            ("100000000n", None),
            ("m", None),
            ("1", None),
            ("-1m", None),
            ("1 m", None),
            ("1x", None),
            ("", None),
        ] {
            assert_eq!(timeout(&headers("grpc-timeout", value.as_bytes())), expected, "{value:?}");
        }
        for nanos in [0, 1, 99_999_999, 100_000_000, 3_600_000_000_123] {
            let time = Duration::from_nanos(nanos);
            let read = timeout(&HeaderMap::from_iter([(GRPC_TIMEOUT, timeout_value(time))])).unwrap();
            assert!(read <= time && time - read <= time / 1_000_000, "{read:?} of {time:?}");
        }
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
