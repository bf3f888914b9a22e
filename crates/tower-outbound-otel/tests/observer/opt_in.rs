//! Optional span attributes.

use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderName, RETRY_AFTER, USER_AGENT, VARY};
use opentelemetry::{Array, Value};
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::Outbound;
use tower_outbound_otel::{OtelObserverBuilder, SpanAttribute};

use crate::support::*;

const ANSWER: &str = "HTTP/1.1 503 Service Unavailable\r\nvary: a\r\nretry-after: 7\r\nvary: b\r\ncontent-length: 5\r\n\r\nhello";

/// The span attributes of an attempt with several request and response headers.
async fn span_with(with: impl Fn(OtelObserverBuilder) -> OtelObserverBuilder) -> Vec<(String, Value)> {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(ANSWER)).await.unwrap();
    let outbound = Outbound::builder().observer(with(rig.observer()).build()).build();
    let mut request = get(server.uri("/"));
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("shop/1.0"));
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer s3cr3t"));
    let mut marked = HeaderValue::from_static("s3cr3t");
    marked.set_sensitive(true);
    request.headers_mut().insert("x-token", marked);
    assert_eq!(attempt(&client(&outbound), request).await, Some(503));
    let span = rig.span("GET");
    attributes(&span);
    span.attributes.into_iter().map(|pair| (pair.key.to_string(), pair.value)).collect()
}

/// Of three servers, one says how long it took.
#[tokio::test]
async fn server_timing_recorded_only_where_server_says_it() {
    let rig = Rig::new();
    let observer = rig.observer().server_timing("total").build();
    let outbound = Outbound::builder().observer(observer).build();
    for header in ["server-timing: db;dur=1, total;dur=250", "server-timing: total;dur=fast", "x: y"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{header}\r\ncontent-length: 0\r\n\r\n");
        let server = ScriptedServer::tcp(Script::answering(answer)).await.unwrap();
        assert_eq!(attempt(&client(&outbound), get(server.uri("/"))).await, Some(200));
    }
    let spans = rig.spans().into_iter().filter(|span| span.name == "GET");
    let recorded: Vec<_> = spans.flat_map(|span| span.attributes).collect();
    let recorded: Vec<_> =
        recorded.into_iter().filter(|pair| pair.key.as_str() == "outbound.server.duration").collect();
    assert_eq!(recorded.iter().map(|pair| pair.value.clone()).collect::<Vec<_>>(), [Value::F64(0.25)]);
    let series = rig.series("outbound.server.duration");
    let series: Vec<_> = series.iter().map(|one| (one.value, one.sum)).collect();
    assert_eq!(series, [(1.0, 0.25)]);
}

fn strings<const N: usize>(values: [&'static str; N]) -> Value {
    Value::Array(Array::String(values.map(Into::into).into()))
}

#[tokio::test]
async fn opt_in_headers_only_named_recorded_with_all_values() {
    let all = span_with(|observer| {
        let observer = observer.request_header(USER_AGENT).request_header(USER_AGENT);
        observer.response_header(VARY).response_header(RETRY_AFTER).response_header(USER_AGENT)
    })
    .await;
    let headers: Vec<_> = all.into_iter().filter(|(key, _)| key.contains(".header.")).collect();
    assert_eq!(
        headers,
        [
            ("http.request.header.user-agent".to_owned(), strings(["shop/1.0"])),
            ("http.response.header.vary".to_owned(), strings(["a", "b"])),
            ("http.response.header.retry-after".to_owned(), strings(["7"])),
        ]
    );
}

#[tokio::test]
async fn opt_in_headers_redact_credentials_and_sensitive_values() {
    let token = HeaderName::from_static("x-token");
    let all =
        span_with(|observer| observer.request_header(AUTHORIZATION).request_header(token.clone())).await;
    for key in ["http.request.header.authorization", "http.request.header.x-token"] {
        assert!(all.contains(&(key.to_owned(), strings(["REDACTED"]))), "{key} in {all:?}");
    }
}

#[tokio::test]
async fn opt_in_attributes_present_only_when_enabled() {
    let with: [(SpanAttribute, &str, Value); 4] = [
        (SpanAttribute::RequestBodySize, "http.request.body.size", 0.into()),
        (SpanAttribute::ResponseBodySize, "http.response.body.size", 5.into()),
        (SpanAttribute::UrlScheme, "url.scheme", "http".into()),
        (SpanAttribute::UserAgent, "user_agent.original", "shop/1.0".into()),
    ];
    let plain = span_with(|observer| observer).await;
    for (attribute, key, value) in with {
        assert!(plain.iter().all(|(plain, _)| plain != key), "{key} unasked");
        let asked = span_with(|observer| observer.span_attribute(attribute).span_attribute(attribute)).await;
        assert!(asked.contains(&(key.to_owned(), value)), "{asked:?}");
        assert_eq!(asked.len(), plain.len() + 1, "{key} alone");
    }
}
