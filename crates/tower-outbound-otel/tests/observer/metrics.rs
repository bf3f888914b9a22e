//! Every metric, for successful and failed attempts.

use std::collections::BTreeSet;

use hyper_util::rt::TokioExecutor;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower::{Layer, Service, ServiceExt};
use tower_outbound::connect::PhaseLayer;
use tower_outbound::{Outbound, UrlTemplate};
use tower_outbound_otel::{MetricLabel, Metrics};

use crate::support::*;

const CORE: [(&str, &str); 9] = [
    ("http.client.open_connections", "{connection}"),
    ("http.client.request.duration", "s"),
    ("outbound.body.duration", "s"),
    ("outbound.connect.duration", "s"),
    ("outbound.connection.closed", "{connection}"),
    ("outbound.connection.opened", "{connection}"),
    ("outbound.requests", "{request}"),
    ("outbound.retries", "{retry}"),
    ("outbound.ttfb.duration", "s"),
];
const FURTHER: [(&str, &str); 11] = [
    ("dns.lookup.duration", "s"),
    ("http.client.active_requests", "{request}"),
    ("http.client.connection.duration", "s"),
    ("http.client.request.body.size", "By"),
    ("http.client.response.body.size", "By"),
    ("outbound.connect.failed", "{attempt}"),
    ("outbound.connect.wasted", "{attempt}"),
    ("outbound.connection.requests", "{request}"),
    ("outbound.connection.io", "By"),
    ("outbound.phase.duration", "s"),
    ("outbound.call.attempts", "{request}"),
];

/// Sends one request by name, reads the response, and waits for the connection to close.
async fn once(outbound: &Outbound) -> String {
    let server = ScriptedServer::tcp(Script::new().read_request().write(OK)).await.unwrap();
    let port = server.address().unwrap().port().to_string();
    let client = client(outbound);
    assert_eq!(attempt(&client, get(server.uri_with("http", "localhost", "/"))).await, Some(200));
    drop(client);
    closed(outbound).await;
    port
}

#[tokio::test]
async fn metrics_all_core_or_off_have_table_names_and_units() {
    for metrics in [Metrics::All, Metrics::Core, Metrics::Off] {
        let rig = Rig::new();
        let observer = rig.observer().metrics(metrics).body_sizes().build();
        once(&Outbound::builder().observer(observer).build()).await;
        let got: BTreeSet<_> = rig.metrics().into_iter().map(|(name, (unit, _))| (name, unit)).collect();
        let expected = match metrics {
            Metrics::All => [&CORE[..], &FURTHER].concat(),
            // Body sizes are an option of their own.
            Metrics::Core => [&CORE[..], &FURTHER[3..5]].concat(),
            _ => Vec::new(),
        };
        let expected: BTreeSet<_> =
            expected.into_iter().map(|(name, unit)| (name.to_owned(), unit.to_owned())).collect();
        assert_eq!(got, expected, "{metrics:?}");
    }
}

#[tokio::test]
async fn metrics_attempt_on_new_connection_counted_once_each() {
    let rig = Rig::new();
    let outbound = Outbound::builder().observer(rig.observer().body_sizes().build()).build();
    let port = once(&outbound).await;
    let server = [("server.address", "localhost"), ("server.port", port.as_str())];
    let http = |further: &[(&str, &str)]| -> Attributes {
        let pairs = further.iter().chain(&server);
        pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let ours = |further: &[(&str, &str)]| -> Attributes {
        let pairs = further.iter().chain(&[("server.address", "localhost"), ("url.scheme", "http")]);
        pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let request = http(&[
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
    ]);
    let version = ("network.protocol.version", "1.1");
    assert_eq!(rig.values("http.client.request.duration"), [(request.clone(), 1.0)]);
    assert_eq!(rig.values("http.client.request.body.size"), [(request.clone(), 1.0)]);
    assert_eq!(rig.series("http.client.response.body.size")[0].sum, 2.0);
    assert_eq!(rig.values("http.client.active_requests"), [(http(&[("http.request.method", "GET")]), 0.0)]);
    let mut open = rig.values("http.client.open_connections");
    // The server closes at once: the connection may or may not have been idle before.
    open.retain(|(labels, _)| *labels != http(&[("http.connection.state", "idle"), version]));
    assert_eq!(
        open,
        [
            (http(&[("http.connection.state", "active"), version]), 0.0),
            (http(&[("http.connection.state", "idle")]), 0.0),
        ],
        "the version is unknown before the first use"
    );
    assert_eq!(rig.values("http.client.connection.duration"), [(http(&[version]), 1.0)]);
    assert_eq!(rig.values("dns.lookup.duration"), [(expected([("dns.question.name", "localhost")]), 1.0)]);
    let reuse = ("outbound.connection.reuse", "new");
    assert_eq!(rig.values("outbound.requests"), [(ours(&[reuse, ("outbound.outcome", "ok")]), 1.0)]);
    assert_eq!(rig.values("outbound.connection.opened"), [(ours(&[]), 1.0)]);
    let closed = [("http.connection.state", "idle"), ("outbound.close_reason", "peer_closed")];
    assert_eq!(rig.values("outbound.connection.closed"), [(ours(&closed), 1.0)]);
    assert_eq!(rig.values("outbound.connection.requests"), [(ours(&[]), 1.0)]);
    let io = rig.values("outbound.connection.io");
    assert_eq!(io[0], (ours(&[("network.io.direction", "receive")]), OK.len() as f64));
    assert_eq!(io[1].0, ours(&[("network.io.direction", "transmit")]));
    assert_eq!(rig.values("outbound.connect.duration"), [(ours(&[]), 1.0)]);
    assert_eq!(rig.values("outbound.ttfb.duration"), [(ours(&[reuse]), 1.0)]);
    assert_eq!(rig.values("outbound.body.duration"), [(ours(&[]), 1.0)]);
    let phases = ["acquire", "dns", "head", "send", "tcp", "wait"];
    assert_eq!(
        rig.values("outbound.phase.duration"),
        phases.map(|phase| (ours(&[("outbound.phase", phase)]), 1.0))
    );
}

#[tokio::test]
async fn metrics_buckets_and_scope_match_table() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    once(&outbound).await;
    let bounds = |metric: &str| rig.series(metric).remove(0).bounds;
    let request = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
    assert_eq!(bounds("http.client.request.duration"), request);
    assert_eq!(bounds("dns.lookup.duration"), request);
    let connection = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
    assert_eq!(bounds("http.client.connection.duration"), connection);
    let ours = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
        10.0, 30.0,
    ];
    for metric in ["connect", "phase", "ttfb", "body"] {
        assert_eq!(bounds(&format!("outbound.{metric}.duration")), ours);
    }
    let attempts = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
    assert_eq!(bounds("outbound.connection.requests"), attempts);
    assert_eq!(rig.metric_scope(), (Some(env!("CARGO_PKG_VERSION").into()), Some(SCHEMA.into())));
}

#[tokio::test]
async fn metrics_of_retries_and_failures_are_0_from_the_start() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    attempt(&client(&rig.outbound()), get(server.uri("/"))).await;
    let zeros = |metric: &str, key: &str| -> BTreeSet<String> {
        let values = rig.values(metric);
        assert!(values.iter().all(|(_, value)| *value == 0.0), "{metric}: {values:?}");
        values.into_iter().map(|(mut labels, _)| labels.remove(key).unwrap_or_default()).collect()
    };
    let set = |names: &[&str]| BTreeSet::from_iter(names.iter().map(|name| (*name).to_owned()));
    let reasons = ["connect", "not_processed", "not_sent", "reused_connection"];
    assert_eq!(zeros("outbound.retries", "outbound.retry.reason"), set(&reasons));
    let kinds = ["connect_timeout", "connection_refused", "name_resolution_error", "secure_connection_error"];
    assert_eq!(zeros("outbound.connect.failed", "error.type"), set(&kinds));
    assert_eq!(zeros("outbound.connect.wasted", "-"), set(&[""]));
}

#[tokio::test]
async fn metrics_failed_connect_has_same_error_type_everywhere() {
    let rig = Rig::new();
    let port = closed_port().unwrap().port();
    attempt(&client(&rig.outbound()), get(format!("http://127.0.0.1:{port}/").as_str())).await;
    for metric in ["http.client.request.duration", "outbound.connect.duration", "outbound.connect.failed"] {
        let mut values = rig.values(metric);
        values.retain(|(_, value)| *value > 0.0);
        assert_eq!(values.len(), 1, "{metric}");
        assert_eq!(
            (values[0].0["error.type"].as_str(), values[0].1),
            ("connection_refused", 1.0),
            "{metric}"
        );
    }
    let phases: Vec<_> = rig
        .values("outbound.phase.duration")
        .into_iter()
        .map(|(attributes, _)| (attributes["outbound.phase"].clone(), attributes["error.type"].clone()))
        .collect();
    let refused = "connection_refused".to_owned();
    assert_eq!(phases, [("acquire".into(), refused.clone()), ("tcp".into(), refused)]);
    assert_eq!(rig.values("outbound.requests")[0].0["outbound.outcome"], "error");
    for metric in ["outbound.connection.opened", "outbound.ttfb.duration", "outbound.body.duration"] {
        assert_eq!(rig.values(metric), [], "{metric}");
    }
}

#[tokio::test]
async fn metrics_gauges_return_to_zero_after_cancellation() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    let asked = Gate::new();
    let server = ScriptedServer::tcp(Script::new().read_request().open(&asked).hang()).await.unwrap();
    let client = client(&outbound);
    {
        let pending = client.clone().oneshot(get(server.uri("/")));
        tokio::select! {
            _ = pending => panic!("a response of a silent peer"),
            () = asked.wait() => {}
        }
    }
    closed(&outbound).await;
    for metric in ["http.client.active_requests", "http.client.open_connections"] {
        let values = rig.values(metric);
        assert!(!values.is_empty() && values.iter().all(|(_, value)| *value == 0.0), "{metric}: {values:?}");
    }
    let (requests, count) = rig.values("outbound.requests").remove(0);
    assert_eq!((requests["outbound.outcome"].as_str(), count), ("cancelled", 1.0));
    let (duration, _) = rig.values("http.client.request.duration").remove(0);
    assert_eq!(duration.get("error.type"), None);
    let (closed, _) = rig.values("outbound.connection.closed").remove(0);
    assert_eq!(closed["http.connection.state"], "active", "the connection closed during its request");
}

#[tokio::test]
async fn metrics_optional_labels_present_when_enabled() {
    let rig = Rig::new();
    let observer = rig
        .observer()
        .metric_label(MetricLabel::UrlTemplate)
        .metric_label(MetricLabel::UrlScheme)
        .metric_label(MetricLabel::OutboundPort)
        .metric_label(MetricLabel::PeerAddress);
    let outbound = Outbound::builder().observer(observer.build()).build();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let mut request = get(server.uri("/users/7"));
    request.extensions_mut().insert(UrlTemplate::from_static("/users/{id}"));
    attempt(&client(&outbound), request).await;
    for metric in ["http.client.request.duration", "http.client.active_requests"] {
        let (attributes, _) = rig.values(metric).remove(0);
        assert_eq!((&*attributes["url.template"], &*attributes["url.scheme"]), ("/users/{id}", "http"));
    }
    assert!(rig.values("outbound.requests")[0].0.contains_key("server.port"));
    let (connections, _) = rig.values("http.client.open_connections").remove(0);
    assert_eq!(connections["network.peer.address"], "127.0.0.1");
}

#[tokio::test]
async fn metrics_connection_duration_has_own_protocol_version() {
    let rig = Rig::new();
    let (_server, duplex) = ScriptedServer::duplex(Script::new().hang());
    let outbound = rig.outbound();
    let mut connector = outbound.connector(duplex);
    let mut connect = async || connector.call("http://a.example/".parse().unwrap()).await.unwrap();
    // The HTTP/2 preface, sent before any request, shows the protocol.
    let (sender, connection) =
        hyper::client::conn::http2::handshake::<_, _, Body>(TokioExecutor::new(), connect().await)
            .await
            .unwrap();
    drop((sender, connection));
    closed(&outbound).await;
    drop(connect().await);
    let versions: Vec<_> = rig
        .values("http.client.connection.duration")
        .into_iter()
        .map(|(mut labels, count)| (labels.remove("network.protocol.version"), count))
        .collect();
    assert_eq!(versions, [(Some("2".into()), 1.0), (None, 1.0)]);
    assert!(rig.values("http.client.open_connections").iter().all(|(_, value)| *value == 0.0));
}

#[tokio::test]
async fn metrics_untracked_connect_counted_and_tunnel_is_phase() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    let connect = |fails: bool| {
        let tunnel = tower::service_fn(move |_: http::Uri| {
            std::future::ready(if fails {
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
            } else {
                Ok(())
            })
        });
        let tunnel = PhaseLayer::tunnel().layer(tunnel);
        let connector = outbound.connect_phase_layer().layer(tunnel);
        let client = tower::service_fn(move |_: http::Request<_>| {
            let connected = connector.clone().oneshot("http://a.example/".parse().unwrap());
            async move { connected.await.map(|()| status(200)) }
        });
        outbound.attempt_layer().layer(client)
    };
    assert_eq!(attempt(&connect(false), get("http://a.example/")).await, Some(200));
    assert_eq!(attempt(&connect(true), get("http://a.example/")).await, None);

    let errors = |metric: &str| -> Vec<_> {
        let counted = rig.values(metric).into_iter().filter(|(_, count)| *count > 0.0);
        counted.map(|(mut labels, count)| (labels.remove("error.type"), count)).collect()
    };
    let reset = Some("connection_reset".to_owned());
    assert_eq!(errors("outbound.connection.opened"), [(None, 1.0)]);
    assert_eq!(errors("outbound.connect.duration"), [(reset.clone(), 1.0), (None, 1.0)]);
    assert_eq!(errors("outbound.connect.failed"), [(reset, 1.0)]);
    let spans = rig.spans();
    let tunnels: Vec<_> = spans.iter().filter(|span| span.name == "proxy tunnel a.example:80").collect();
    assert_eq!(tunnels.len(), 2);
    assert!(attributes(tunnels[0]).is_empty());
    assert_eq!(attributes(tunnels[1]), expected([("error.type", "connection_reset")]));
}
