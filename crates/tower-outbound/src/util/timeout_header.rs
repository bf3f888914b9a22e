//! Headers that carry the time that a request may take.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

/// gRPC's header with the deadline of a call.
pub(crate) static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// More digits are no number of milliseconds: ten are 115 days.
const MAX_DIGITS: usize = 10;

/// The number that these digits are; `None` for anything else.
fn number(digits: &[u8], max_digits: usize) -> Option<u64> {
    let valid = (1..=max_digits).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| digits.iter().fold(0, |amount, digit| amount * 10 + u64::from(digit & 15)))
}

/// The time in `grpc-timeout`: at most 8 digits and a unit. Anything else is no time.
pub(crate) fn parse_grpc(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    let amount = number(digits, 8)?;
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

/// The value of `grpc-timeout`, in the finest unit that has room for it; at least 1 ns, since the value is positive.
pub(crate) fn grpc_value(time: Duration) -> HeaderValue {
    let nanos = time.as_nanos().max(1);
    let units = [(1, 'n'), (1_000, 'u'), (1_000_000, 'm'), (1_000_000_000, 'S')];
    let fits = |(size, _): &(u128, char)| nanos / size <= 99_999_999;
    let (size, unit) = units.into_iter().find(fits).unwrap_or((3_600_000_000_000, 'H'));
    let value = format!("{}{unit}", nanos / size);
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("1n"))
}

/// The time in a header of milliseconds: at most 10 digits. Anything else is no time.
pub(crate) fn parse_millis(value: &HeaderValue) -> Option<Duration> {
    number(value.as_bytes(), MAX_DIGITS).map(Duration::from_millis)
}

/// Whole milliseconds, rounded down; at least 1, since many peers read 0 as no limit.
pub(crate) fn millis_value(time: Duration) -> HeaderValue {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    HeaderValue::from(millis.clamp(1, 9_999_999_999))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(value: &str) -> HeaderValue {
        HeaderValue::from_str(value).unwrap()
    }

    #[test]
    fn grpc_timeout_is_8_digits_and_a_unit() {
        for (text, expected) in [
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
            assert_eq!(parse_grpc(&value(text)), expected, "{text:?}");
        }
        for nanos in [1, 99_999_999, 100_000_000, 3_600_000_000_123] {
            let time = Duration::from_nanos(nanos);
            let read = parse_grpc(&grpc_value(time)).unwrap();
            assert!(read <= time && time - read <= time / 1_000_000, "{read:?} of {time:?}");
        }
        assert_eq!(grpc_value(Duration::ZERO), "1n", "the value is a positive number");
    }

    #[test]
    fn timeout_in_milliseconds_is_10_digits() {
        for (text, expected) in [
            ("300", Some(Duration::from_millis(300))),
            ("0", Some(Duration::ZERO)),
            ("0300", Some(Duration::from_millis(300))),
            ("9999999999", Some(Duration::from_millis(9_999_999_999))),
            ("99999999999", None),
            ("300ms", None),
            ("0.3", None),
            ("-1", None),
            ("+1", None),
            (" 1", None),
            ("", None),
        ] {
            assert_eq!(parse_millis(&value(text)), expected, "{text:?}");
        }
        let written = [0, 1_999, 300_000, 1 << 60].map(|micros| millis_value(Duration::from_micros(micros)));
        assert_eq!(written, ["1", "1", "300", "9999999999"].map(value));
    }
}
