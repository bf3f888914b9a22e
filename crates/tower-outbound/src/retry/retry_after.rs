//! The field `Retry-After` (RFC 9110, section 10.2.3), and gRPC's pushback.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// What gRPC's A6 proposal names it.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// What the peer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing that can be understood.
    Nothing,
    Wait(Duration),
    /// Not to be sent again.
    Never,
}

/// A date in the past is no wait; a number beyond all bounds is the longest; anything else is as if it were not there.
pub(super) fn retry_after(headers: &HeaderMap, now: impl FnOnce() -> SystemTime) -> Asked {
    let Some(text) = text(headers, &RETRY_AFTER) else { return Asked::Nothing };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Asked::Wait(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let Ok(at) = httpdate::parse_http_date(text) else { return Asked::Nothing };
    // By the peer's own clock, where it tells the time.
    let date = self::text(headers, &DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let now = date.unwrap_or_else(now);
    Asked::Wait(at.duration_since(now).unwrap_or(Duration::ZERO))
}

/// A negative number, or none at all, asks not to be tried again.
pub(super) fn pushback(headers: &HeaderMap) -> Asked {
    if !headers.contains_key(PUSHBACK) {
        return Asked::Nothing;
    }
    let wait = text(headers, &PUSHBACK).and_then(|text| text.parse().ok());
    wait.map_or(Asked::Never, |wait| Asked::Wait(Duration::from_millis(wait)))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn asked(value: &str, date: Option<&str>) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        retry_after(&headers, || httpdate::parse_http_date(NOW).unwrap())
    }

    #[test]
    fn retry_after_seconds_are_whole_and_unsigned() {
        for (value, expected) in [
            ("0", Asked::Wait(Duration::ZERO)),
            ("1", Asked::Wait(Duration::from_secs(1))),
            (" 120 ", Asked::Wait(Duration::from_secs(120))),
            ("18446744073709551616", Asked::Wait(Duration::MAX)),
            ("-1", Asked::Nothing),
            ("+1", Asked::Nothing),
            ("1.5", Asked::Nothing),
            ("1s", Asked::Nothing),
            ("", Asked::Nothing),
            ("soon", Asked::Nothing),
        ] {
            assert_eq!(asked(value, None), expected, "{value:?}");
        }
    }

    #[test]
    fn retry_after_three_date_formats_are_parsed() {
        for date in
            ["Sun, 06 Nov 1994 08:50:07 GMT", "Sunday, 06-Nov-94 08:50:07 GMT", "Sun Nov  6 08:50:07 1994"]
        {
            assert_eq!(asked(date, None), Asked::Wait(Duration::from_secs(30)), "{date}");
        }
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:00 GMT", None), Asked::Wait(Duration::ZERO), "in the past");
        assert_eq!(asked("Sun, 06 Nov 1994 08:49", None), Asked::Nothing);
        assert_eq!(asked("Sun, 99 Nov 1994 08:49:37 GMT", None), Asked::Nothing);
    }

    #[test]
    fn retry_after_date_relative_to_response_date() {
        let (at, date) = ("Sun, 06 Nov 1994 09:00:05 GMT", "Sun, 06 Nov 1994 09:00:00 GMT");
        assert_eq!(asked(at, Some(date)), Asked::Wait(Duration::from_secs(5)));
        assert_eq!(asked(at, Some("garbage")), Asked::Wait(Duration::from_secs(628)));
    }

    #[test]
    fn grpc_pushback_not_in_milliseconds_forbids_retry() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(PUSHBACK, value.parse().unwrap());
            pushback(&headers)
        };
        assert_eq!(pushback(&HeaderMap::new()), Asked::Nothing);
        assert_eq!(asked("250"), Asked::Wait(Duration::from_millis(250)));
        assert_eq!(asked("0"), Asked::Wait(Duration::ZERO));
        assert_eq!(asked("-1"), Asked::Never);
        assert_eq!(asked("later"), Asked::Never);
    }
}
