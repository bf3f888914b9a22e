//! Credentials are those of the message's settings, made anew for each request.

use mail_filter::Verdict;
use outbound_tests::server::{Script, ScriptedServer};

use super::support::{ACCEPTED, Mail, file};

/// The value of the header `authorization` of each request.
fn tokens(server: &ScriptedServer) -> Vec<Option<String>> {
    let log = server.log();
    let heads = log.iter().flat_map(|connection| &connection.heads);
    let token = |head: &String| {
        let lower = head.to_ascii_lowercase();
        let begin = lower.find("\r\nauthorization: ")? + "\r\nauthorization: ".len();
        head[begin..].split("\r\n").next().map(str::to_owned)
    };
    heads.map(token).collect()
}

#[tokio::test]
async fn credentials_are_made_per_request_and_never_kept() {
    // One server for both, so that their requests share connections.
    let both = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let file = file(&both.uri("/webhook"), &both.uri("/storage"));
    let mail = Mail::new(&format!("webhook_token = \"w1\"\nstorage_token = \"s1\"\n{file}"));
    assert_eq!(mail.send("1", "a large message").await.verdict, Verdict::Accept);
    assert_eq!(both.accepted(), 1, "one connection for both");
    mail.reload(&format!("webhook_token = \"w2\"\n{file}")).unwrap();
    assert_eq!(mail.send("2", "a large message").await.verdict, Verdict::Accept);
    mail.reload(&file).unwrap();
    assert_eq!(mail.send("3", "a large message").await.verdict, Verdict::Accept);
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    assert_eq!(tokens(&both), [bearer("s1"), bearer("w1"), None, bearer("w2"), None, None]);
}

#[tokio::test]
async fn credentials_are_in_no_log() {
    let webhook = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let file = file(&webhook.uri("/"), &"http://127.0.0.1:9/".parse().unwrap());
    let mail = Mail::new(&format!("webhook_token = \"sesame-1\"\n{file}"));
    mail.send("1", "hello").await;
    mail.reload(&format!("webhook_token = \"sesame-2\\u0000\"\n{file}")).unwrap();
    let broken = mail.lines.with("a setting is not used");
    assert_eq!((broken.len(), broken[0]["value"].as_str()), (1, Some("REDACTED")));
    let debug = format!("{:?}", mail.filter.snapshot());
    let all = mail.lines.with("").iter().map(ToString::to_string).collect::<String>() + &debug;
    assert!(!all.contains("sesame"), "{all}");
}
