//! Compares spans and metrics of attempts with the conventions' tables (`tests/conventions`). Required attributes are
//! present. Conditionally Required and Recommended ones are present if and only if their condition holds. Apart from
//! `outbound.*`, no others are present. Units, kinds and buckets are equal.
//!
//! Two conditions are narrower here. `url.template` on metrics needs the option [`MetricLabel`], since it multiplies series.
//! `network.protocol.version` of `http.client.open_connections` is present from the first use of a connection.
//!
//! # Another layer with the same names
//!
//! `opentelemetry-instrumentation-tower` plans a client layer (opentelemetry-rust-contrib, pull request 700; read at commit
//! `143ecaa7`, 2026-08-22). A dashboard that uses `http.client.request.duration` and the two body sizes by
//! `http.request.method`, `http.response.status_code` and `server.address` fits both. Otherwise its layer
//!
//! - has no `error.type`, so a failed attempt differs only in its missing status code; the span's status has the error's
//!   text as description, here kind and phase where no response came;
//! - always has the Opt-In `url.scheme`, here an option ([`MetricLabel::UrlScheme`], `SpanAttribute::UrlScheme`), and
//!   `network.protocol.name` = `http`, which is required for other protocols only;
//! - has `network.protocol.version` on metrics only, from the request and as `2.0`; here from the response and as `2`;
//! - omits the Required `server.port` if the URI has no port; records unknown methods verbatim, here as `_OTHER` with
//!   `http.request.method_original`; uses `http.route`, a server attribute, here `url.template`;
//! - has users, passwords and signatures in `url.full`; has neither `network.peer.*` nor `http.request.resend_count`;
//! - measures until the head, here until the end of the body (the option `end_at_head` selects the head); does not count
//!   cancelled attempts; takes body sizes from `content-length`, here from the transferred bytes;
//! - has no `http.client.active_requests`, `http.client.open_connections`, `http.client.connection.duration`,
//!   `dns.lookup.duration`, and no gRPC metrics.

use std::collections::BTreeSet;

use http::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry::trace::SpanKind;
use outbound_tests::conventions::{Table, tables};
use outbound_tests::gate::Gate;
use outbound_tests::server::{H2Server, Script, ScriptedServer, closed_port};
use tower::{Layer, ServiceExt};
use tower_outbound::{Call, Outbound, UrlTemplate};
use tower_outbound_otel::MetricLabel;

use crate::rpc::{asking, ending};
use crate::support::*;

/// An attempt and the conditions that hold.
struct Case {
    rig: Rig,
    holds: Vec<&'static str>,
    /// Whether the attempt is an error for HTTP, and for gRPC.
    errors: [bool; 2],
}

impl Case {
    fn new(rig: Rig, holds: &[&'static str], errors: [bool; 2]) -> Self {
        Self { rig, holds: [holds, &["always"]].concat(), errors }
    }

    /// Compares attributes with the rows of tables.
    fn compare(&self, what: &str, tables: &[&Table], error: bool, got: &Attributes) {
        for row in tables.iter().flat_map(|table| &table.rows) {
            let due = match (row.level.as_str(), row.condition.as_str()) {
                ("Opt-In", _) | (_, "sometimes") => continue,
                (_, "error") => error,
                (_, condition) => self.holds.contains(&condition),
            };
            assert_eq!(
                got.contains_key(&row.attribute),
                due,
                "{what}: {} is {} ({}) in {got:?}",
                row.attribute,
                row.level,
                row.condition
            );
        }
        for key in got.keys().filter(|key| !key.starts_with("outbound.")) {
            let listed = tables.iter().flat_map(|table| &table.rows).any(|row| row.is(key));
            assert!(listed, "{what}: {key} is in no table");
        }
    }

    /// Compares everything. Returns the tables that were used.
    fn check(&self) -> BTreeSet<String> {
        let tables = tables();
        let mut seen = BTreeSet::new();
        let spans = self.rig.spans();
        let mut clients = spans.iter().filter(|span| span.span_kind == SpanKind::Client).peekable();
        assert!(clients.peek().is_some());
        for span in clients {
            let attributes = attributes(span);
            let names = match attributes.contains_key("rpc.system.name") {
                true => &["span http.client", "span rpc.grpc.client"][..],
                false => &["span http.client"],
            };
            let theirs: Vec<_> = names.iter().map(|name| &tables[*name]).collect();
            self.compare("span", &theirs, self.errors.contains(&true), &attributes);
            seen.extend(names.iter().map(|name| (*name).to_owned()));
        }
        for (metric, (unit, series)) in self.rig.metrics() {
            let name = format!("metric {metric}");
            let Some(table) = tables.get(&name) else {
                assert!(metric.starts_with("outbound."), "{metric} is in no table");
                continue;
            };
            let error = self.errors[usize::from(metric.starts_with("rpc."))];
            assert_eq!(unit, table.unit, "{metric}");
            for series in series {
                assert_eq!(series.kind, table.kind, "{metric}");
                // The convention names no buckets for some metrics; the crate chooses them.
                if !table.buckets.is_empty() {
                    assert_eq!(series.bounds, table.buckets, "{metric}");
                }
                self.compare(&metric, &[table], error, &series.attributes);
            }
            seen.insert(name);
        }
        seen
    }
}

fn with_sizes(rig: &Rig) -> Outbound {
    Outbound::builder().observer(rig.observer().body_sizes().build()).build()
}

async fn answered(status: &str) -> Case {
    let rig = Rig::new();
    let outbound = with_sizes(&rig);
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
    let server = ScriptedServer::tcp(Script::new().read_request().write(answer)).await.unwrap();
    let client = client(&outbound);
    assert!(attempt(&client, get(server.uri_with("http", "localhost", "/"))).await.is_some());
    drop(client);
    closed(&outbound).await;
    Case::new(rig, &["response", "peer"], [status.starts_with('5'), false])
}

async fn refused(request: fn(http::Uri) -> Request<Body>, is_grpc: bool) -> Case {
    let rig = Rig::new();
    let uri = format!("http://{}/shop.Orders/Create", closed_port().unwrap());
    let request = request(uri.parse().unwrap());
    assert_eq!(attempt(&client(&with_sizes(&rig)), request).await, None);
    Case::new(rig, &[], [true, is_grpc])
}

async fn cancelled(request: fn(http::Uri) -> Request<Body>) -> Case {
    let rig = Rig::new();
    let outbound = with_sizes(&rig);
    let read = Gate::new();
    let server = ScriptedServer::tcp(Script::new().read_request().open(&read).hang()).await.unwrap();
    let client = client(&outbound);
    tokio::select! {
        _ = client.oneshot(request(server.uri("/shop.Orders/Create"))) => panic!("a response of a silent peer"),
        () = read.wait() => {}
    }
    closed(&outbound).await;
    Case::new(rig, &["peer"], [false, false])
}

/// A retry with an unknown method, and with a template on metrics.
async fn retried() -> Case {
    let rig = Rig::new();
    let observer = rig.observer().body_sizes().metric_label(MetricLabel::UrlTemplate).build();
    let service = answering(&Outbound::builder().observer(observer).build(), 200);
    let mut request = get("http://a.example/users/7");
    *request.method_mut() = http::Method::from_bytes(b"FETCH").unwrap();
    request.extensions_mut().insert(UrlTemplate::from_static("/users/{id}"));
    let call = Call::new();
    request.extensions_mut().insert(call);
    attempt(&service, request.clone()).await;
    // The first attempt has no resend count.
    rig.exporter().reset();
    attempt(&service, request).await;
    Case::new(rig, &["response", "retried", "method_differs", "template"], [false, false])
}

async fn grpc(path: &str, status: &'static str, holds: &[&'static str]) -> Case {
    let rig = Rig::new();
    let outbound = with_sizes(&rig);
    let server = H2Server::builder().start(move |_| async move { ending(status) }).await.unwrap();
    let connector = outbound.connector(outbound.http_connector());
    let client =
        Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).http2_only(true).build(connector);
    let client = outbound.attempt_layer().layer(client);
    assert_eq!(attempt(&client, asking(server.uri(path))).await, Some(200));
    drop(client);
    closed(&outbound).await;
    Case::new(rig, &[&["response", "peer"], holds].concat(), [false, status != "0"])
}

#[tokio::test]
async fn conventions_attempt_ok_or_503_matches_tables() {
    answered("200 OK").await.check();
    answered("503 Service Unavailable").await.check();
}

#[tokio::test]
async fn conventions_refused_attempt_matches_tables() {
    refused(get, false).await.check();
    refused(asking, true).await.check();
}

#[tokio::test]
async fn conventions_cancelled_attempt_matches_tables() {
    cancelled(get).await.check();
    cancelled(asking).await.check();
}

#[tokio::test]
async fn conventions_retry_with_unknown_method_matches_tables() {
    retried().await.check();
}

#[tokio::test]
async fn conventions_grpc_attempt_ok_or_failed_matches_tables() {
    grpc("/shop.Orders/Create", "0", &[]).await.check();
    grpc("/shop.Orders/Create", "14", &[]).await.check();
    grpc("/create", "0", &["rpc_method_differs"]).await.check();
}

#[tokio::test]
async fn conventions_every_table_is_compared() {
    let mut seen = answered("200 OK").await.check();
    seen.extend(grpc("/shop.Orders/Create", "0", &[]).await.check());
    assert_eq!(seen, tables().into_keys().collect());
    assert_eq!(seen.len(), 10);
    let rows: usize = tables().values().map(|table| table.rows.len()).sum();
    assert_eq!(rows, 23 + 11 + 9 + 9 + 9 + 6 + 5 + 5 + 2 + 6);
}
