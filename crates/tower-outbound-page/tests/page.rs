//! The page, asked as a browser or `curl` asks it, beside what the peer and the `Outbound` know.

mod support;

use std::time::Duration;

use http::{Method, Request, StatusCode};
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower_outbound::{Outbound, RequestExt as _, UrlTemplate};
use tower_outbound_page::Page;

use self::support::{Rig, get};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn answering() -> Script {
    Script::new().read_request().write(OK).repeat()
}

#[tokio::test]
async fn page_figures_agree_with_peer_and_connections() {
    let server = ScriptedServer::tcp(answering()).await.unwrap();
    let rig = Rig::new(Page::new());
    for _ in 0..10 {
        rig.send(get(server.uri("/"))).await.unwrap();
    }
    let origins = rig.json("origins").await;
    let origin = &origins[0];
    assert_eq!(origin["origin"], server.uri("/").to_string().trim_end_matches('/'));
    for figures in ["minute", "total"] {
        assert_eq!(origin[figures]["requests"], server.requests());
        assert_eq!(origin[figures]["failed"], 0);
        assert_eq!(origin[figures]["reuse_rate"], 0.9);
    }
    assert_eq!((server.requests(), server.accepted()), (10, 1));
    assert_eq!(origin["connections"], serde_json::json!({ "in_use": 0, "idle": 1, "draining": 0 }));
    let waits = origin["phases"].as_array().unwrap().iter().find(|phase| phase["phase"] == "wait");
    assert_eq!(waits.unwrap()["count"], 10);

    let open = rig.outbound.connections();
    let rows = rig.json("connections").await;
    assert_eq!((rows.as_array().unwrap().len(), open.len()), (1, 1));
    assert_eq!(rows[0]["id"], open[0].id());
    assert_eq!(rows[0]["uses"], 10);
    assert_eq!(rows[0]["state"], "idle");
    assert_eq!(rows[0]["peer"], server.address().unwrap().to_string());
    assert_eq!(rows[0]["bytes_in"], 10 * OK.len());
    assert_eq!(rig.json("calls").await, serde_json::json!({ "troubled": [], "slow": [] }));
    let page = rig.page().await;
    assert!(page.contains("90.0 %") && page.contains("1 open connections"), "{page}");
}

#[tokio::test]
async fn page_shows_connection_in_use_and_request_that_waits() {
    let gate = Gate::new();
    let script = Script::new().read_request().wait(&gate).write(OK).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let page = Page::new();
    let outbound = Outbound::builder().observer(page.clone()).max_in_flight_per_origin(1).build();
    let rig = Rig::of(page, outbound);
    let first = tokio::spawn(rig.send(get(server.uri("/"))));
    server.wait_until(|log| log.iter().any(|connection| connection.requests == 1)).await;
    let second = tokio::spawn(rig.send(get(server.uri("/"))));
    let origin = rig.origin_when(|origin| origin["waiting"] == 1).await;
    assert_eq!(origin["in_flight_limit"], 1);
    assert_eq!(origin["connection_limit"], 50, "the default");
    assert_eq!(origin["connections"]["in_use"], 1);
    gate.open();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(rig.json("origins").await[0]["waiting"], 0);
}

#[tokio::test]
async fn page_failed_call_has_each_attempt_and_wait() {
    let address = closed_port().unwrap();
    let page = Page::new();
    let outbound = Outbound::builder()
        .observer(page.clone())
        .retry(|retry| retry.max_retries(1).backoff(Duration::from_millis(1), Duration::from_millis(1)))
        .build();
    let rig = Rig::of(page, outbound);
    rig.send(get(format!("http://{address}/").parse().unwrap())).await.unwrap_err();
    let calls = rig.json("calls").await;
    let call = &calls["troubled"][0];
    assert_eq!(call["outcome"], "connection_refused in tcp, not_sent");
    assert_eq!(call["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(call["attempts"][1]["reason"], "connection_refused");
    assert_eq!(call["waits"].as_array().unwrap().len(), 1);
    let (wait, second) = (&call["waits"][0], &call["attempts"][1]);
    assert!(second["start_ms"].as_f64() >= wait["end_ms"].as_f64(), "{call}");
    assert_eq!(
        rig.json("origins").await[0]["total"]["failures"],
        serde_json::json!({ "connection_refused": 2 })
    );
    let html = rig.page().await;
    assert!(html.contains("after 2 attempts") && html.contains("2 × connection_refused"), "{html}");
}

#[tokio::test]
async fn page_slow_call_has_its_phases_in_order() {
    let server = ScriptedServer::tcp(answering()).await.unwrap();
    let rig = Rig::new(Page::builder().slow(Duration::ZERO).build());
    rig.send(get(server.uri("/"))).await.unwrap();
    let calls = rig.json("calls").await;
    assert_eq!(calls["troubled"].as_array().unwrap().len(), 0);
    let call = &calls["slow"][0];
    let attempt = &call["attempts"][0];
    assert_eq!((&call["outcome"], &attempt["reuse"]), (&"200".into(), &"new".into()));
    let phases = attempt["phases"].as_array().unwrap();
    let mut names = phases.iter().map(|phase| phase["phase"].as_str().unwrap());
    let order = ["tcp", "send", "wait", "head", "body"];
    assert!(order.iter().all(|phase| names.any(|name| name == *phase)), "{phases:?}");
    let time = |of: &serde_json::Value, name: &str| of[name].as_f64().unwrap();
    assert!(
        phases.windows(2).all(|pair| time(&pair[0], "start_ms") <= time(&pair[1], "start_ms")),
        "{phases:?}"
    );
    assert!(phases.iter().all(|phase| time(phase, "end_ms") <= time(call, "total_ms")), "{call}");
}

#[tokio::test]
async fn page_shows_no_url_header_or_markup() {
    let answer = "HTTP/1.1 500 S3CRET\r\nset-cookie: s3cret\r\ncontent-length: 6\r\n\r\ns3cret";
    let server = ScriptedServer::tcp(Script::new().read_request().write(answer)).await.unwrap();
    let rig = Rig::new(Page::new());
    let mut request = get(server.uri("/s3cret?s3cret=s3cret"));
    request.headers_mut().insert("authorization", "s3cret".parse().unwrap());
    let request = request.url_template(UrlTemplate::from_static("/users/<b>{id}"));
    rig.send(request).await.unwrap();
    let mut shown = rig.page().await;
    assert!(shown.contains("/users/&lt;b&gt;{id}"), "{shown}");
    for part in ["origins", "connections", "calls"] {
        shown.push_str(&rig.json(part).await.to_string());
    }
    assert!(shown.contains("500") && !shown.to_lowercase().contains("s3cret"), "{shown}");
    assert!(!shown.contains("<script"), "{shown}");
}

#[tokio::test]
async fn page_keeps_as_many_calls_and_origins_as_it_may() {
    let page = Page::builder().max_calls(2).max_origins(2).build();
    let outbound = Outbound::builder().observer(page.clone()).retry(|retry| retry.max_retries(0)).build();
    let rig = Rig::of(page, outbound);
    let mut ports = Vec::new();
    for _ in 0..4 {
        let address = closed_port().unwrap();
        ports.push(address.port());
        rig.send(get(format!("http://{address}/").parse().unwrap())).await.unwrap_err();
    }
    let origins = rig.json("origins").await;
    assert!(origins.as_array().unwrap().len() <= 3, "two and the others: {origins}");
    let calls = rig.json("calls").await;
    let kept: Vec<_> = calls["troubled"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["attempts"][0]["origin"].clone())
        .collect();
    let expected: Vec<_> =
        ports[2..].iter().rev().map(|port| serde_json::json!(format!("http://127.0.0.1:{port}"))).collect();
    assert_eq!(kept, expected, "the newest one first");
}

#[tokio::test]
async fn page_answers_get_and_head_only() {
    let rig = Rig::new(Page::new());
    let ask = |method: Method, query: &'static str| {
        let uri = format!("http://service.test/debug/outbound{query}");
        rig.ask(Request::builder().method(method).uri(uri).body(()).unwrap())
    };
    for (method, query, status, content_type) in [
        (Method::GET, "", StatusCode::OK, "text/html; charset=utf-8"),
        (Method::HEAD, "?refresh=5", StatusCode::OK, "text/html; charset=utf-8"),
        (Method::GET, "?json=calls", StatusCode::OK, "application/json"),
        (Method::GET, "?json=secrets", StatusCode::NOT_FOUND, "text/plain; charset=utf-8"),
        (Method::POST, "", StatusCode::METHOD_NOT_ALLOWED, "text/plain; charset=utf-8"),
    ] {
        let response = ask(method.clone(), query).await;
        assert_eq!(response.status(), status, "{method} {query}");
        assert_eq!(response.headers()["content-type"], content_type, "{method} {query}");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}
