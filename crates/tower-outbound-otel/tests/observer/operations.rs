//! Operations and their steps.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::time::Duration;

use opentelemetry::trace::{FutureExt as _, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use tower_outbound::operation::{Operation, OperationBuilder, Step};
use tower_outbound::{Deadline, Outbound};
use tower_outbound_otel::Metrics;

use crate::support::*;

const LIMIT: Duration = Duration::from_secs(2);

fn mail(outbound: &Outbound) -> OperationBuilder {
    let mailboxes = ["INBOX", "Archive"];
    outbound.operation("mail").server_address("imap.example").step("login").each("select", mailboxes)
}

async fn done() -> Result<(), Infallible> {
    Ok(())
}

/// `login` is done, the first mailbox takes too long.
async fn timed_out(operation: Operation) {
    let login = async {
        tokio::time::sleep(Duration::from_millis(3)).await;
        Ok::<_, Infallible>(())
    };
    operation.step("login", login).await.unwrap();
    operation.step("select", pending::<Result<(), Infallible>>()).await.unwrap_err();
    operation.step("select", done()).await.unwrap_err();
    drop(operation.finish());
}

#[tokio::test(start_paused = true)]
async fn operation_span_has_steps_as_children_and_callers_as_parent() {
    let rig = Rig::new();
    let caller = Context::current_with_span(rig.traces.tracer("app").start("caller"));
    let run = async { timed_out(mail(&rig.outbound()).start(Deadline::after(LIMIT))).await };
    run.with_context(caller.clone()).await;
    caller.span().end();

    assert_eq!(rig.names(), ["caller", "operation mail", "step login", "step select"]);
    let (operation, login, select) =
        (rig.span("operation mail"), rig.span("step login"), rig.span("step select"));
    assert!(is_child(&operation, &rig.span("caller")));
    assert!(is_child(&login, &operation) && is_child(&select, &operation));
    for span in [&operation, &login, &select] {
        assert_eq!(span.span_kind, SpanKind::Internal);
        assert!(span.end_time > span.start_time);
    }
    let took =
        |span: &opentelemetry_sdk::trace::SpanData| span.end_time.duration_since(span.start_time).unwrap();
    assert_eq!([took(&operation), took(&login)], [LIMIT, Duration::from_millis(3)]);

    let server = ("server.address", "imap.example");
    assert_eq!(attributes(&login), expected([server, ("outbound.outcome", "ok")]));
    let error = [("outbound.outcome", "timed_out"), ("error.type", "deadline_exceeded")];
    assert_eq!(attributes(&operation), expected([server, error[0], error[1]]));
    let target = ("outbound.step.target", "INBOX");
    assert_eq!(attributes(&select), expected([server, target, error[0], error[1]]));
    assert_eq!(login.status, Status::Unset);
    assert_eq!(
        [operation.status, select.status],
        [Status::error("deadline_exceeded"), Status::error("deadline_exceeded")]
    );
}

#[tokio::test(start_paused = true)]
async fn operation_metrics_count_every_declared_step() {
    let rig = Rig::new();
    timed_out(mail(&rig.outbound()).start(Deadline::after(LIMIT))).await;
    let of = |step, target: Option<&str>, outcome, error: Option<&str>| {
        let mut attributes = expected([
            ("outbound.operation", "mail"),
            ("outbound.outcome", outcome),
            ("outbound.step", step),
            ("server.address", "imap.example"),
        ]);
        attributes.extend(target.map(|target| ("outbound.step.target".to_owned(), target.to_owned())));
        attributes.extend(error.map(|error| ("error.type".to_owned(), error.to_owned())));
        (attributes, 1.0)
    };
    let select = of("select", Some("INBOX"), "timed_out", Some("deadline_exceeded"));
    let mut steps = rig.values("outbound.operation.steps");
    let mut all = vec![
        of("login", None, "ok", None),
        select.clone(),
        of("select", Some("Archive"), "not_reached", None),
    ];
    steps.sort_by(|a, b| a.0.cmp(&b.0));
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(steps, all);
    let ran = rig.values("outbound.operation.step.duration");
    assert_eq!(ran.len(), 2);
    assert!(ran.contains(&select));
    let [operation] = &rig.series("outbound.operation.duration")[..] else { panic!("one series") };
    let mail = [("outbound.operation", "mail"), ("outbound.outcome", "timed_out")];
    assert_eq!((&operation.attributes, operation.sum), (&expected(mail), 2.0));
    let units = ["operation.duration", "operation.step.duration", "operation.steps"]
        .map(|name| rig.metrics()[&format!("outbound.{name}")].0.clone());
    assert_eq!(units, ["s", "s", "{step}"]);
}

#[tokio::test(start_paused = true)]
async fn operation_dropped_ends_spans_without_error() {
    let rig = Rig::new();
    let declared = mail(&rig.outbound());
    let run = timed_out(declared.start(Deadline::after(LIMIT)));
    assert!(tokio::time::timeout(Duration::from_secs(1), run).await.is_err());
    for name in ["operation mail", "step select"] {
        let span = rig.span(name);
        assert_eq!(
            (attributes(&span)["outbound.outcome"].as_str(), span.status),
            ("cancelled", Status::Unset)
        );
    }
    assert_eq!(rig.values("outbound.operation.steps").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn operation_step_is_parent_of_calls_inside() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    let service = answering(&outbound, 200);
    let operation = outbound.operation("calls").step("first").step("second").start(Deadline::after(LIMIT));
    let call = async |uri: &str| Ok::<_, Infallible>(attempt(&service, get(uri)).await);
    let (first, second) = tokio::join!(
        operation.step("first", async {
            tokio::task::yield_now().await;
            call("http://a.example/").await
        }),
        operation.step("second", async {
            Context::current().span().set_attribute(KeyValue::new("mine", "yes"));
            call("http://b.example/").await
        }),
    );
    assert_eq!((first.unwrap(), second.unwrap()), (Some(200), Some(200)));
    assert!(!Context::current().span().span_context().is_valid());
    drop(operation.finish());
    let spans = rig.spans();
    for (step, server) in [("step first", "a.example"), ("step second", "b.example")] {
        let attempt =
            spans.iter().find(|span| span.name == "GET" && attributes(span)["server.address"] == server);
        assert!(is_child(attempt.unwrap(), &rig.span(step)), "{step}");
    }
    assert_eq!(attributes(&rig.span("step second"))["mine"], "yes");
}

#[tokio::test(start_paused = true)]
async fn operation_takes_error_of_step_unless_it_is_best_effort() {
    let rig = Rig::new();
    let refused = || async { Err::<(), _>(io::Error::from(io::ErrorKind::ConnectionRefused)) };
    let declared = rig.outbound().operation("mail").step("connect").best_effort("logout");
    let failed = declared.start(Deadline::after(LIMIT));
    failed.step("connect", refused()).await.unwrap_err();
    drop(failed.finish());
    let fine = declared.start(Deadline::after(LIMIT));
    fine.step("connect", done()).await.unwrap();
    fine.step("logout", refused()).await.unwrap_err();
    drop(fine.finish());

    let errors: Vec<_> = rig
        .spans()
        .iter()
        .map(|span| (span.name.to_string(), attributes(span).get("error.type").cloned()))
        .collect();
    let refused = Some("connection_refused".to_owned());
    let named = |name: &str, error: &Option<String>| (name.to_owned(), error.clone());
    let expected = [
        named("step connect", &refused),
        named("operation mail", &refused),
        named("step connect", &None),
        named("step logout", &refused),
        named("operation mail", &None),
    ];
    assert_eq!(errors, expected);
}

#[tokio::test(start_paused = true)]
async fn operation_targets_10000_yield_101_series_and_lose_none() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    for at in 0..10_000 {
        let step = Step::new("select").target(format!("box {at}")).server_address(format!("{at}.example"));
        let operation = outbound.operation("mail").step(step).start(Deadline::after(LIMIT));
        operation.step("select", done()).await.unwrap();
        drop(operation.finish());
    }
    let series = rig.series("outbound.operation.steps");
    assert_eq!(series.len(), 101);
    assert_eq!(series.iter().map(|series| series.value).sum::<f64>(), 10_000.0);
    let other = series.iter().find(|series| series.attributes["outbound.step.target"] == "_OTHER").unwrap();
    assert_eq!(other.attributes["server.address"], "_OTHER");
    assert_eq!(rig.series("outbound.operation.step.duration").len(), 101);
}

#[tokio::test(start_paused = true)]
async fn operation_suppressed_or_without_metrics_records_nothing() {
    let rig = Rig::new();
    let suppressed = {
        let _suppressed = Context::enter_telemetry_suppressed_scope();
        mail(&rig.outbound()).start(Deadline::after(LIMIT))
    };
    timed_out(suppressed).await;
    assert!(rig.spans().is_empty() && rig.metrics().is_empty());

    let observer = rig.observer().metrics(Metrics::Off).build();
    timed_out(mail(&Outbound::builder().observer(observer).build()).start(Deadline::after(LIMIT))).await;
    assert_eq!((rig.names().len(), rig.metrics().len()), (3, 0));
}

#[tokio::test]
async fn operation_step_is_parent_of_connect_without_attempt() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri: http::Uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let connector = outbound.connector(outbound.http_connector());
    let operation = outbound.operation("mail").step("connect").start(Deadline::after(LIMIT));
    let connect = tower::ServiceExt::oneshot(connector, uri);
    let io = operation.step("connect", connect).await.unwrap();
    drop(operation.finish());
    drop(io);
    closed(&outbound).await;
    let setup = rig.spans().into_iter().find(|span| span.name.starts_with("HTTP connection_setup")).unwrap();
    assert!(is_child(&setup, &rig.span("step connect")));
}
