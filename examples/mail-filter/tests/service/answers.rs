//! What the webhook may answer: the status decides, and the log says what is wrong with the rest.

use mail_filter::Verdict;
use outbound_tests::server::{Script, ScriptedServer};

use super::support::{Mail, webhook_at};

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn answer_that_is_unreadable_status_decides_and_log_says_so() {
    let bodies: [(&[u8], &str); 4] = [
        (b"\xff\xfe\xfd", "not UTF-8"),
        (br#"{"reason": "sp"#, "JSON that is cut off"),
        (b"<html><body>502 Bad Gateway</body></html>", "a page of HTML"),
        (b"maybe", "not the JSON of an answer"),
    ];
    let statuses = [
        ("200 OK", Verdict::Accept),
        ("403 Forbidden", Verdict::Reject),
        ("502 Bad Gateway", Verdict::TryLater),
    ];
    for (body, flaw) in bodies {
        for (status, verdict) in statuses {
            let webhook = ScriptedServer::tcp(Script::answering(answer(status, body))).await.unwrap();
            let mail = Mail::new(&webhook_at(&webhook));
            let decision = mail.send("one", "hello").await;
            assert_eq!((decision.verdict, decision.error_type), (verdict, None), "{flaw}");
            let lines = mail.lines.with(&format!("the webhook's answer is {flaw}"));
            assert_eq!(lines.len(), 1, "{flaw}");
            assert_eq!(lines[0]["level"], "WARN");
            assert_eq!(lines[0]["status"].as_u64().unwrap().to_string(), status[..3]);
            assert_eq!(lines[0]["id"], "one");
        }
    }
}

#[tokio::test]
async fn answer_with_reason_is_passed_on() {
    let webhook = Script::answering(answer("403 Forbidden", br#"{"reason": "spam", "score": 9}"#));
    let webhook = ScriptedServer::tcp(webhook).await.unwrap();
    let mail = Mail::new(&webhook_at(&webhook));
    let decision = mail.send("one", "hello").await;
    assert_eq!((decision.verdict, decision.reason.as_deref()), (Verdict::Reject, Some("spam")));
    let lines = mail.lines.with("message");
    assert_eq!((lines[0]["verdict"].as_str(), lines[0]["level"].as_str()), (Some("reject"), Some("INFO")));
    assert!(lines[0].get("error_type").is_none(), "{}", lines[0]);
}

#[tokio::test]
async fn answer_longer_than_64_kib_status_decides() {
    let webhook = Script::answering(answer("200 OK", &[b' '; 70_000]));
    let webhook = ScriptedServer::tcp(webhook).await.unwrap();
    let mail = Mail::new(&webhook_at(&webhook));
    assert_eq!(mail.send("one", "hello").await.verdict, Verdict::Accept);
    assert_eq!(mail.lines.with("the webhook's answer is longer than 65536 bytes").len(), 1);
}

#[tokio::test]
async fn answer_cut_off_midway_keeps_status_and_every_count() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"reason\": \"";
    for (script, kind) in [
        (Script::new().read_request().write(cut).close(), "connection_reset"),
        (Script::new().read_request().write(cut).reset(), "connection_reset"),
    ] {
        let webhook = ScriptedServer::tcp(script).await.unwrap();
        let mail = Mail::new(&webhook_at(&webhook));
        let decision = mail.send("one", "hello").await;
        assert_eq!((decision.verdict, decision.error_type), (Verdict::Accept, None));
        let lines = mail.lines.with("the webhook's answer is cut off");
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["error_type"], kind);
        let host = "{host=\"127.0.0.1\",scheme=\"http\"}";
        for count in ["connect_seconds_count", "ttfb_seconds_count", "body_read_seconds_count"] {
            assert_eq!(mail.sample(&format!("milter_outbound_{count}{host}")), 1.0, "{count}");
        }
        for count in ["new_connections_total", "requests_total"] {
            assert_eq!(mail.sample(&format!("milter_outbound_{count}{host}")), 1.0, "{count}");
        }
        assert_eq!(mail.sample("milter_errors_total{error_type=\"connection_reset\"}"), 1.0);
    }
}
