//! The panels, filled by the gateway: by Prometheus's own OTLP receiver, and through the Collector.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, SystemTime};

use outbound_tests::peers::checks::Check;
use outbound_tests::peers::{COLLECTOR, Collector, Entrance, PROMETHEUS, Prometheus};
use tokio::time::{Instant, sleep};

use crate::compare::Run;
use crate::files::{self, RULES, RULES_FILE, replaced};
use crate::programs::Gateway;

const EXPORT: (&str, &str) = ("OTEL_METRIC_EXPORT_INTERVAL", "300");
/// Prometheus takes no traces.
const NO_TRACES: (&str, &str) = ("OTEL_TRACES_EXPORTER", "none");
/// From the report until a point that is certainly later than all of it: an export, and a scrape.
const LATER: Duration = Duration::from_millis(900);
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);

pub(crate) fn checks() -> Vec<Check> {
    vec![
        Check::new("panels_by_otlp_receiver_show_gateway_report", PROMETHEUS, by_receiver),
        Check::new("panels_through_collector_show_gateway_report", PROMETHEUS, through_collector)
            .and(COLLECTOR),
    ]
}

/// The shipped configuration with short intervals.
pub(crate) fn configuration(exporter: SocketAddr) -> String {
    let target = exporter.to_string();
    let short = [
        ("scrape_interval: 60s", "scrape_interval: 300ms"),
        ("evaluation_interval: 60s", "evaluation_interval: 500ms"),
        ("localhost:8889", target.as_str()),
    ];
    replaced(files::PROMETHEUS, &short)
}

/// Where nothing listens.
pub(crate) fn nowhere() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).unwrap()
}

async fn by_receiver() {
    let prometheus = Prometheus::start(&configuration(nowhere()), &[(RULES_FILE, RULES)]).await.unwrap();
    let endpoint = prometheus.otlp_endpoint();
    compare(prometheus, &endpoint).await;
}

async fn through_collector() {
    let exporter = nowhere();
    let shipped = replaced(
        files::COLLECTOR,
        &[
            ("localhost:4317", "\"${env:PLAIN_GRPC}\""),
            ("localhost:4318", "\"${env:PLAIN_HTTP}\""),
            ("localhost:8889", &exporter.to_string()),
        ],
    );
    let collector =
        Collector::start(&[&shipped, "service: {telemetry: {metrics: {level: none}}}"]).await.unwrap();
    let prometheus = Prometheus::start(&configuration(exporter), &[(RULES_FILE, RULES)]).await.unwrap();
    compare(prometheus, &format!("http://{}", collector.http_address(Entrance::Plain))).await;
}

async fn compare(prometheus: Prometheus, endpoint: &str) {
    let gateway = Gateway::serve(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint), EXPORT, NO_TRACES]).await;
    let reported = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let later = (reported + LATER).as_secs_f64();
    for job in Run::jobs() {
        point_after(&prometheus, job, later).await;
    }
    let run = Run { prometheus, report: gateway.report.clone() };
    for panel in files::panels() {
        run.check(&panel).await;
    }
}

/// Waits for a point of the service that is later than `after`.
async fn point_after(prometheus: &Prometheus, job: &str, after: f64) {
    let query = format!("max(timestamp(outbound_requests_total{{job=\"{job}\"}}))");
    let start = Instant::now();
    loop {
        match prometheus.query(&query, None).await.unwrap().first() {
            Some(point) if point.value > after => return,
            last => assert!(start.elapsed() < PATIENCE, "no point of {job} after {after}: {last:?}"),
        }
        sleep(POLL).await;
    }
}
