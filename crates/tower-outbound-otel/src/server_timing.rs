//! What a server says of itself in `Server-Timing` (<https://www.w3.org/TR/server-timing/>).

use std::time::Duration;

use http::HeaderMap;

const SERVER_TIMING: &str = "server-timing";

/// The duration of the first metric of this name; `None` if the header is absent, or the metric has no valid `dur`.
pub(crate) fn duration_of(metric: &str, headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(SERVER_TIMING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| parts(value, ',')).find_map(|entry| {
        let mut parts = parts(entry, ';').map(str::trim);
        (parts.next()? == metric).then(|| parts.find_map(milliseconds))
    })?
}

/// The value of a parameter `dur`, in milliseconds with a fraction.
fn milliseconds(parameter: &str) -> Option<Duration> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("dur") {
        return None;
    }
    let milliseconds: f64 = value.trim().trim_matches('"').parse().ok()?;
    Duration::try_from_secs_f64(milliseconds / 1e3).ok()
}

/// Splits at a separator that is not inside quotes.
fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        let literal = escaped;
        escaped = quoted && !literal && c == '\\';
        quoted ^= c == '"' && !literal;
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(values: &[&str]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(SERVER_TIMING, value.parse().unwrap());
        }
        duration_of("total", &headers)
    }

    #[test]
    fn server_timing_finds_the_metric_among_others() {
        let found = Some(Duration::from_micros(123_400));
        for values in [
            &["total;dur=123.4"][..],
            &["cache;desc=\"hit, total;dur=1\";dur=0.1, total;desc=\"a;b\";dur=123.4"],
            &["db;dur=53", "total ; DUR = \"123.4\""],
            &["cache;desc=\"\\\",total;dur=1\",total;dur=123.4"],
            &["totals;dur=1,total;dur=123.4,total;dur=2"],
        ] {
            assert_eq!(total(values), found, "{values:?}");
        }
    }

    #[test]
    fn server_timing_without_valid_duration_is_none() {
        for values in [
            &[][..],
            &["total"],
            &["total;dur"],
            &["total;dur="],
            &["total;dur=fast"],
            &["total;dur=-1"],
            &["total;dur=NaN"],
            &["total;dur=1e300"],
            &["db;dur=1"],
            &["\"total;dur=1"],
        ] {
            assert_eq!(total(values), None, "{values:?}");
        }
    }
}
