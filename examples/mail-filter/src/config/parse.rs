//! What people write, as a value; or what is wrong with it.

use std::time::Duration;

use http::{HeaderValue, Uri};

use super::Secret;

/// Timers cannot add much more to the current time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The resolution of the timers.
const SHORTEST: Duration = Duration::from_millis(1);

/// Zero or more.
pub(super) fn whole(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match text.parse::<u64>() {
        Ok(number) if number <= u64::from(u32::MAX) => Ok(number),
        _ if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err("no whole number".to_owned())
        }
        _ if digits.len() < text.len() => Err("below 0".to_owned()),
        _ => Err(format!("above {}", u32::MAX)),
    }
}

/// One or more.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match whole(text).map(usize::try_from) {
        Ok(Ok(0)) => Err("below 1".to_owned()),
        Ok(Ok(number)) => Ok(number),
        Ok(Err(error)) => Err(error.to_string()),
        Err(reason) => Err(reason),
    }
}

/// Such as `30s`, or a number of seconds, as the predecessor had it.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let duration = match seconds {
        Some(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?,
        None => humantime::parse_duration(text)
            .map_err(|error| format!("no duration such as 30s or 250ms: {error}"))?,
    };
    match duration {
        Duration::ZERO => Ok(duration),
        _ if duration < SHORTEST => Err("below 1ms".to_owned()),
        _ if duration > LONGEST => Err("above 365 days".to_owned()),
        _ => Ok(duration),
    }
}

/// Without a slash at its end.
pub(super) fn http_url(text: &str) -> Result<String, String> {
    let uri: Uri = text.parse().map_err(|error| format!("no URL: {error}"))?;
    match uri.scheme_str() {
        Some("http" | "https")
            if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) =>
        {
            Err("credentials in a URL reach logs and peers: there are keys for them".to_owned())
        }
        Some("http" | "https") => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err("no URL that begins with http:// or https://".to_owned()),
    }
}

/// That of a server, or `s3://bucket/prefix`.
pub(super) fn storage_url(text: &str) -> Result<String, String> {
    match text.strip_prefix("s3://") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Err("no bucket after s3://".to_owned()),
        Some(_) => Ok(text.trim_end_matches('/').to_owned()),
        None => http_url(text).map_err(|reason| format!("{reason}, nor s3://bucket/prefix")),
    }
}

/// Part of a header.
pub(super) fn token(text: &str) -> Result<Secret, String> {
    HeaderValue::from_str(text).map(|_| Secret::new(text)).map_err(|_| "not fit for a header".to_owned())
}

/// Without blanks.
pub(super) fn word(text: &str) -> Result<String, String> {
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err("not one word".to_owned()),
    }
}
