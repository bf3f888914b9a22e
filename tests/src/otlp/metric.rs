//! A received metric and its points.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::metrics::v1 as proto;
use proto::metric::Data;
use proto::number_data_point::Value as Number;

use super::text;

/// The latest state of one metric of one resource and scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// The resource's `service.name`, or the empty string.
    pub resource_service: String,
    /// The name of the instrumentation scope.
    pub scope: String,
    /// The metric itself.
    pub metric: proto::Metric,
}

/// One series of a metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Its attributes as text.
    pub attributes: BTreeMap<String, String>,
    /// Its value.
    pub value: Value,
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The value of a counter or an up-down counter.
    Sum(f64),
    /// The value of a gauge.
    Gauge(f64),
    /// A histogram with explicit buckets.
    Histogram {
        /// The number of measurements.
        count: u64,
        /// Their sum.
        sum: f64,
        /// The upper bounds of all buckets except the last, which is unbounded.
        bounds: Vec<f64>,
        /// The number of measurements in each bucket.
        bucket_counts: Vec<u64>,
        /// The smallest measurement, if it was sent.
        min: Option<f64>,
        /// The largest measurement, if it was sent.
        max: Option<f64>,
    },
}

impl Metric {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metric.name
    }

    /// Its unit.
    #[must_use]
    pub fn unit(&self) -> &str {
        &self.metric.unit
    }

    /// Its series; empty for exponential histograms and summaries.
    #[must_use]
    pub fn points(&self) -> Vec<Point> {
        match &self.metric.data {
            Some(Data::Sum(sum)) => sum.data_points.iter().map(|point| number(point, Value::Sum)).collect(),
            Some(Data::Gauge(gauge)) => {
                gauge.data_points.iter().map(|point| number(point, Value::Gauge)).collect()
            }
            Some(Data::Histogram(histogram)) => histogram.data_points.iter().map(buckets).collect(),
            Some(Data::ExponentialHistogram(_) | Data::Summary(_)) | None => Vec::new(),
        }
    }
}

impl Point {
    /// The attribute `key` as text.
    #[must_use]
    pub fn attr(&self, key: &str) -> Option<&str> {
        self.attributes.get(key).map(String::as_str)
    }
}

impl Value {
    /// The upper bound of the bucket that holds the `q` quantile (0 to 1): the true value is `≤` it.
    ///
    /// In the last bucket the bound is the largest measurement, or infinity if that was not sent. `None` for an empty
    /// histogram and for other metrics.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let Value::Histogram { bounds, bucket_counts, max, .. } = self else { return None };
        let total: u64 = bucket_counts.iter().sum();
        if total == 0 {
            return None;
        }
        let rank = ((total as f64 * q.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = bucket_counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        Some(bounds.get(bucket).copied().or(*max).unwrap_or(f64::INFINITY))
    }
}

fn number(point: &proto::NumberDataPoint, kind: impl Fn(f64) -> Value) -> Point {
    let value = match point.value {
        Some(Number::AsDouble(value)) => value,
        Some(Number::AsInt(value)) => value as f64,
        None => 0.0,
    };
    Point { attributes: text::attributes(&point.attributes), value: kind(value) }
}

fn buckets(point: &proto::HistogramDataPoint) -> Point {
    Point {
        attributes: text::attributes(&point.attributes),
        value: Value::Histogram {
            count: point.count,
            sum: point.sum.unwrap_or_default(),
            bounds: point.explicit_bounds.clone(),
            bucket_counts: point.bucket_counts.clone(),
            min: point.min,
            max: point.max,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(bucket_counts: &[u64], max: Option<f64>) -> Value {
        Value::Histogram {
            count: bucket_counts.iter().sum(),
            sum: 0.0,
            bounds: vec![0.1, 0.5, 1.0],
            bucket_counts: bucket_counts.to_vec(),
            min: None,
            max,
        }
    }

    #[test]
    fn quantile_is_upper_bound_of_bucket() {
        let value = histogram(&[50, 45, 4, 1], Some(7.5));
        assert_eq!(value.quantile(0.0), Some(0.1));
        assert_eq!(value.quantile(0.5), Some(0.1));
        assert_eq!(value.quantile(0.51), Some(0.5));
        assert_eq!(value.quantile(0.95), Some(0.5));
        assert_eq!(value.quantile(0.99), Some(1.0));
        assert_eq!(value.quantile(1.0), Some(7.5));
    }

    #[test]
    fn quantile_in_last_bucket_without_maximum_is_infinite() {
        assert_eq!(histogram(&[0, 0, 0, 3], None).quantile(0.5), Some(f64::INFINITY));
    }

    #[test]
    fn quantile_skips_leading_empty_buckets() {
        assert_eq!(histogram(&[0, 0, 3, 0], None).quantile(0.0), Some(1.0));
    }

    #[test]
    fn quantile_of_empty_histogram_or_sum_is_none() {
        assert_eq!(histogram(&[0, 0, 0, 0], None).quantile(0.5), None);
        assert_eq!(Value::Sum(3.0).quantile(0.5), None);
    }
}
