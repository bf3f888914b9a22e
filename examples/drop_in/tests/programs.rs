//! Runs the programs.

use std::future::ready;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use outbound_tests::otlp::{Receiver, SpanKind};
use outbound_tests::program::{OK, assert_refused, assert_reuse_http1, run};
use outbound_tests::server::{H2Server, Script, ScriptedServer, closed_port};
use tower_outbound::Outbound;

const REVERSE_PROXY: &str = env!("CARGO_BIN_EXE_reverse_proxy");
const EXISTING_STACK: &str = env!("CARGO_BIN_EXE_existing_stack");
const KUBE: &str = env!("CARGO_BIN_EXE_kube");
const BALANCED: &str = env!("CARGO_BIN_EXE_balanced");
const OPENAI: &str = env!("CARGO_BIN_EXE_openai");

/// Ends the proxy if its test fails.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Proxy {
    /// Starts the proxy and waits until it listens.
    fn start(upstream: &str, collector: &str) -> (Proxy, String) {
        let mut command = Command::new(REVERSE_PROXY);
        command.arg(upstream).env("OTEL_EXPORTER_OTLP_ENDPOINT", collector).stdout(Stdio::piped());
        let mut proxy = Proxy(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(proxy.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
        (proxy, address.trim_end().to_owned())
    }

    /// Sends SIGTERM, and waits until the proxy has exported the rest.
    fn terminate(mut self) -> Option<i32> {
        let kill = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        assert!(kill.success());
        self.0.wait().unwrap().code()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reverse_proxy_continues_the_trace_of_its_caller() {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let collector = Receiver::start().await.unwrap();
    let upstream = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (proxy, address) = Proxy::start(&upstream.uri("/").to_string(), &collector.http_endpoint());
    let request = Request::post(format!("{address}/stock?of=tea"))
        .header("traceparent", format!("00-{trace}-b7ad6b7169203331-01"))
        .header("tracestate", "vendor=opaque")
        .header("te", "gzip")
        .body("two".to_owned())
        .unwrap();
    let response = Outbound::new().client().request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().text().await.unwrap(), "ok");
    assert_eq!(proxy.terminate(), Some(0));

    let spans = collector.spans();
    let attempt = spans.iter().find(|span| span.kind() == SpanKind::Client).unwrap();
    assert_eq!((attempt.trace_id(), attempt.parent_span_id()), (trace.into(), "b7ad6b7169203331".into()));
    assert!(spans.iter().all(|span| span.trace_id() == trace), "{spans:?}");
    let head = upstream.log()[0].heads[0].to_lowercase();
    let lines: Vec<_> = head.lines().collect();
    assert_eq!(lines[0], "post /stock?of=tea http/1.1");
    assert!(lines.contains(&&*format!("host: {}", upstream.address().unwrap())), "{head}");
    assert!(lines.contains(&&*format!("traceparent: 00-{trace}-{}-01", attempt.span_id())), "{head}");
    assert!(lines.contains(&"tracestate: vendor=opaque"), "{head}");
    assert!(!head.contains("\r\nte:"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reverse_proxy_refused_upstream_is_bad_gateway() {
    let collector = Receiver::start().await.unwrap();
    let upstream = format!("http://{}", closed_port().unwrap());
    let (proxy, address) = Proxy::start(&upstream, &collector.http_endpoint());
    let response = Outbound::new().client().get(format!("{address}/stock")).await.unwrap();
    assert_eq!(response.status(), 502);
    assert_eq!(proxy.terminate(), Some(0));
}

#[tokio::test]
async fn existing_stack_second_request_reuses_connection() {
    assert_reuse_http1(EXISTING_STACK).await;
}

#[tokio::test]
async fn existing_stack_retries_do_not_multiply() {
    let output = run(EXISTING_STACK, &format!("http://{}/", closed_port().unwrap()).parse().unwrap()).await;
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{log}");
    // The first try and the two of the policy, seen by the trace layer below it; ours has retried none of them.
    assert_eq!(log.matches("response failed").count(), 3, "{log}");
    assert!(!log.contains("failed after retries"), "{log}");
}

#[tokio::test]
async fn openai_second_request_reuses_connection() {
    let body = r#"{"id":"1","object":"chat.completion","created":0,"model":"any","choices":[
        {"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}]}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let server = ScriptedServer::tcp(Script::answering(answer)).await.unwrap();
    let output = run(OPENAI, &server.uri("/v1")).await;
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &*String::from_utf8(output.stderr).unwrap()),
        (Some(0), ""),
        "{stdout}"
    );
    let lines: Vec<_> = stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{stdout}");
    assert!(lines[0].ends_with("connection 1 new") && lines[2].ends_with("connection 1 reused"), "{stdout}");
    assert_eq!((lines[1], lines[3]), ("1 choice", "1 choice"));
    let heads: Vec<_> = server.log().iter().flat_map(|connection| connection.heads.clone()).collect();
    assert_eq!(heads.len(), 2);
    for head in heads {
        assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("\r\nuser-agent: drop-in\r\n"), "{head}");
    }
}

#[tokio::test]
async fn openai_refused_connection_prints_kind() {
    assert_refused(OPENAI).await;
}

/// A response of an API server.
fn json(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn kube_lists_and_watches_over_one_connection() {
    let map = |name: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","resourceVersion":"7"}}}}"#
        )
    };
    let list = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMapList","metadata":{{"resourceVersion":"6"}},"items":[{}]}}"#,
        map("prices")
    );
    let event = format!(r#"{{"type":"ADDED","object":{}}}"#, map("stock")) + "\n";
    let script = Script::new().read_request().write(json(&list)).read_request().write(json(&event)).hang();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let output = run(KUBE, &server.uri("/")).await;
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), &*stdout), (Some(0), "listed prices\nwatched stock\n"), "{stderr}");
    // kube has made the connector: the log says that its connections are not tracked.
    assert_eq!((stderr.matches("WARN").count(), stderr.contains("not tracked")), (1, true), "{stderr}");
    let log = server.log();
    assert_eq!(log.len(), 1, "one connection");
    assert!(log[0].heads[0].starts_with("GET /api/v1/namespaces/shop/configmaps? HTTP/1.1\r\n"), "{log:?}");
    assert!(
        log[0].heads[1].contains("watch=true") && log[0].heads[1].contains("resourceVersion=6"),
        "{log:?}"
    );
}

#[tokio::test]
async fn balanced_channel_names_the_endpoint_that_served() {
    /// What the server of one endpoint counts.
    type Served = Arc<AtomicUsize>;
    let serving = |served: Served| async move {
        let answer = move |_: Request<Incoming>| {
            served.fetch_add(1, Ordering::Relaxed);
            // The prefix of a message, and `status: SERVING`.
            let message = Full::new(Bytes::from_static(&[0, 0, 0, 0, 2, 8, 1]));
            let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
            let body = message.with_trailers(ready(Some(Ok(HeaderMap::from_iter([status])))));
            ready(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
        };
        H2Server::builder().start(answer).await.unwrap()
    };
    let served = [Served::default(), Served::default()];
    let servers = [serving(served[0].clone()).await, serving(served[1].clone()).await];
    let origins = servers.each_ref().map(|server| format!("http://{}", server.address()));
    let mut command = Command::new(BALANCED);
    command.args(&origins);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(stdout.lines().filter(|line| *line == "SERVING").count(), 20, "{stdout}");
    let named = origins.map(|origin| stdout.lines().filter(|line| line.starts_with(&*origin)).count());
    assert_eq!(named, served.map(|served| served.load(Ordering::Relaxed)), "{stdout}");
    assert_eq!(named[0] + named[1], 20, "{stdout}");
}
