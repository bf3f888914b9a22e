//! What the export costs a backend: the table of the guide, measured.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::BodyExt as _;
use outbound_tests::peers::checks::Check;
use outbound_tests::peers::{COLLECTOR, Collector, Entrance};
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{Script, ScriptedServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower_outbound::Outbound;
use tower_outbound_otel::{Metrics, OtelObserverBuilder, Phases};
use tower_outbound_telemetry::Telemetry;

use crate::disk;
use crate::matrix::RECEIVER;
use crate::model::Point;

const GUIDE: &str = include_str!("../../crates/tower-outbound-otel/src/collector.md");
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
/// Warm requests, so that the cold one and the heads of the export do not count.
const REQUESTS: usize = 500;
const PROTOBUF: &str = "http/protobuf";

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("cost_of_guide_is_measured", COLLECTOR, cost)]
}

/// Counts are exact. Bytes depend on ports and times: within a tenth.
async fn cost() {
    let rows = [
        spans("`Phases::Spans` (default)", Phases::Spans, PROTOBUF).await,
        spans("`Phases::Spans`, as `http/json`", Phases::Spans, "http/json").await,
        spans("`Phases::Events`", Phases::Events, PROTOBUF).await,
        spans("`Phases::Off`", Phases::Off, PROTOBUF).await,
        series("`Metrics::All` (default)", Metrics::All).await,
        series("`Metrics::Core`", Metrics::Core).await,
    ];
    let mut wrong = Vec::new();
    for row in &rows {
        println!("{row}");
        let name = row.split('|').nth(1).unwrap();
        let documented = GUIDE.lines().find(|line| line.starts_with(&format!("|{name}|")));
        if !documented.is_some_and(|documented| near(documented, row)) {
            wrong.push((documented, row));
        }
    }
    assert!(wrong.is_empty(), "the guide, and measured: {wrong:#?}");
}

/// Equal words, numbers of bytes within a tenth.
fn near(documented: &str, measured: &str) -> bool {
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let (documented, measured) = (cells(documented), cells(measured));
    let bytes =
        |cell: &str| cell.strip_suffix(" B").and_then(|bytes| bytes.replace(',', "").parse::<f64>().ok());
    documented.len() == measured.len()
        && documented.iter().zip(&measured).all(|(documented, measured)| {
            match (bytes(documented), bytes(measured)) {
                (Some(documented), Some(measured)) => (documented - measured).abs() < documented / 10.0,
                _ => documented == measured,
            }
        })
}

/// What arrived, and how many bytes it took.
struct Run {
    traces: String,
    metrics: String,
    bytes: u64,
}

/// Sends one cold request and warm ones over one connection, and exports one signal over HTTP.
async fn run(
    requests: usize,
    signal: &'static str,
    [protocol, compression]: [&'static str; 2],
    options: impl FnOnce(OtelObserverBuilder) -> OtelObserverBuilder,
) -> Run {
    let mut collector = Collector::start(&[RECEIVER]).await.unwrap();
    let (relay, bytes) = relay(collector.http_address(Entrance::Plain)).await;
    let lookup = move |key: &str| {
        let value = match key {
            "OTEL_EXPORTER_OTLP_PROTOCOL" => protocol,
            "OTEL_EXPORTER_OTLP_COMPRESSION" => compression,
            "OTEL_BSP_MAX_QUEUE_SIZE" => "100000",
            "OTEL_TRACES_EXPORTER" | "OTEL_METRICS_EXPORTER" if key != signal => "none",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let telemetry = Telemetry::builder("shop").lookup(lookup).without_globals();
    let telemetry = telemetry.endpoint(format!("http://{relay}")).build().unwrap();
    let recorder = Recorder::new();
    let observer = options(telemetry.observer()).build();
    let client = Outbound::builder().observer(observer).observer(recorder.clone()).build().client();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let uri = server.uri_with("http", "localhost", "/stock/17");
    for _ in 0..=requests {
        client.get(uri.clone()).await.unwrap().into_body().collect().await.unwrap();
    }
    drop(client);
    recorder.settled().await;
    let report = telemetry.shutdown().await;
    assert!(report.is_complete(), "{report}");
    collector.end().await.unwrap();
    let [traces, metrics] = ["traces.jsonl", "metrics.jsonl"].map(|file| collector.read(file));
    Run { traces, metrics, bytes: bytes.load(Ordering::Relaxed) }
}

async fn spans(name: &str, phases: Phases, protocol: &'static str) -> String {
    let run = |compression| {
        run(REQUESTS, "OTEL_TRACES_EXPORTER", [protocol, compression], move |it| it.phases(phases))
    };
    let (plain, gzip) = (run("none").await, run("gzip").await);
    let mut traces = BTreeMap::new();
    for (_, span) in disk::spans(&plain.traces) {
        let (spans, connects) = traces.entry(span.context.trace_id).or_insert((0, false));
        // The one phase that is a span only on a busy machine.
        *spans += usize::from(span.name != "outbound.head");
        *connects |= span.name.starts_with("HTTP connection_setup ");
    }
    let mut often = BTreeMap::new();
    for (spans, _) in traces.values().filter(|(_, connects)| !connects) {
        *often.entry(*spans).or_insert(0) += 1;
    }
    let (warm, _) = often.iter().max_by_key(|(_, times)| **times).unwrap();
    let (cold, _) = traces.values().find(|(_, connects)| *connects).unwrap();
    let each = |run: &Run| bytes(run.bytes / REQUESTS as u64);
    format!("| {name} | {warm} | {cold} | {} | {} |", each(&plain), each(&gzip))
}

async fn series(name: &str, metrics: Metrics) -> String {
    let run = |compression| {
        run(10, "OTEL_METRICS_EXPORTER", [PROTOBUF, compression], move |it| it.metrics(metrics))
    };
    let (plain, gzip) = (run("none").await, run("gzip").await);
    let exports = disk::exports(&plain.metrics);
    let ours =
        exports.last().unwrap().metrics.iter().filter(|((scope, _), _)| scope == "tower-outbound-otel");
    let ours: Vec<_> = ours.map(|(_, metric)| metric).collect();
    let points = ours.iter().map(|metric| metric.points.len()).sum::<usize>();
    let in_prometheus = ours.iter().flat_map(|metric| metric.points.values()).map(|(_, point)| match point {
        // Each bucket, the sum and the count.
        Point::Histogram { buckets, .. } => buckets.len() + 2,
        _ => 1,
    });
    let in_prometheus = in_prometheus.sum::<usize>();
    format!("| {name} | {points} | {in_prometheus} | {} | {} |", bytes(plain.bytes), bytes(gzip.bytes))
}

fn bytes(count: u64) -> String {
    match count {
        1_000.. => format!("{},{:03} B", count / 1_000, count % 1_000),
        _ => format!("{count} B"),
    }
}

/// Forwards connections, and counts what the client sends.
async fn relay(upstream: SocketAddr) -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let (address, bytes) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&bytes);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                let (mut from, mut back) = client.into_split();
                let (mut answers, mut to) = TcpStream::connect(upstream).await.unwrap().into_split();
                let there = async {
                    let mut buffer = [0; 8 << 10];
                    while let Ok(count @ 1..) = from.read(&mut buffer).await {
                        counted.fetch_add(count as u64, Ordering::Relaxed);
                        to.write_all(&buffer[..count]).await.unwrap();
                    }
                    let _ = to.shutdown().await;
                };
                // Each ends with its connection.
                let _ = tokio::join!(there, tokio::io::copy(&mut answers, &mut back));
            });
        }
    });
    (address, bytes)
}
