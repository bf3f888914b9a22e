//! The spans exporter.

use opentelemetry_sdk::error::OTelSdkError;

use super::*;

const ID: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

const WHOLE: &str = "\
trace 4bf92f3577b34da6a3ce929d0e0e4736  34.00 ms
  GET /users/{id} (shop)                  │██████████████████████████████████│  34.00 ms  200 #7 new
    HTTP connection_setup example.com:443 │ ██████████                       │  10.00 ms
      DNS lookup example.com              │ ██                               │   2.00 ms
      socket connect 192.0.2.1:443        │   ██                             │   2.00 ms
      TLS client handshake example.com    │     ██████                       │   6.00 ms
    outbound.send                         │           █                      │   1.00 ms
    outbound.wait                         │            ██████████████████    │  18.00 ms
    outbound.body                         │                              ████│   4.00 ms
                                           0                         34.00 ms

";

/// Spans in the order in which they end.
fn whole() -> Vec<SpanData> {
    let attempt = span(ID, 1, 0, "GET /users/{id}", 0, 34).with([
        KeyValue::new("http.response.status_code", 200),
        KeyValue::new("outbound.connection.id", 7),
        KeyValue::new("outbound.connection.reuse", "new"),
    ]);
    vec![
        span(ID, 3, 2, "DNS lookup example.com", 1, 3),
        span(ID, 4, 2, "socket connect 192.0.2.1:443", 3, 5),
        span(ID, 5, 2, "TLS client handshake example.com", 5, 11),
        span(ID, 2, 1, "HTTP connection_setup example.com:443", 1, 11),
        span(ID, 6, 1, "outbound.send", 11, 12),
        span(ID, 7, 1, "outbound.wait", 12, 30),
        span(ID, 8, 1, "outbound.body", 30, 34),
        attempt,
    ]
}

#[tokio::test]
async fn console_trace_is_single_waterfall_in_single_write() {
    let (exporter, printed) = exporter();
    of(&exporter, "shop").export(whole()).await.unwrap();
    assert_eq!(printed.writes(), [WHOLE]);
}

#[tokio::test]
async fn console_trace_batch_order_does_not_change_waterfall() {
    let (exporter, printed) = exporter();
    of(&exporter, "shop").export(whole().into_iter().rev().collect()).await.unwrap();
    assert_eq!(printed.take(), WHOLE);
}

#[tokio::test]
async fn console_spans_exported_singly_wait_for_local_root() {
    let (exporter, printed) = exporter();
    let exporter = of(&exporter, "shop");
    for span in whole() {
        assert_eq!(printed.take(), "");
        exporter.export(vec![span]).await.unwrap();
    }
    assert_eq!(printed.take(), WHOLE);
}

#[tokio::test]
async fn console_failed_span_prints_mark_status_and_error_type() {
    let (exporter, printed) = exporter();
    let refused = [
        span(1, 2, 1, "HTTP wait_for_connection example.com:80", 0, 22).failed("connection_refused"),
        span(1, 1, 0, "GET", 0, 22).failed("connection_refused"),
    ];
    exporter.export(refused.into()).await.unwrap();
    assert_eq!(
        printed.take(),
        "\
trace 00000000000000000000000000000001  22.00 ms
  GET                                       │██████████████████████│  22.00 ms  ✗ connection_refused
    HTTP wait_for_connection example.com:80 │██████████████████████│  22.00 ms  ✗ connection_refused
                                             0             22.00 ms

"
    );
    let status = |status| KeyValue::new("http.response.status_code", status);
    for (span, note) in [
        // `error.type` is not repeated if it equals the status.
        (lone(2, 0).failed("503").with([status(503)]), "✗ 503"),
        (lone(3, 0).failed("body_timeout").with([status(200)]), "✗ 200 body_timeout"),
        (lone(4, 0).with([status(304)]), "304"),
        // The reuse is left out without a connection.
        (lone(5, 0).with([KeyValue::new("outbound.connection.reuse", "unknown")]), ""),
    ] {
        exporter.export(vec![span]).await.unwrap();
        let line = printed.take().lines().nth(1).unwrap().to_owned();
        assert!(line.ends_with(format!("1.00 ms  {note}").trim_end()), "{line} ends with {note}");
    }
}

#[tokio::test]
async fn console_two_services_print_own_parts_of_trace() {
    let (exporter, printed) = exporter();
    let (shop, stock) = (of(&exporter, "shop"), of(&exporter, "stock"));
    shop.export(vec![span(1, 3, 2, "outbound.send", 1, 2)]).await.unwrap();
    stock.export(vec![span(1, 9, 2, "GET /stock", 3, 7).remote()]).await.unwrap();
    // The other service's span waits for its own root.
    assert_eq!(
        printed.take(),
        format!(
            "trace 00000000000000000000000000000001  4.00 ms\n  GET /stock (stock) │{}│   4.00 ms\n{}\n",
            full(67),
            axis(21, 67, "4.00 ms")
        )
    );
    let root = span(1, 1, 77, "GET /cart", 0, 17).remote();
    shop.export(vec![span(1, 2, 1, "GET", 1, 16), root]).await.unwrap();
    assert_eq!(
        printed.take(),
        "\
trace 00000000000000000000000000000001  17.00 ms, continued from -3.00 ms
  GET /cart (shop)  │████████████████████████████████████████████████████████████████████│  17.00 ms
    GET             │    ████████████████████████████████████████████████████████████    │  15.00 ms
      outbound.send │    ████                                                            │   1.00 ms
                     0                                                           17.00 ms

"
    );
}

#[tokio::test]
async fn console_late_child_span_continues_printed_trace() {
    let (exporter, printed) = exporter();
    exporter.export(vec![span(1, 1, 0, "GET /", 0, 10)]).await.unwrap();
    assert_eq!(
        printed.take(),
        format!(
            "trace 00000000000000000000000000000001  10.00 ms\n  GET / │{}│  10.00 ms\n{}\n",
            full(80),
            axis(8, 80, "10.00 ms")
        )
    );
    // Its parent has not ended yet.
    exporter.export(vec![span(1, 3, 2, "outbound.wait", 4, 12)]).await.unwrap();
    assert_eq!(printed.take(), "");
    exporter.export(vec![span(1, 2, 1, "GET", 4, 12)]).await.unwrap();
    assert_eq!(
        printed.take(),
        format!(
            "trace 00000000000000000000000000000001  8.00 ms, continued from +4.00 ms\n  \
             GET             │{bar}│   8.00 ms\n    outbound.wait │{bar}│   8.00 ms\n{}\n",
            axis(18, 70, "8.00 ms"),
            bar = full(70)
        )
    );
}

#[tokio::test]
async fn console_shutdown_prints_waiting_spans_and_refuses_more() {
    let (exporter, printed) = exporter();
    exporter.export(vec![lone(1, 77), lone(2, 77)]).await.unwrap();
    assert_eq!(printed.take(), "");
    exporter.shutdown().unwrap();
    let part = |trace: u128| {
        format!(
            "trace {trace:032x}  1.00 ms, its local root has not ended\n  x │{}│   1.00 ms\n{}\n",
            full(84),
            axis(4, 84, "1.00 ms")
        )
    };
    assert_eq!(printed.writes(), [part(1), part(2)]);
    printed.take();

    assert!(matches!(exporter.export(vec![lone(3, 0)]).await, Err(OTelSdkError::AlreadyShutdown)));
    assert!(matches!(exporter.shutdown(), Err(OTelSdkError::AlreadyShutdown)));
    assert_eq!(printed.take(), "");
    // A clone is shut down separately.
    let (other, printed) = super::exporter();
    other.clone().shutdown().unwrap();
    other.export(vec![lone(3, 0)]).await.unwrap();
    assert!(printed.take().starts_with("trace 00000000000000000000000000000003  1.00 ms\n"));
}

#[tokio::test]
async fn console_flush_prints_waiting_spans_and_later_continue() {
    let (exporter, printed) = exporter();
    exporter.export(vec![span(1, 2, 1, "GET", 1, 2)]).await.unwrap();
    exporter.force_flush().unwrap();
    let title = "trace 00000000000000000000000000000001";
    assert!(printed.take().starts_with(&format!("{title}  1.00 ms, its local root has not ended\n  GET ")));
    exporter.force_flush().unwrap();
    assert_eq!(printed.take(), "");
    exporter.export(vec![span(1, 1, 0, "GET /", 0, 3)]).await.unwrap();
    let rest = printed.take();
    assert!(rest.starts_with(&format!("{title}  3.00 ms, continued from -1.00 ms\n  GET / ")), "{rest}");
    assert_eq!(rest.lines().count(), 4, "title, one span, axis, an empty line: {rest}");
}

#[tokio::test]
async fn console_span_secrets_never_printed() {
    let (exporter, printed) = exporter();
    let mut secret = lone(1, 0).failed("_OTHER").with([
        KeyValue::new("url.full", "https://hidden@example.com/hidden?key=hidden"),
        KeyValue::new("server.address", "hidden"),
        KeyValue::new("http.request.header.authorization", "hidden"),
        KeyValue::new("enduser.id", "hidden"),
    ]);
    secret.status = Status::error("hidden");
    secret.events.events.push(opentelemetry::trace::Event::with_name("hidden"));
    exporter.export(vec![secret]).await.unwrap();
    let text = printed.take();
    assert!(text.contains("✗ _OTHER") && !text.contains("hidden"), "{text}");
    assert!(!format!("{exporter:?}").contains("hidden"));
}

#[tokio::test]
async fn console_span_name_clipped_and_escapes_replaced() {
    let (exporter, printed) = exporter();
    let mut long = lone(1, 0).failed("a\nb");
    long.name = format!("\u{1b}[2J\n{}", "n".repeat(1_000_000)).into();
    exporter.export(vec![long]).await.unwrap();
    let text = printed.take();
    assert_eq!(text.lines().count(), 4, "title, one span, axis, an empty line: {text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.contains("\u{fffd}[2J\u{fffd}nnn") && text.contains("✗ a\u{fffd}b"), "{text}");
}

/// A writer that fails.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn console_failed_write_is_export_error() {
    let exporter = ConsoleSpanExporter::new().with_writer(Gone);
    let error = exporter.export(vec![lone(1, 0)]).await.unwrap_err();
    assert_eq!(error.to_string(), "Operation failed: writing to the console: broken pipe");
}
