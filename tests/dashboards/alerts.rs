//! Each alert fires under the fault that it is for, and stays silent without it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http_body_util::BodyExt as _;
use outbound_tests::peers::checks::Check;
use outbound_tests::peers::{PROMETHEUS, Prometheus};
use tokio::time::{Instant, sleep};
use tower_outbound::Outbound;

use crate::files::{RULES, RULES_FILE, alerts};
use crate::panels::{configuration, nowhere};
use crate::programs::{self, Gateway};

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);
/// Requests to the gateway that serves, more than it has sent before: to a path that fails, then to one that closes.
const BROKEN: [(&str, usize); 2] = [("/plain/status/503", 300), ("/plain/close", 600)];

/// The alerts that each service must raise.
const EXPECTED: [(&str, &[&str]); 4] = [
    (
        "faults",
        &[
            "OutboundNamesNotResolved",
            "OutboundConnectsFail",
            "OutboundTlsFails",
            "OutboundTimeouts",
            "OutboundConnectionsBreak",
            "OutboundInvalidResponses",
            "OutboundNoSlot",
            "OutboundRetriesGivenUp",
        ],
    ),
    ("broken", &["OutboundServerErrors", "OutboundNotReused", "OutboundTelemetryLost"]),
    ("bulk-held", &["OutboundSlotWaits", "OutboundFirstByteSlow"]),
    ("bulk-released", &["OutboundManyRetries"]),
];
/// The services that raise no other: the demonstration's own traffic, and the other two ways to treat a refusal.
const SILENT: [(&str, &[&str]); 3] =
    [("gateway", &[]), ("bulk-dropped", &[]), ("bulk-released", &["OutboundManyRetries"])];
/// A machine with other work raises these too: promtool proves their silence.
const SLOW: [&str; 2] = ["OutboundSlotWaits", "OutboundFirstByteSlow"];

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("alerts_fire_under_their_fault_alone", PROMETHEUS, alerts_fire)]
}

async fn alerts_fire() {
    let promised: BTreeSet<_> = EXPECTED.iter().flat_map(|(_, alerts)| alerts.iter().copied()).collect();
    assert_eq!(promised, alerts().into_iter().collect(), "each alert has its fault");

    let prometheus =
        Prometheus::start(&configuration(nowhere()), &[(RULES_FILE, &at_once(RULES))]).await.unwrap();
    let endpoint = prometheus.otlp_endpoint();
    let to_prometheus: Vec<(&str, &str)> = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ("OTEL_TRACES_EXPORTER", "none"),
    ];
    let faults = [to_prometheus.as_slice(), &[("OTEL_SERVICE_NAME", "faults")]].concat();
    let broken = broken(&endpoint);
    // Held until the end: its spans are lost all the time.
    let (broken, ..) = tokio::join!(
        broken,
        programs::run("gateway", &["--json", "--seconds", "2"], &to_prometheus),
        programs::run("gateway", &["--json", "--faults"], &faults),
        programs::run("bulk", &["--json", "--seconds", "4"], &to_prometheus),
    );

    let start = Instant::now();
    let mut firing = BTreeMap::new();
    while !EXPECTED.iter().all(|(job, alerts)| has(&firing, job, alerts)) {
        assert!(start.elapsed() < PATIENCE, "{firing:#?}");
        sleep(POLL).await;
        firing = fires(&prometheus).await;
    }
    drop(broken);
    println!("{firing:#?}");
    for (job, expected) in SILENT {
        let seen = format!("sum(outbound_requests_total{{job=\"{job}\"}}) > 0");
        assert_eq!(prometheus.query(&seen, None).await.unwrap().len(), 1, "{job} has no requests");
        let alerts = firing.get(job).into_iter().flatten().map(String::as_str);
        let alerts: Vec<_> = alerts.filter(|alert| !SLOW.contains(alert)).collect();
        assert_eq!(alerts, expected, "{job}");
    }
}

/// The rules without their patience: promtool proves that.
fn at_once(rules: &str) -> String {
    let lines = rules.lines().map(|line| match line.trim_start().starts_with("for: ") {
        true => format!("{}for: 0s\n", " ".repeat(line.len() - line.trim_start().len())),
        false => format!("{line}\n"),
    });
    lines.collect()
}

/// A gateway whose upstream fails and closes, and whose spans no one receives.
async fn broken(endpoint: &str) -> Gateway {
    let (metrics, traces) = (format!("{endpoint}/v1/metrics"), format!("http://{}/v1/traces", nowhere()));
    let gateway = Gateway::serve(&[
        ("OTEL_SERVICE_NAME", "broken"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &metrics),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &traces),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "500"),
    ])
    .await;
    let client = Outbound::new().client();
    for (path, count) in BROKEN {
        for _ in 0..count {
            let response = client.get(format!("{}{path}", gateway.url)).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
    }
    gateway
}

/// The firing alerts by service.
async fn fires(prometheus: &Prometheus) -> BTreeMap<String, BTreeSet<String>> {
    let mut firing: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for alert in prometheus.alerts().await.unwrap().into_iter().filter(|alert| alert.fires) {
        firing.entry(alert.labels["job"].clone()).or_default().insert(alert.name);
    }
    firing
}

fn has(firing: &BTreeMap<String, BTreeSet<String>>, job: &str, alerts: &[&str]) -> bool {
    firing.get(job).is_some_and(|fires| alerts.iter().all(|alert| fires.contains(*alert)))
}
