use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;

use crate::settings::{MetricDetail, PhaseDetail, WhenFull};

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::settings) enum Value {
    Duration(Duration),
    Count(u64),
    Size(u64),
    Share(f64),
    Switch(bool),
    Statuses(Vec<StatusCode>),
    Header(Option<HeaderName>),
    WhenFull(WhenFull),
    Addresses(Vec<IpAddr>),
    Interface(Option<String>),
    Phases(PhaseDetail),
    Metrics(MetricDetail),
}

const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];

/// As a file would have it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(Duration::ZERO) => f.write_str("0"),
            Self::Duration(duration) => write!(f, "{}", humantime::format_duration(*duration)),
            Self::Count(count) => write!(f, "{count}"),
            Self::Size(bytes) => match UNITS.iter().find(|(unit, _)| *bytes > 0 && bytes % unit == 0) {
                Some((unit, name)) => write!(f, "{}{name}", bytes / unit),
                None => write!(f, "{bytes}"),
            },
            Self::Share(share) => write!(f, "{share}"),
            Self::Switch(on) => write!(f, "{on}"),
            Self::Statuses(statuses) if statuses.is_empty() => f.write_str("none"),
            Self::Statuses(statuses) => {
                let statuses: Vec<_> = statuses.iter().map(StatusCode::as_str).collect();
                f.write_str(&statuses.join(","))
            }
            Self::Header(name) => f.write_str(name.as_ref().map_or("none", HeaderName::as_str)),
            Self::WhenFull(WhenFull::Wait) => f.write_str("wait"),
            Self::WhenFull(WhenFull::Overflow) => f.write_str("overflow"),
            Self::Addresses(addresses) if addresses.is_empty() => f.write_str("none"),
            Self::Addresses(addresses) => {
                let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
                f.write_str(&addresses.join(","))
            }
            Self::Interface(name) => f.write_str(name.as_deref().unwrap_or("none")),
            Self::Phases(PhaseDetail::Off) | Self::Metrics(MetricDetail::Off) => f.write_str("off"),
            Self::Phases(PhaseDetail::Events) => f.write_str("events"),
            Self::Phases(PhaseDetail::Spans) => f.write_str("spans"),
            Self::Metrics(MetricDetail::Core) => f.write_str("core"),
            Self::Metrics(MetricDetail::All) => f.write_str("all"),
        }
    }
}
