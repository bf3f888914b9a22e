//! Telemetry in a form that is made from the SDK's data and from the Collector's files, each with code of its own.

use std::collections::BTreeMap;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Value>),
}

pub(crate) type Attributes = BTreeMap<String, Value>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scope {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) schema: String,
    pub(crate) attributes: Attributes,
}

/// A reference to a span: of the span itself, or of a link.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SpanRef {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) trace_state: String,
    /// The W3C flags, and OTLP's two bits about the parent, or the linked span, being remote.
    pub(crate) flags: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Span {
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) context: SpanRef,
    /// Empty for a root.
    pub(crate) parent: String,
    /// OTLP's number.
    pub(crate) kind: u64,
    /// Nanoseconds of the Unix epoch.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) attributes: Attributes,
    pub(crate) events: Vec<Event>,
    pub(crate) links: Vec<Link>,
    /// OTLP's code, and the description.
    pub(crate) status: (u64, String),
    /// Attributes, events and links.
    pub(crate) dropped: [u64; 3],
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) time: u64,
    pub(crate) attributes: Attributes,
    pub(crate) dropped: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) context: SpanRef,
    pub(crate) attributes: Attributes,
    pub(crate) dropped: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metric {
    pub(crate) scope: Scope,
    pub(crate) description: String,
    pub(crate) unit: String,
    pub(crate) kind: Kind,
    /// By their attributes.
    pub(crate) points: BTreeMap<String, (Attributes, Point)>,
}

/// The type of a metric, with OTLP's number of the temporality.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Gauge,
    Sum { temporality: u64, monotonic: bool },
    Histogram { temporality: u64 },
    Exponential { temporality: u64 },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Point {
    Number(Value),
    Histogram {
        count: u64,
        sum: f64,
        extremes: [Option<f64>; 2],
        bounds: Vec<f64>,
        buckets: Vec<u64>,
    },
    Exponential {
        count: u64,
        sum: f64,
        extremes: [Option<f64>; 2],
        scale: i64,
        zeros: u64,
        /// The offset and the buckets.
        positive: (i64, Vec<u64>),
        negative: (i64, Vec<u64>),
    },
}

/// By scope and name.
pub(crate) type Metrics = BTreeMap<(String, String), Metric>;

pub(crate) fn points(
    points: impl Iterator<Item = (Attributes, Point)>,
) -> BTreeMap<String, (Attributes, Point)> {
    points.map(|(attributes, point)| (format!("{attributes:?}"), (attributes, point))).collect()
}
