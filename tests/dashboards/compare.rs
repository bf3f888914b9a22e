//! What the panels show, beside what the gateway reports.

use std::collections::{BTreeMap, BTreeSet};

use outbound_tests::peers::{Prometheus, Sample};
use serde_json::Value;

use crate::files::Panel;

/// The range of a rate in the panels, which has the whole run.
pub(crate) const RANGE: (&str, f64) = ("5m", 300.0);
/// The services with metrics of requests.
const JOBS: [&str; 2] = ["gateway", "twin"];
const ALL: &str = ".*";
/// The bounds of every `outbound.*.duration`.
const BOUNDS: [f64; 18] = [
    0.0, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0,
];

/// Series by the values of their labels, and counts.
type Counts = BTreeMap<String, f64>;

/// A run of the gateway, and a Prometheus that has its last export.
pub(crate) struct Run {
    pub(crate) prometheus: Prometheus,
    pub(crate) report: Value,
}

impl Run {
    pub(crate) fn jobs() -> [&'static str; 2] {
        JOBS
    }

    /// Checks one panel. Prints what it shows, and what is reported.
    pub(crate) async fn check(&self, Panel { title, queries, .. }: &Panel) {
        let none = Counts::new();
        match (title.as_str(), queries.as_slice()) {
            ("Are connections reused?", [share]) => self.reuse(title, share).await,
            ("Why are they not reused?", [closed]) => self.counts(title, closed, &self.sums("closed")).await,
            ("Is it DNS, TCP or TLS?", [phases, p50, p99]) => {
                self.phases(title, phases, "p99_s", &["dns", "tcp", "tunnel", "tls"]).await;
                self.quantile(title, p50, "connect_p50_s").await;
                self.quantile(title, p99, "connect_p99_s").await;
            }
            ("Is it the server, or the wait for a connection?", [p50, p99]) => {
                self.phases(title, p50, "p50_s", &["wait", "acquire"]).await;
                self.phases(title, p99, "p99_s", &["wait", "acquire"]).await;
            }
            // The gateway's upstreams say nothing of themselves.
            ("Is it the server's own work, or transit and queueing?", [own50, wait50, own99, wait99]) => {
                for (server, wait, quantile) in [(own50, wait50, "p50_s"), (own99, wait99, "p99_s")] {
                    self.gauges(title, server, &none).await;
                    self.quantiles(title, wait, &[""], |host, _| host["phases"]["wait"][quantile].as_f64())
                        .await;
                }
            }
            // This gateway has no limit, so no slot. The alerts are proved with programs that have.
            ("Is it one of our limits?", [queue, usage, limit, waiting, connection]) => {
                self.phases(title, queue, "p99_s", &["queue"]).await;
                for query in [usage, limit, waiting, connection] {
                    self.gauges(title, query, &none).await;
                }
            }
            ("How long until the first byte, with everything before it?", [p50, p99, by_reuse]) => {
                self.quantile(title, p50, "ttfb_p50_s").await;
                self.quantile(title, p99, "ttfb_p99_s").await;
                let shown = self.at(by_reuse, "gateway", ALL).await;
                let labels: BTreeSet<_> = shown.iter().map(key).collect();
                assert_eq!(labels, BTreeSet::from(["new".to_owned(), "reused".to_owned()]), "{title}");
            }
            ("Is it the size of the response?", [p50, p99]) => {
                self.quantile(title, p50, "body_p50_s").await;
                self.quantile(title, p99, "body_p99_s").await;
            }
            ("What fails, and how?", [failures]) => {
                self.counts(title, failures, &self.sums("failures")).await;
            }
            ("How many connections are open, and are they busy?", [open]) => {
                self.gauges(title, open, &self.sums("open")).await;
            }
            ("Is anything retried, and why?", [retries]) => {
                self.counts(title, retries, &self.sums("retries")).await;
            }
            ("Are connections opened for nothing?", [opened, wasted]) => {
                self.counts(title, opened, &self.of_hosts("connections")).await;
                self.counts(title, wasted, &self.of_hosts("wasted")).await;
            }
            // Nothing of the kind happens in the gateway.
            (
                "Who cancels our requests?"
                | "Retries make it worse: how do I stop them?"
                | "Why was a request not retried?"
                | "Where does the time of a call run out?"
                | "Which step of an operation hit the limit, and which were never reached?"
                | "The pool has gone bad: what can I do?"
                | "Is telemetry itself lost?",
                queries,
            ) => {
                for query in queries {
                    self.counts(title, query, &none).await;
                }
            }
            // The report has no such number: each service exports its points.
            ("Telemetry itself is too much now: what can I do without a restart?", [_, points, _]) => {
                for job in JOBS {
                    let shown = self.at(points, job, ALL).await;
                    assert!(shown.len() == 1 && shown[0].value > 0.0, "{title} {job}: {shown:?}");
                }
            }
            (_, []) => {}
            (title, queries) => panic!("no comparison for {title} with {} queries", queries.len()),
        }
    }

    /// The share of each host. A host that two services call mixes two clocks.
    async fn reuse(&self, title: &str, query: &str) {
        let shown = self.at(query, ALL, ALL).await;
        let shown: Counts = shown.iter().map(|sample| (key(sample), sample.value)).collect();
        let reported: Counts =
            self.hosts().map(|host| (address(host), number(&host["reuse_rate"]))).collect();
        assert_eq!(Vec::from_iter(shown.keys()), Vec::from_iter(reported.keys()), "{title}");
        for (host, reported) in reported {
            println!("{title} | {host} | {:.4} | {reported:.4}", shown[&host]);
            assert!((shown[&host] - reported).abs() < 0.005, "{title} {host}: {} {reported}", shown[&host]);
        }
    }

    async fn counts(&self, title: &str, query: &str, reported: &Counts) {
        let mut shown = Counts::new();
        for job in JOBS {
            for sample in self.at(query, job, ALL).await {
                *shown.entry(key(&sample)).or_default() += sample.value * RANGE.1;
            }
        }
        same(title, shown, reported);
    }

    async fn gauges(&self, title: &str, query: &str, reported: &Counts) {
        let shown = self.at(query, ALL, ALL).await;
        same(title, shown.iter().map(|sample| (key(sample), sample.value)).collect(), reported);
    }

    async fn quantile(&self, title: &str, query: &str, reported: &str) {
        self.quantiles(title, query, &[""], |host, _| host[reported].as_f64()).await;
    }

    async fn phases(&self, title: &str, query: &str, quantile: &str, phases: &[&str]) {
        self.quantiles(title, query, phases, |host, phase| host["phases"][phase][quantile].as_f64()).await;
    }

    /// For each host name: a value for each of the `labels` that the report has, in the bucket that it has. Several
    /// ports of one name, whose buckets are added, lie between theirs.
    async fn quantiles(
        &self,
        title: &str,
        query: &str,
        labels: &[&str],
        reported: impl Fn(&Value, &str) -> Option<f64>,
    ) {
        for (name, job) in [("localhost", "gateway"), ("127.0.0.1", ALL)] {
            let shown = self.at(query, job, name).await;
            let shown: Counts = shown.iter().map(|sample| (key(sample), sample.value)).collect();
            let mut expected = BTreeSet::new();
            for label in labels {
                let of_name = self.hosts().filter(|host| host["host"] == name);
                let bounds: Vec<_> = of_name.filter_map(|host| reported(host, label)).collect();
                let low = bounds.iter().copied().reduce(f64::min);
                let Some((low, high)) = low.zip(bounds.into_iter().reduce(f64::max)) else { continue };
                expected.insert((*label).to_owned());
                let value = shown.get(*label).copied().unwrap_or(f64::NAN);
                println!("{title} | {name} {label} | {value:.6} s | ≤ {low} s to {high} s");
                assert!(in_buckets(value, low, high), "{title} {name} {label}: {value}, {low} to {high}");
            }
            assert_eq!(shown.into_keys().collect::<BTreeSet<_>>(), expected, "{title} {name}");
        }
    }

    /// A query as a panel makes it, at the last point of its metric.
    async fn at(&self, query: &str, job: &str, host: &str) -> Vec<Sample> {
        at_last_point(&self.prometheus, query, job, host).await
    }

    fn hosts(&self) -> impl Iterator<Item = &Value> {
        self.report["hosts"].as_array().unwrap().iter()
    }

    /// The sums over all hosts of counts by a word.
    fn sums(&self, field: &str) -> Counts {
        let mut sums = Counts::new();
        for (word, count) in self.hosts().flat_map(|host| host[field].as_object().unwrap()) {
            *sums.entry(word.clone()).or_default() += number(count);
        }
        sums
    }

    fn of_hosts(&self, field: &str) -> Counts {
        self.hosts().map(|host| (address(host), number(&host[field]))).collect()
    }
}

/// A query as a panel makes it, at the last point of its metric: there a rate times its range is exactly what was counted.
///
/// Metrics of one export differ by a moment.
pub(crate) async fn at_last_point(
    prometheus: &Prometheus,
    query: &str,
    job: &str,
    host: &str,
) -> Vec<Sample> {
    let query = query.replace("$job", job).replace("$host", host).replace("$__rate_interval", RANGE.0);
    let metric = query.split('{').next().and_then(|before| before.rsplit(['(', ' ']).next()).unwrap();
    let last = format!("max(timestamp({metric}{{job=~\"{job}\"}}))");
    let last = prometheus.query(&last, None).await.unwrap_or_else(|error| panic!("{last}: {error}"));
    let at = last.first().map(|point| point.value);
    prometheus.query(&query, at).await.unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// Equal counts; those of 0 may be left out.
fn same(title: &str, shown: Counts, reported: &Counts) {
    let counted =
        |counts: Counts| -> Counts { counts.into_iter().filter(|(_, count)| count.abs() > 1e-9).collect() };
    let (shown, reported) = (counted(shown), counted(reported.clone()));
    for label in shown.keys().chain(reported.keys()).collect::<BTreeSet<_>>() {
        println!("{title} | {label} | {:?} | {:?}", shown.get(label), reported.get(label));
    }
    let equal =
        |(label, count): (&String, &f64)| shown.get(label).is_some_and(|it| (it - count).abs() < 1e-6);
    assert!(shown.len() == reported.len() && reported.iter().all(equal), "{title}: {shown:?}, {reported:?}");
}

/// Whether the value lies in a bucket from that with the bound `low` to that with the bound `high`.
pub(crate) fn in_buckets(value: f64, low: f64, high: f64) -> bool {
    let below = BOUNDS.iter().copied().filter(|bound| *bound < low).fold(0.0, f64::max);
    // A rank that falls on the end of a bucket may be rounded into the next one that is not empty.
    let at_bound = BOUNDS.iter().any(|bound| (value - bound).abs() < bound * 1e-6);
    value > below && (value <= high || at_bound)
}

/// The values of its labels.
fn key(sample: &Sample) -> String {
    Vec::from_iter(sample.labels.values().map(String::as_str)).join(" ")
}

fn address(host: &Value) -> String {
    format!("{} {}", host["host"].as_str().unwrap(), host["port"])
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}
