//! The page for Prometheus.

use outbound_tests::server::{Script, ScriptedServer};

use super::support::{ACCEPTED, Mail, file};

#[tokio::test]
async fn page_has_the_names_of_the_predecessor() {
    let peer = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let mail = Mail::new(&file(&peer.uri("/webhook"), &peer.uri("/storage")));
    for id in ["1", "2"] {
        mail.send(id, "a large message").await;
    }
    let host = "{host=\"127.0.0.1\",scheme=\"http\"}";
    let expected = [
        ("milter_outbound_new_connections_total", host, 1.0),
        ("milter_outbound_requests_total", host, 4.0),
        ("milter_outbound_connect_seconds_count", host, 1.0),
        ("milter_outbound_ttfb_seconds_count", host, 4.0),
        ("milter_outbound_body_read_seconds_count", host, 4.0),
        ("milter_webhook_duration_seconds_count", "", 2.0),
        ("milter_storage_upload_duration_seconds_count", "", 2.0),
        ("milter_webhook_calls_total", "{verdict=\"accept\"}", 2.0),
        ("milter_storage_upload_calls_total", "{outcome=\"ok\"}", 2.0),
        ("milter_errors_total", "{error_type=\"timeout\"}", 0.0),
        ("milter_errors_total", "{error_type=\"connection_refused\"}", 0.0),
        ("milter_errors_total", "{error_type=\"connection_reset\"}", 0.0),
        ("milter_errors_total", "{error_type=\"network_error\"}", 0.0),
    ];
    for (name, labels, value) in expected {
        assert_eq!(
            mail.sample(&format!("{name}{labels}")),
            value,
            "{name}{labels}\n{}",
            mail.page.text().unwrap()
        );
    }
    let text = mail.page.text().unwrap();
    let buckets =
        format!("milter_outbound_ttfb_seconds_bucket{{{},le=\"+Inf\"}} 4", &host[1..host.len() - 1]);
    assert!(text.contains(&buckets), "{text}");
    assert!(text.contains("# TYPE milter_outbound_ttfb_seconds histogram"), "{text}");
}
