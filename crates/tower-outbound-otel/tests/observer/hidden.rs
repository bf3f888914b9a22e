//! Secrets are hidden, and suppressed telemetry is not recorded.

use http_body_util::BodyExt;
use opentelemetry::Context;
use opentelemetry::trace::FutureExt;
use outbound_tests::secret;
use outbound_tests::server::{Script, ScriptedServer};
use tower::{Layer, Service, ServiceExt};
use tower_outbound::{RequestExt, UrlTemplate};
use tower_outbound_otel::{Propagate, RedactPath, RedactQuery};

use crate::support::*;

#[tokio::test]
async fn redact_no_secret_in_any_span_or_metric() {
    for redact in [RedactQuery::Sensitive, RedactQuery::All] {
        let rig = Rig::new();
        let observer = rig.observer().redact_query(redact).propagate(Propagate::everywhere()).build();
        let outbound = tower_outbound::Outbound::builder().observer(observer).build();
        let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
        let request = secret::request(&server.uri("/a"), Body::new());
        assert_eq!(attempt(&client(&outbound), request).await, Some(200));

        let spans = format!("{:?}", rig.spans());
        assert!(!secret::is_in(&spans), "{spans}");
        let metrics = format!("{:?}", rig.metrics());
        assert!(!secret::is_in(&metrics), "{metrics}");
        let url = attributes(&rig.span("GET")).remove("url.full").unwrap();
        assert!(url.starts_with("http://REDACTED:REDACTED@127.0.0.1:"), "{url}");
        assert_eq!(url.matches("=REDACTED").count(), 7, "{url}");
    }
}

#[tokio::test]
async fn redact_path_token_is_in_no_span_and_template_remains() {
    let template = || UrlTemplate::from_static("/bot/{token}/send");
    for (segments, templated, expected) in [
        (true, false, Some("http://a.example/bot/REDACTED/send?code=REDACTED&q=1")),
        (false, false, Some("http://a.example/REDACTED/REDACTED/REDACTED?code=REDACTED&q=1")),
        (false, true, Some("http://a.example/bot/{token}/send?code=REDACTED&q=1")),
    ] {
        let rig = Rig::new();
        let path = match segments {
            true => RedactPath::Segments(vec!["tok_*".to_owned()]),
            false => RedactPath::ToTemplate,
        };
        let observer = rig.observer().redact_path(path).build();
        let service = answering(&tower_outbound::Outbound::builder().observer(observer).build(), 200);
        let mut request = get("http://a.example/bot/tok_s3cr3t/send?code=s3cr3t&q=1");
        if templated {
            request = request.url_template(template());
        }
        attempt(&service, request).await;
        let spans = format!("{:?}", rig.spans());
        assert!(!spans.contains("s3cr3t"), "{spans}");
        let name = if templated { "GET /bot/{token}/send" } else { "GET" };
        let url = attributes(&rig.span(name)).remove("url.full");
        assert_eq!(url.as_deref(), expected);
    }
}

#[tokio::test]
async fn omit_url_full_leaves_template_and_address() {
    let rig = Rig::new();
    let observer = rig.observer().omit_url_full().build();
    let service = answering(&tower_outbound::Outbound::builder().observer(observer).build(), 200);
    let request = get("http://a.example/s3cr3t").url_template(UrlTemplate::from_static("/{token}"));
    attempt(&service, request).await;
    let mut span = attributes(&rig.span("GET /{token}"));
    assert_eq!(span.remove("url.full"), None);
    assert_eq!(span.remove("url.template").as_deref(), Some("/{token}"));
    assert_eq!(span.remove("server.address").as_deref(), Some("a.example"));
}

#[tokio::test]
async fn suppressed_attempt_and_its_connection_record_nothing() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let outbound = rig.outbound();
    let mut client = client(&outbound);
    client.ready().await.unwrap();
    let pending = {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        client.call(get(server.uri("/")))
    };
    // The future is polled outside the scope, as in another task.
    assert_eq!(pending.await.unwrap().status(), 200);
    drop(client);
    closed(&outbound).await;
    assert_eq!(rig.names(), Vec::<String>::new());
    assert_eq!(rig.metrics().len(), 0, "{:?}", rig.metrics());
}

#[tokio::test]
async fn suppressed_after_start_still_records_end_of_attempt() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let outbound = rig.outbound();
    let mut client = client(&outbound);
    client.ready().await.unwrap();
    let pending = client.call(get(server.uri("/")));
    let suppressed = Context::new().with_telemetry_suppressed();
    async {
        drop(pending.await.unwrap().into_body().collect().await.unwrap());
        drop(client);
        closed(&outbound).await;
    }
    .with_context(suppressed)
    .await;
    let at = format!("127.0.0.1:{}", server.address().unwrap().port());
    let mut names = ["GET", "outbound.body", "outbound.send", "outbound.wait"].map(str::to_owned).to_vec();
    names.extend([
        format!("HTTP connection_setup {at}"),
        format!("HTTP wait_for_connection {at}"),
        format!("socket connect {at}"),
    ]);
    names.sort();
    let got: Vec<_> = rig.names().into_iter().filter(|name| name != "outbound.head").collect();
    assert_eq!(got, names);
    for metric in ["http.client.active_requests", "http.client.open_connections"] {
        let values = rig.values(metric);
        assert!(!values.is_empty() && values.iter().all(|(_, value)| *value == 0.0), "{metric}: {values:?}");
    }
    for metric in ["outbound.requests", "outbound.connection.opened", "outbound.connection.closed"] {
        assert_eq!(rig.values(metric)[0].1, 1.0, "{metric}");
    }
}

#[tokio::test]
async fn suppressed_attempt_leaves_recorded_connection_unchanged() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let outbound = rig.outbound();
    let client = client(&outbound);
    assert_eq!(attempt(&client, get(server.uri("/"))).await, Some(200));
    let before = rig.names();
    let suppressed = Context::new().with_telemetry_suppressed();
    assert_eq!(attempt(&client, get(server.uri("/"))).with_context(suppressed).await, Some(200));
    assert_eq!(server.accepted(), 1);
    assert_eq!(rig.names(), before);
    assert_eq!(rig.values("outbound.requests")[0].1, 1.0);
    drop(client);
    closed(&outbound).await;
    let values = rig.values("http.client.open_connections");
    assert!(!values.is_empty() && values.iter().all(|(_, value)| *value == 0.0), "{values:?}");
}

#[tokio::test]
async fn suppressed_context_hides_connect_without_attempt() {
    let rig = Rig::new();
    let (_server, duplex) = ScriptedServer::duplex(Script::answering(OK));
    let mut connector = rig.outbound().connector(duplex);
    let pending = {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        connector.call("http://a.example/".parse().unwrap())
    };
    drop(pending.await.unwrap());
    assert_eq!((rig.names().len(), rig.metrics().len()), (0, 0));
}

#[tokio::test]
async fn suppressed_attempt_sends_no_trace_context() {
    let rig = Rig::new();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let see = std::sync::Arc::clone(&seen);
    let mut service =
        rig.outbound().attempt_layer().layer(tower::service_fn(move |request: http::Request<_>| {
            *see.lock().unwrap() = Some(request.headers().len());
            std::future::ready(Ok::<_, std::io::Error>(status(200)))
        }));
    let pending = {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        service.call(get("http://a.example/"))
    };
    drop(pending.await);
    assert_eq!(*seen.lock().unwrap(), Some(0));
}
