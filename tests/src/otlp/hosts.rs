//! What the `outbound.*` metrics say of each host, for the reports of demonstrations.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use super::{Metric, Point, Value};

/// The address of a host and its role in the run.
pub type Role = (SocketAddr, &'static str);

/// The metrics of one host.
#[derive(Debug, Default)]
pub struct Host {
    /// Its name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `http` or `https`.
    pub scheme: String,
    /// Its role in the run, if the address does not show it.
    pub role: Option<&'static str>,
    /// Attempts.
    pub requests: f64,
    /// Those on a connection that had served before.
    pub reused: f64,
    /// Those whose connection is not known.
    pub unknown: f64,
    /// Those that have failed.
    pub errors: f64,
    /// Connections that were opened.
    pub connections: f64,
    /// Connects that were overtaken by another connection.
    pub wasted: f64,
    /// Kind of failure, or status, and count.
    pub failures: Vec<(String, f64)>,
    /// State and count of the open connections.
    pub open: Vec<(String, f64)>,
    /// Close reason and count, the most frequent first.
    pub closed: Vec<(String, f64)>,
    /// Reason and count.
    pub retries: Vec<(String, f64)>,
    /// Of connects that have not failed.
    pub connect: Percentiles,
    /// From the start of an attempt to the first byte of its response.
    pub ttfb: Percentiles,
    /// From there to the end of the body.
    pub body: Percentiles,
    /// The phases that took place.
    pub phases: BTreeMap<String, Percentiles>,
}

/// Upper bounds in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half are below.
    #[serde(rename = "p50_s")]
    pub p50: Option<f64>,
    /// 99 % are below.
    #[serde(rename = "p99_s")]
    pub p99: Option<f64>,
}

/// A host as JSON has it. Times are in seconds, and are upper bounds of histogram buckets.
#[derive(Debug, Serialize)]
pub struct HostReport {
    host: String,
    port: u16,
    role: Option<&'static str>,
    scheme: String,
    requests: u64,
    /// Null if the client does not expose which connection served.
    reuse_rate: Option<f64>,
    failed: u64,
    /// By kind of failure, or by status.
    failures: BTreeMap<String, i64>,
    /// By reason.
    retries: BTreeMap<String, i64>,
    connections: u64,
    /// By state.
    open: BTreeMap<String, i64>,
    /// By reason.
    closed: BTreeMap<String, i64>,
    wasted: u64,
    connect_p50_s: Option<f64>,
    connect_p99_s: Option<f64>,
    ttfb_p50_s: Option<f64>,
    ttfb_p99_s: Option<f64>,
    body_p50_s: Option<f64>,
    body_p99_s: Option<f64>,
    phases: BTreeMap<String, Percentiles>,
}

impl Host {
    /// Share of requests on a reused connection. `None` if the client does not expose which connection served.
    #[must_use]
    pub fn reuse_rate(&self) -> Option<f64> {
        (self.requests > self.unknown).then(|| self.reused / self.requests)
    }

    /// Its part of a report.
    #[must_use]
    pub fn report(&self) -> HostReport {
        HostReport {
            host: self.host.clone(),
            port: self.port,
            role: self.role,
            scheme: self.scheme.clone(),
            requests: self.requests as u64,
            reuse_rate: self.reuse_rate(),
            failed: self.errors as u64,
            failures: whole(&self.failures),
            retries: whole(&self.retries),
            connections: self.connections as u64,
            open: whole(&self.open),
            closed: whole(&self.closed),
            wasted: self.wasted as u64,
            connect_p50_s: self.connect.p50,
            connect_p99_s: self.connect.p99,
            ttfb_p50_s: self.ttfb.p50,
            ttfb_p99_s: self.ttfb.p99,
            body_p50_s: self.body.p50,
            body_p99_s: self.body.p99,
            phases: self.phases.clone(),
        }
    }
}

fn whole(counts: &[(String, f64)]) -> BTreeMap<String, i64> {
    counts.iter().map(|(of, count)| (of.clone(), *count as i64)).collect()
}

/// All hosts with requests, by name; those with a role last.
#[must_use]
pub fn of(metrics: &[Metric], roles: &[Role]) -> Vec<Host> {
    let requests = points(metrics, "outbound.requests");
    let mut keys: Vec<_> = requests.iter().filter_map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut hosts: Vec<_> = keys.iter().map(|key| host(metrics, key, roles)).collect();
    hosts.sort_by_key(|host| roles.iter().position(|(_, role)| Some(*role) == host.role));
    hosts
}

fn host(metrics: &[Metric], own_key: &Key, roles: &[Role]) -> Host {
    let (name, port, scheme) = own_key;
    let own = |metric| -> Vec<Point> {
        let points = points(metrics, metric).into_iter();
        points.filter(|point| key(point).as_ref() == Some(own_key)).collect()
    };
    // By the conventions, these have no scheme.
    let of_port = |metric| -> Vec<Point> {
        let points = points(metrics, metric).into_iter();
        points
            .filter(|point| authority(point).is_some_and(|(host, at)| host == *name && at == *port))
            .collect()
    };
    let requests = own("outbound.requests");
    // Without failed connects: their duration is that of a timeout.
    let connects: Vec<_> = own("outbound.connect.duration")
        .into_iter()
        .filter(|point| point.attr("error.type").is_none())
        .collect();
    Host {
        host: name.clone(),
        port: *port,
        role: roles.iter().find(|(address, _)| address.port() == *port).map(|(_, role)| *role),
        scheme: scheme.clone(),
        requests: sum(&requests),
        reused: sum(with(&requests, "outbound.connection.reuse", "reused")),
        unknown: sum(with(&requests, "outbound.connection.reuse", "unknown")),
        errors: sum(with(&requests, "outbound.outcome", "error")),
        connections: sum(&own("outbound.connection.opened")),
        wasted: sum(&own("outbound.connect.wasted")),
        failures: by(&of_port("http.client.request.duration"), "error.type"),
        open: by(&of_port("http.client.open_connections"), "http.connection.state"),
        closed: by(&own("outbound.connection.closed"), "outbound.close_reason"),
        retries: by(&own("outbound.retries"), "outbound.retry.reason"),
        connect: percentiles(&connects),
        ttfb: percentiles(&own("outbound.ttfb.duration")),
        body: percentiles(&own("outbound.body.duration")),
        phases: phases(&own("outbound.phase.duration")),
    }
}

type Key = (String, u16, String);

fn key(point: &Point) -> Option<Key> {
    let (host, port) = authority(point)?;
    Some((host, port, point.attr("url.scheme")?.to_owned()))
}

fn authority(point: &Point) -> Option<(String, u16)> {
    Some((point.attr("server.address")?.to_owned(), point.attr("server.port")?.parse().ok()?))
}

fn points(metrics: &[Metric], name: &str) -> Vec<Point> {
    metrics.iter().filter(|metric| metric.name() == name).flat_map(Metric::points).collect()
}

fn with<'a>(points: &'a [Point], key: &'a str, value: &'a str) -> impl Iterator<Item = &'a Point> {
    points.iter().filter(move |point| point.attr(key) == Some(value))
}

fn sum<'a>(points: impl IntoIterator<Item = &'a Point>) -> f64 {
    // `Sum` of no floats is -0.
    points.into_iter().map(count).fold(0.0, |sum, count| sum + count)
}

fn count(point: &Point) -> f64 {
    match point.value {
        Value::Sum(value) => value,
        // Below 2^53: exact.
        Value::Histogram { count, .. } => count as f64,
        Value::Gauge(_) => 0.0,
    }
}

/// The sum for each value of an attribute, the largest first. Points without the attribute are left out.
fn by(points: &[Point], attribute: &str) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for point in points {
        if let Some(value) = point.attr(attribute) {
            *sums.entry(value).or_default() += count(point);
        }
    }
    let sums = sums.into_iter().filter(|(_, sum)| *sum != 0.0);
    let mut sums: Vec<_> = sums.map(|(value, sum)| (value.to_owned(), sum)).collect();
    sums.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    sums
}

fn phases(points: &[Point]) -> BTreeMap<String, Percentiles> {
    let mut phases: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    for point in points {
        if let Some(phase) = point.attr("outbound.phase") {
            phases.entry(phase).or_default().push(point.clone());
        }
    }
    phases.into_iter().map(|(phase, points)| (phase.to_owned(), percentiles(&points))).collect()
}

/// Percentiles of several series together. Their buckets are the same.
fn percentiles(points: &[Point]) -> Percentiles {
    let Some(whole) = points.iter().map(|point| point.value.clone()).reduce(add) else {
        return Percentiles::default();
    };
    Percentiles { p50: whole.quantile(0.5), p99: whole.quantile(0.99) }
}

fn add(a: Value, b: Value) -> Value {
    match (a, b) {
        (
            Value::Histogram { count: n, sum: s, bounds, bucket_counts: a, min: low, max: high },
            Value::Histogram { count, sum, bucket_counts: b, min, max, .. },
        ) => Value::Histogram {
            count: n + count,
            sum: s + sum,
            bounds,
            bucket_counts: a.iter().zip(&b).map(|(a, b)| a + b).collect(),
            min: low.into_iter().chain(min).reduce(f64::min),
            max: high.into_iter().chain(max).reduce(f64::max),
        },
        (a, _) => a,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(bucket_counts: [u64; 3]) -> Point {
        let value = Value::Histogram {
            count: bucket_counts.iter().sum(),
            sum: 0.0,
            bounds: vec![0.1, 1.0],
            bucket_counts: bucket_counts.to_vec(),
            min: None,
            max: None,
        };
        Point { attributes: BTreeMap::new(), value }
    }

    #[test]
    fn percentiles_taken_after_adding_series() {
        let [new, reused] = [[0, 9, 0], [91, 0, 0]].map(histogram);
        let expected = Percentiles { p50: Some(0.1), p99: Some(1.0) };
        assert_eq!(percentiles(&[new, reused]), expected);
        assert_eq!(percentiles(&[]), Percentiles { p50: None, p99: None });
    }
}
