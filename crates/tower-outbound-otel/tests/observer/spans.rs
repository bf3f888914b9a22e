//! Attempt spans and their phases.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{Event, SpanKind, Status};
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower::{Layer, Service, ServiceExt};
use tower_outbound::{Call, Outbound, UrlTemplate};
use tower_outbound_otel::Phases;

use crate::support::*;

#[tokio::test]
async fn attempt_span_ok_has_exactly_documented_attributes() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let uri = server.uri("/a?b=c");
    let client = client(&rig.outbound());
    assert_eq!(attempt(&client, get(uri.clone())).await, Some(200));

    let span = rig.span("GET");
    assert_eq!((span.span_kind.clone(), span.status.clone()), (SpanKind::Client, Status::Unset));
    assert!(is_root(&span) && span.links.is_empty() && span.events.is_empty());
    let id = attributes(&span)["outbound.connection.id"].clone();
    let port = uri.port().unwrap().to_string();
    assert_eq!(
        attributes(&span),
        expected([
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("network.peer.address", "127.0.0.1"),
            ("network.peer.port", &port),
            ("network.protocol.version", "1.1"),
            ("outbound.connection.id", &id),
            ("outbound.connection.reuse", "new"),
            ("outbound.connection.setup_paid", "true"),
            ("outbound.connection.uses", "1"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port),
            ("url.full", &format!("http://127.0.0.1:{port}/a?b=c")),
        ])
    );
    assert_eq!(span.instrumentation_scope.name(), "tower-outbound-otel");
    assert_eq!(span.instrumentation_scope.version(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(span.instrumentation_scope.schema_url(), Some(SCHEMA));
}

/// Another observer delays the start event, as a busy machine does.
#[tokio::test]
async fn span_times_exclude_delay_of_start_event() {
    let rig = Rig::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&seen);
    let delay = move |event: &tower_outbound::Event<'_>| {
        if matches!(
            event,
            tower_outbound::Event::AttemptStarted { .. } | tower_outbound::Event::ConnectStarted { .. }
        ) {
            let now = SystemTime::now();
            times.lock().unwrap().push(now);
            while now.elapsed().unwrap() < Duration::from_millis(5) {}
        }
    };
    let outbound = Outbound::builder().observer(delay).observer(rig.observer().build()).build();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    assert_eq!(attempt(&client(&outbound), get(server.uri("/"))).await, Some(200));
    // Without an attempt: the setup has a clock of its own.
    let io = outbound.connector(outbound.http_connector()).call(server.uri("/")).await.unwrap();
    drop(io);
    let starts = |prefix: &str| {
        let spans = rig.spans().into_iter().filter(|span| span.name.starts_with(prefix));
        spans.map(|span| span.start_time).collect::<Vec<_>>()
    };
    let seen = seen.lock().unwrap().clone();
    let (attempts, setups) = (starts("GET"), starts("HTTP connection_setup"));
    assert_eq!((seen.len(), attempts.len(), setups.len()), (3, 1, 2));
    for (start, event) in [attempts[0], setups[0], setups[1]].into_iter().zip(seen) {
        // The two clocks are read one after the other: a machine that is interrupted in between shows the difference.
        let late = start.duration_since(event).unwrap_or_default();
        assert!(late < Duration::from_millis(2), "{late:?} after its event");
    }
}

#[tokio::test]
async fn phase_spans_are_ordered_children_without_overlap() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let uri = server.uri("/");
    let at = format!("127.0.0.1:{}", uri.port().unwrap());
    let client = client(&rig.outbound());
    attempt(&client, get(uri)).await;

    let attempt = rig.span("GET");
    let mut last = attempt.start_time;
    for name in [&format!("HTTP wait_for_connection {at}"), "outbound.send", "outbound.wait", "outbound.body"]
    {
        let phase = rig.span(name);
        assert!(is_child(&phase, &attempt), "{name}");
        assert_eq!((phase.span_kind, phase.attributes.len()), (SpanKind::Internal, 0));
        // A phase without length begins a nanosecond early.
        assert!(last <= phase.start_time + Duration::from_nanos(1), "{name}");
        assert!(phase.start_time < phase.end_time, "{name}");
        last = phase.end_time;
    }
    assert_eq!(last, attempt.end_time);
}

#[tokio::test]
async fn phase_spans_of_large_upload_say_which_bound_they_are() {
    for (size, send, wait) in [(14_600, None, None), (200_000, Some("lower"), Some("upper"))] {
        let rig = Rig::new();
        let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
        let outbound = rig.outbound();
        let connector = outbound.connector(outbound.http_connector());
        let client = outbound.attempt_layer().layer(Client::builder(TokioExecutor::new()).build(connector));
        let body = Full::<Bytes>::from(vec![b'x'; size]);
        let request = http::Request::post(server.uri("/")).body(body).unwrap();
        client.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        let bound = |name| attributes(&rig.span(name)).get("outbound.bound").cloned();
        let expected = (send.map(str::to_owned), wait.map(str::to_owned));
        assert_eq!((bound("outbound.send"), bound("outbound.wait")), expected, "{size} bytes");
    }
}

#[tokio::test]
async fn connection_reuse_has_no_wait_span_and_links_to_setup() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let client = client(&rig.outbound());
    for _ in 0..3 {
        assert_eq!(attempt(&client, get(server.uri("/"))).await, Some(200));
    }
    assert_eq!(server.accepted(), 1);
    assert_eq!(rig.names().iter().filter(|name| name.starts_with("HTTP wait_for_connection")).count(), 1);

    let spans = rig.spans();
    let attempts: Vec<_> = spans.iter().filter(|span| span.name == "GET").collect();
    let setup = spans.iter().find(|span| span.name.starts_with("HTTP connection_setup")).unwrap();
    assert!(is_child(setup, attempts[0]) && attempts[0].links.is_empty());
    assert!(links_to(attempts[1], setup) && links_to(attempts[2], setup));
    let reused = attributes(attempts[2]);
    assert_eq!(reused["outbound.connection.reuse"], "reused");
    assert_eq!(reused["outbound.connection.uses"], "3");
    assert_eq!(reused["outbound.connection.setup_paid"], "false");
}

#[tokio::test(start_paused = true)]
async fn connection_reuse_idle_time_is_time_between_requests() {
    let rig = Rig::new();
    let (_server, duplex) = ScriptedServer::duplex(Script::answering(OK));
    let outbound = rig.outbound();
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(duplex));
    let service = outbound.attempt_layer().layer(client);
    let idle = Duration::from_millis(250);
    for _ in 0..2 {
        assert_eq!(attempt(&service, get("http://a.example/")).await, Some(200));
        tokio::time::sleep(idle).await;
    }
    let spans = rig.spans().into_iter().filter(|span| span.name == "GET");
    let times: Vec<_> = spans.map(|span| attributes(&span).remove("outbound.connection.idle_time")).collect();
    assert_eq!(times, [None, Some("0.25".to_owned())], "idle time in seconds; none for a new connection");
}

#[tokio::test]
async fn error_status_sets_error_type_and_span_status() {
    for (code, is_error) in [(302, false), (404, true), (500, true)] {
        let rig = Rig::new();
        let service = answering(&rig.outbound(), code);
        attempt(&service, get("http://a.example/x")).await;
        let span = rig.span("GET");
        let error = attributes(&span).remove("error.type");
        assert_eq!(error, is_error.then(|| code.to_string()));
        assert_eq!(span.status, if is_error { Status::error("") } else { Status::Unset });
        assert_eq!(attributes(&span)["http.response.status_code"], code.to_string());
        assert_eq!(attributes(&span)["outbound.connection.reuse"], "unknown");
    }
}

#[tokio::test]
async fn attempt_span_refused_has_error_type_and_phase() {
    let rig = Rig::new();
    let port = closed_port().unwrap().port();
    let client = client(&rig.outbound());
    let uri = format!("http://127.0.0.1:{port}/");
    assert_eq!(attempt(&client, get(uri.as_str())).await, None);

    let span = rig.span("GET");
    assert_eq!(span.status, Status::error("connection_refused in phase tcp"));
    assert_eq!(
        attributes(&span),
        expected([
            ("error.type", "connection_refused"),
            ("http.request.method", "GET"),
            ("outbound.connection.reuse", "unknown"),
            ("outbound.phase", "tcp"),
            ("outbound.send_state", "not_sent"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port.to_string()),
            ("url.full", &uri),
        ])
    );
    let wait = rig.span(&format!("HTTP wait_for_connection 127.0.0.1:{port}"));
    assert!(is_child(&wait, &span));
    assert_eq!(attributes(&wait), expected([("error.type", "connection_refused")]));
}

#[tokio::test]
async fn attempt_span_cancelled_has_phase_without_error() {
    let rig = Rig::new();
    let asked = Gate::new();
    let server = ScriptedServer::tcp(Script::new().read_request().open(&asked).hang()).await.unwrap();
    let client = client(&rig.outbound());
    {
        let pending = client.clone().oneshot(get(server.uri("/")));
        tokio::select! {
            _ = pending => panic!("a response of a silent peer"),
            () = asked.wait() => {}
        }
    }
    let span = rig.span("GET");
    assert_eq!(span.status, Status::Unset);
    let attributes = attributes(&span);
    assert_eq!(attributes["outbound.cancelled_in"], "wait");
    assert_eq!((attributes.get("error.type"), attributes.get("http.response.status_code")), (None, None));
    assert_eq!(rig.span("outbound.wait").end_time, span.end_time);
}

#[tokio::test]
async fn attempt_span_ends_in_phase_body_when_body_dropped() {
    let rig = Rig::new();
    let service = answering(&rig.outbound(), 200);
    let response = service.oneshot(get("http://a.example/")).await.unwrap();
    assert_eq!(rig.names(), Vec::<String>::new(), "the span ended before the body");
    drop(response);
    assert_eq!(attributes(&rig.span("GET"))["outbound.cancelled_in"], "body");
}

#[tokio::test]
async fn error_status_with_dropped_body_is_still_error() {
    for at_head in [false, true] {
        let rig = Rig::new();
        let observer = if at_head { rig.observer().end_at_head() } else { rig.observer() };
        let outbound = Outbound::builder().observer(observer.build()).build();
        drop(answering(&outbound, 503).oneshot(get("http://a.example/")).await.unwrap());

        let span = rig.span("GET");
        assert_eq!((attributes(&span)["error.type"].as_str(), span.status), ("503", Status::error("")));
        for metric in ["http.client.request.duration", "outbound.requests"] {
            assert_eq!(rig.values(metric).len(), 1, "{metric}");
        }
        assert_eq!(rig.values("http.client.request.duration")[0].0["error.type"], "503");
        assert_eq!(rig.values("outbound.requests")[0].0["outbound.outcome"], "error");
    }
}

#[tokio::test]
async fn span_name_uses_url_template_and_http_for_unknown_method() {
    let rig = Rig::new();
    let service = answering(&rig.outbound(), 200);
    let mut request = get("http://a.example/users/7");
    request.extensions_mut().insert(UrlTemplate::from_static("/users/{id}"));
    attempt(&service, request).await;
    assert_eq!(attributes(&rig.span("GET /users/{id}"))["url.template"], "/users/{id}");

    let mut request = get("http://a.example/");
    *request.method_mut() = http::Method::from_bytes(b"FETCH").unwrap();
    attempt(&service, request.clone()).await;
    request.extensions_mut().insert(UrlTemplate::from_static("/users/{id}"));
    attempt(&service, request).await;
    assert_eq!(attributes(&rig.span("HTTP /users/{id}"))["http.request.method"], "_OTHER");
    let unknown = attributes(&rig.span("HTTP"));
    assert_eq!(unknown["http.request.method"], "_OTHER");
    assert_eq!(unknown["http.request.method_original"], "FETCH");
}

#[tokio::test]
async fn duration_metric_equals_span_duration() {
    for at_head in [false, true] {
        let rig = Rig::new();
        let observer = if at_head { rig.observer().end_at_head() } else { rig.observer() };
        let outbound = Outbound::builder().observer(observer.build()).build();
        let response = answering(&outbound, 200).oneshot(get("http://a.example/")).await.unwrap();
        assert_eq!(rig.names().len(), usize::from(at_head), "a span that ends at the head");
        let _ = response.into_body().collect().await.unwrap();

        let span = rig.span("GET");
        let took = span.end_time.duration_since(span.start_time).unwrap();
        let series = rig.series("http.client.request.duration");
        assert_eq!(series.len(), 1);
        assert_eq!((series[0].value, series[0].sum), (1.0, took.as_secs_f64()));
        assert_eq!(rig.values("http.client.active_requests")[0].1, 0.0);
    }
}

/// An attempt: 3 ms for the connect, 5 ms for the first byte, and `head` for the rest of the head.
async fn send_with_slow_head(rig: &Rig, phases: Phases, head: Duration) {
    let (first, rest) = OK.split_at(9);
    let script = Script::new().read_request().sleep(Duration::from_millis(5)).write(first);
    let (_server, duplex) = ScriptedServer::duplex(script.sleep(head).write(rest).repeat());
    let outbound = Outbound::builder().observer(rig.observer().phases(phases).build()).build();
    let client = Client::builder(TokioExecutor::new())
        .build(outbound.connector(duplex.delay(Duration::from_millis(3))));
    let service = outbound.attempt_layer().layer(client);
    assert_eq!(attempt(&service, get("http://a.example/")).await, Some(200));
}

#[tokio::test(start_paused = true)]
async fn phases_as_events_or_off_make_no_spans() {
    for phases in [Phases::Events, Phases::Off] {
        let rig = Rig::new();
        send_with_slow_head(&rig, phases, Duration::from_millis(2)).await;
        assert_eq!(rig.names(), ["GET", "HTTP connection_setup a.example:80"]);
        let events = rig.span("GET").events.events;
        let seconds = |event: &Event| event.attributes[0].value.to_string();
        let recorded: Vec<_> = events.iter().map(|event| (&*event.name, seconds(event))).collect();
        let expected = [
            ("HTTP wait_for_connection a.example:80", "0.003"),
            ("outbound.send", "0"),
            ("outbound.wait", "0.005"),
            ("outbound.head", "0.002"),
            ("outbound.body", "0"),
        ];
        let expected = expected.map(|(name, seconds)| (name, seconds.to_owned()));
        assert_eq!(recorded, if phases == Phases::Events { &expected[..] } else { &[] });
        assert!(events.iter().all(|event| event.attributes[0].key.as_str() == "outbound.phase.duration"));
    }
}

#[tokio::test(start_paused = true)]
async fn phase_span_without_length_lasts_a_nanosecond() {
    let rig = Rig::new();
    send_with_slow_head(&rig, Phases::Spans, Duration::from_millis(2)).await;
    for name in ["outbound.send", "outbound.body"] {
        let span = rig.span(name);
        assert_eq!(span.end_time.duration_since(span.start_time).unwrap().as_nanos(), 1, "{name}");
    }
    assert_eq!(rig.span("outbound.body").end_time, rig.span("GET").end_time);
}

#[tokio::test(start_paused = true)]
async fn phase_head_is_span_only_above_1_ms() {
    for (millis, spans) in [(1, 0), (2, 1)] {
        let rig = Rig::new();
        let head = Duration::from_millis(millis);
        send_with_slow_head(&rig, Phases::Spans, head).await;
        let heads: Vec<_> = rig.spans().into_iter().filter(|span| span.name == "outbound.head").collect();
        assert_eq!(heads.len(), spans, "{head:?}");
        assert!(heads.iter().all(|span| span.end_time.duration_since(span.start_time).unwrap() == head));
    }
}

#[tokio::test]
async fn retry_span_has_ordinal_and_first_attempt_has_none() {
    let rig = Rig::new();
    let service = answering(&rig.outbound(), 200);
    let mut request = get("http://a.example/");
    request.extensions_mut().insert(Call::new());
    for _ in 0..3 {
        attempt(&service, request.clone()).await;
    }
    let spans = rig.spans();
    let counts = spans.iter().filter(|span| span.name == "GET");
    let counts: Vec<_> = counts.map(|span| attributes(span).remove("http.request.resend_count")).collect();
    assert_eq!(counts, [None, Some("1".into()), Some("2".into())]);
}

#[tokio::test(start_paused = true)]
async fn wait_for_connection_untracked_is_span_only_above_1_ms() {
    let rig = Rig::new();
    let (_server, duplex) = ScriptedServer::duplex(Script::answering(OK));
    let connect = Duration::from_millis(2);
    let client = Client::builder(TokioExecutor::new()).build(duplex.delay(connect));
    let service = rig.outbound().attempt_layer().layer(client);
    for _ in 0..3 {
        assert_eq!(attempt(&service, get("http://a.example/")).await, Some(200));
    }
    // Untracked: the wait of the first attempt is above 1 ms; the second and third did not wait.
    let wait = rig.span("HTTP wait_for_connection a.example:80");
    assert_eq!(wait.end_time.duration_since(wait.start_time).unwrap(), connect);
}

#[tokio::test]
async fn panic_in_call_ends_attempt_span() {
    let rig = Rig::new();
    let panics =
        tower::service_fn(async |_: http::Request<_>| -> Result<http::Response<Answer>, std::io::Error> {
            panic!("a bug in the client")
        });
    let mut service = rig.outbound().attempt_layer().layer(panics);
    let task =
        tokio::spawn(
            async move { service.ready().await.unwrap().call(get("http://a.example/")).await.is_ok() },
        );
    assert!(task.await.is_err());
    assert_eq!(attributes(&rig.span("GET"))["error.type"], "_OTHER");
    assert_eq!(rig.values("http.client.active_requests")[0].1, 0.0);
}
