//! The types of the options.

use std::net::IpAddr;
use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;

use super::Value;
use super::key::Kind;
use crate::settings::{MetricDetail, PhaseDetail, WhenFull};

/// The type of an option.
pub(super) trait Field: Sized {
    fn to_value(self, kind: Kind) -> Value;

    /// `None` if it is the value of another type.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! field {
    ($type:ty, $variant:ident) => {
        impl Field for $type {
            fn to_value(self, _: Kind) -> Value {
                Value::$variant(self)
            }

            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(value) => Some(value),
                    _ => None,
                }
            }
        }
    };
}

field!(Duration, Duration);
field!(f64, Share);
field!(bool, Switch);
field!(Vec<StatusCode>, Statuses);
field!(Option<HeaderName>, Header);
field!(WhenFull, WhenFull);
field!(Vec<IpAddr>, Addresses);
field!(Option<String>, Interface);
field!(PhaseDetail, Phases);
field!(MetricDetail, Metrics);

macro_rules! number {
    ($($type:ty),+) => {$(
        impl Field for $type {
            fn to_value(self, kind: Kind) -> Value {
                let number = u64::try_from(self).unwrap_or(u64::MAX);
                if kind == Kind::Size { Value::Size(number) } else { Value::Count(number) }
            }

            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::Count(number) | Value::Size(number) => {
                        Some(Self::try_from(number).unwrap_or(Self::MAX))
                    }
                    _ => None,
                }
            }
        }
    )+};
}

number!(usize, u32, u64);
