//! What people write, as a value.

use std::net::IpAddr;
use std::time::Duration;

use bytesize::ByteSize;
use http::StatusCode;
use http::header::HeaderName;

use super::Value;
use super::key::Kind;
use crate::settings::{MetricDetail, PhaseDetail, WhenFull};

/// The resolution of the timers.
const SHORTEST: Duration = Duration::from_millis(1);

/// Timers of other crates cannot add much more to the current time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const HIGHEST: u64 = u32::MAX as u64;

/// The value, or what is wrong. `text` has no blanks around it.
pub(super) fn parse(kind: Kind, text: &str) -> Result<Value, String> {
    match kind {
        Kind::Duration => duration(text).map(Value::Duration),
        Kind::Count => number(text).map(Value::Count),
        Kind::Size => size(text).map(Value::Size),
        Kind::Share => share(text).map(Value::Share),
        Kind::Switch => switch(text).map(Value::Switch),
        Kind::Statuses => statuses(text).map(Value::Statuses),
        Kind::Header => header(text).map(Value::Header),
        Kind::WhenFull => when_full(text).map(Value::WhenFull),
        Kind::Addresses => addresses(text).map(Value::Addresses),
        Kind::Interface => interface(text).map(Value::Interface),
        Kind::Phases => phases(text).map(Value::Phases),
        Kind::Metrics => metrics(text).map(Value::Metrics),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("no duration such as 30s or 250ms: {error}"))?;
    match duration {
        Duration::ZERO => Ok(duration),
        _ if duration < SHORTEST => Err("below the minimum of 1ms".to_owned()),
        _ if duration > LONGEST => Err("above the maximum of 365days".to_owned()),
        _ => Ok(duration),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn bounded(number: Option<u64>) -> Result<u64, String> {
    number.filter(|number| *number <= HIGHEST).ok_or_else(|| format!("above the maximum of {HIGHEST}"))
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !is_digits(digits) {
        return Err("no whole number".to_owned());
    }
    if digits.len() < text.len() {
        return Err("below the minimum of 0".to_owned());
    }
    bounded(text.parse().ok())
}

fn size(text: &str) -> Result<u64, String> {
    let unit = text.trim_start_matches(|letter: char| letter.is_ascii_digit());
    if unit.is_empty() || unit.len() == text.len() || unit.starts_with('.') {
        return number(text).map_err(|error| error.replace("no whole number", "no size such as 64KiB"));
    }
    let size = text.parse::<ByteSize>().map_err(|_| "no size such as 64KiB".to_owned())?;
    bounded(Some(size.as_u64()))
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.map(f64::abs).ok_or_else(|| "no share from 0 to 1".to_owned())
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

fn statuses(text: &str) -> Result<Vec<StatusCode>, String> {
    if matches!(text, "0" | "none") {
        return Ok(Vec::new());
    }
    let statuses = text.split([',', ' ']).filter(|status| !status.is_empty());
    let parsed: Result<Vec<_>, _> = statuses.map(StatusCode::try_from).collect();
    parsed.map_err(|_| "no list of statuses such as 429,503".to_owned())
}

fn header(text: &str) -> Result<Option<HeaderName>, String> {
    if matches!(text, "0" | "none") {
        return Ok(None);
    }
    HeaderName::from_bytes(text.as_bytes()).map(Some).map_err(|_| "no name of a header".to_owned())
}

fn when_full(text: &str) -> Result<WhenFull, String> {
    match text {
        "wait" => Ok(WhenFull::Wait),
        "overflow" => Ok(WhenFull::Overflow),
        _ => Err("neither wait nor overflow".to_owned()),
    }
}

fn phases(text: &str) -> Result<PhaseDetail, String> {
    match text {
        "spans" => Ok(PhaseDetail::Spans),
        "events" => Ok(PhaseDetail::Events),
        "off" | "0" => Ok(PhaseDetail::Off),
        _ => Err("neither spans nor events nor off".to_owned()),
    }
}

fn metrics(text: &str) -> Result<MetricDetail, String> {
    match text {
        "all" => Ok(MetricDetail::All),
        "core" => Ok(MetricDetail::Core),
        "off" | "0" => Ok(MetricDetail::Off),
        _ => Err("neither all nor core nor off".to_owned()),
    }
}

fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    if matches!(text, "0" | "none") {
        return Ok(Vec::new());
    }
    let addresses = text.split([',', ' ']).filter(|address| !address.is_empty()).map(str::parse);
    let addresses: Vec<IpAddr> = addresses.collect::<Result<_, _>>().unwrap_or_default();
    let of_family = |ipv4: bool| addresses.iter().filter(|address| address.is_ipv4() == ipv4).count();
    if addresses.is_empty() || of_family(true) > 1 || of_family(false) > 1 {
        return Err("no local address such as 192.0.2.7, nor one of each family".to_owned());
    }
    Ok(addresses)
}

fn interface(text: &str) -> Result<Option<String>, String> {
    if matches!(text, "0" | "none") {
        return Ok(None);
    }
    let is_odd = |letter: char| letter.is_whitespace() || letter.is_control();
    match text.is_empty() || text.contains(is_odd) {
        true => Err("no name of an interface".to_owned()),
        false => Ok(Some(text.to_owned())),
    }
}
