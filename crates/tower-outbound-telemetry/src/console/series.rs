//! The series of an export, as text and numbers.

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, MetricData, ResourceMetrics, ScopeMetrics,
};

use super::text::{clean, clip};

/// Maximum length of a shown value.
const LONGEST: usize = 60;
/// These attributes may contain secrets.
const HIDDEN: [&str; 3] = ["url.full", "url.path", "url.query"];

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) metric: String,
    pub(super) unit: String,
    /// In short form.
    pub(super) attributes: String,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// A sum or a gauge.
    Number(f64),
    /// A histogram.
    Histogram { count: u64, sum: f64, p50: Option<Percentile>, p99: Option<Percentile> },
}

/// A percentile from buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Percentile {
    /// At most this value.
    AtMost(f64),
    /// Above the last bound, and the maximum is unknown.
    Above(f64),
}

/// All series, by metric and attributes.
pub(super) fn series(metrics: &ResourceMetrics) -> Vec<Series> {
    let mut all = Vec::new();
    for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
        let points = match metric.data() {
            AggregatedMetrics::F64(data) => points(data, |value| value),
            AggregatedMetrics::U64(data) => points(data, |value| value as f64),
            AggregatedMetrics::I64(data) => points(data, |value| value as f64),
        };
        all.extend(points.into_iter().map(|(attributes, value)| Series {
            metric: metric.name().to_owned(),
            unit: metric.unit().to_owned(),
            attributes,
            value,
        }));
    }
    all.sort_by(|a, b| (&a.metric, &a.attributes).cmp(&(&b.metric, &b.attributes)));
    all
}

fn points<T: Copy>(data: &MetricData<T>, number: impl Fn(T) -> f64) -> Vec<(String, Value)> {
    match data {
        MetricData::Sum(sum) => {
            let points = sum.data_points();
            points.map(|point| (short(point.attributes()), Value::Number(number(point.value())))).collect()
        }
        MetricData::Gauge(gauge) => {
            let points = gauge.data_points();
            points.map(|point| (short(point.attributes()), Value::Number(number(point.value())))).collect()
        }
        MetricData::Histogram(histogram) => {
            let points = histogram.data_points();
            points.map(|point| (short(point.attributes()), buckets(point, &number))).collect()
        }
        // Percentiles are not computed from exponential buckets.
        MetricData::ExponentialHistogram(histogram) => {
            let points = histogram.data_points().map(|point| {
                let (count, sum) = (point.count() as u64, number(point.sum()));
                (short(point.attributes()), Value::Histogram { count, sum, p50: None, p99: None })
            });
            points.collect()
        }
    }
}

fn buckets<T: Copy>(point: &HistogramDataPoint<T>, number: impl Fn(T) -> f64) -> Value {
    let (bounds, counts): (Vec<_>, Vec<_>) = (point.bounds().collect(), point.bucket_counts().collect());
    let percentile = |q| percentile(q, &bounds, &counts, point.max().map(&number));
    Value::Histogram {
        count: point.count(),
        sum: number(point.sum()),
        p50: percentile(0.5),
        p99: percentile(0.99),
    }
}

/// The upper bound of the bucket that contains the quantile; for the last bucket, the maximum.
fn percentile(q: f64, bounds: &[f64], counts: &[u64], max: Option<f64>) -> Option<Percentile> {
    let total: u64 = counts.iter().sum();
    let rank = ((total as f64 * q).ceil() as u64).max(1);
    let mut seen = 0;
    let bucket = counts.iter().position(|count| {
        seen += count;
        seen >= rank
    })?;
    let bound = bounds.get(bucket).copied().or(max);
    bound.map(Percentile::AtMost).or_else(|| bounds.last().copied().map(Percentile::Above))
}

/// `key=value` pairs, sorted, with the last part of each key.
fn short<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> String {
    let mut shown: Vec<_> = attributes.filter(|pair| !HIDDEN.contains(&pair.key.as_str())).collect();
    shown.sort_by_key(|pair| pair.key.as_str());
    let pairs = shown.iter().map(|pair| {
        let key = pair.key.as_str();
        let short = last_part(key);
        let is_only = shown.iter().filter(|other| last_part(other.key.as_str()) == short).count() == 1;
        let value = pair.value.to_string();
        let text = format!("{}={}", if is_only { short } else { key }, clip(&value, LONGEST));
        clean(&text).into_owned()
    });
    pairs.collect::<Vec<_>>().join(" ")
}

/// The last part of a key; the part before for keys like `error.type`.
fn last_part(key: &str) -> &str {
    let mut parts = key.rsplit('.');
    match (parts.next(), parts.next()) {
        (Some("id" | "name" | "type"), Some(before)) => before,
        (Some(last), _) => last,
        _ => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [f64; 2] = [0.1, 1.0];

    #[test]
    fn percentile_is_upper_bound_of_bucket() {
        for (q, counts, max, expected) in [
            (0.5, [1, 0, 0], None, Some(Percentile::AtMost(0.1))),
            (0.5, [5, 5, 0], None, Some(Percentile::AtMost(0.1))),
            (0.5, [5, 6, 0], None, Some(Percentile::AtMost(1.0))),
            (0.99, [99, 1, 0], None, Some(Percentile::AtMost(0.1))),
            (0.99, [98, 2, 0], None, Some(Percentile::AtMost(1.0))),
            (0.99, [0, 0, 1], Some(7.0), Some(Percentile::AtMost(7.0))),
            (0.99, [0, 0, 1], None, Some(Percentile::Above(1.0))),
            (0.99, [0, 0, 0], None, None),
        ] {
            assert_eq!(percentile(q, &BOUNDS, &counts, max), expected, "{q} of {counts:?}");
        }
    }

    #[test]
    fn attribute_keys_shortened_and_secrets_left_out() {
        let short_of = |pairs: &[(&'static str, &'static str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect();
            short(pairs.iter())
        };
        assert_eq!(
            short_of(&[("url.scheme", "https"), ("http.request.method", "GET"), ("error.type", "503")]),
            "error=503 method=GET scheme=https"
        );
        assert_eq!(
            short_of(&[("server.address", "a"), ("network.peer.address", "b"), ("server.port", "1")]),
            "network.peer.address=b server.address=a port=1"
        );
        assert_eq!(short_of(&[("url.full", "https://u:secret@h/"), ("x", "a\nb")]), "x=a\u{fffd}b");
        assert_eq!(short_of(&[]), "");
    }
}
