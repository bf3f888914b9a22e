//! The four classes of failures, in the log and on the page.

use std::error::Error;
use std::fmt;

use http::Uri;
use mail_filter::{Verdict, error_type};
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::{BoxError, Outbound};

use super::support::{ACCEPTED, Mail, file, refusing};

/// An error of somebody else around another one.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it did not work")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// What a peer does, and the class that it leads to.
async fn peers() -> Vec<(ScriptedServer, &'static str)> {
    let scripts = [
        (Script::new().read_request().hang(), "timeout"),
        (Script::new().read_request().reset(), "connection_reset"),
        (Script::new().read_request().write("220 mail.example ESMTP\r\n").close(), "network_error"),
    ];
    let mut peers = Vec::new();
    for (script, class) in scripts {
        peers.push((ScriptedServer::tcp(script).await.unwrap(), class));
    }
    peers
}

/// The whole way: the class in the decision, in the log, and on the page.
async fn fails(mail: &Mail, body: &str, peer: &str, class: &'static str) {
    let decision = mail.send("one", body).await;
    assert_eq!((decision.verdict, decision.error_type), (Verdict::TryLater, Some(class)));
    let lines = mail.lines.with("a call has failed");
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0]["error_type"].as_str(), lines[0]["peer"].as_str()), (Some(class), Some(peer)));
    let lines = mail.lines.with("message");
    assert_eq!(
        (lines[0]["error_type"].as_str(), lines[0]["verdict"].as_str()),
        (Some(class), Some("try_later"))
    );
    assert_eq!(mail.sample(&format!("milter_errors_total{{error_type=\"{class}\"}}")), 1.0);
}

const SOON: &str = "outbound_http_read_timeout = \"100ms\"\n";

#[tokio::test]
async fn failure_of_webhook_has_its_class() {
    let unused = Uri::from_static("http://127.0.0.1:9/");
    for (peer, class) in peers().await {
        let mail = Mail::new(&(file(&peer.uri("/"), &unused) + SOON));
        fails(&mail, "hello", "webhook", class).await;
    }
    let (refused, _socket) = refusing();
    let mail = Mail::new(&file(&format!("http://{refused}/").parse().unwrap(), &unused));
    fails(&mail, "hello", "webhook", "connection_refused").await;
    let nowhere = Uri::from_static("http://does-not-exist.invalid/");
    let no_such_name =
        tower::service_fn(|_| std::future::ready(Err::<std::vec::IntoIter<_>, _>("no such name")));
    let mail = Mail::with(
        &file(&nowhere, &unused),
        |builder| builder,
        |outbound: &Outbound| outbound.http_connector().resolver(no_such_name),
    );
    fails(&mail, "hello", "webhook", "network_error").await;
}

/// Over S3, the failure is inside of three errors of `object_store`.
#[tokio::test]
async fn failure_of_storage_has_its_class_over_http_and_s3() {
    let webhook = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let (refused, _socket) = refusing();
    let mut storages: Vec<_> = peers().await;
    let by_s3 = |authority: &str| {
        format!(
            "webhook_url = \"{}\"\nstorage_url = \"s3://mail/a\"\ns3_endpoint = \"http://{authority}\"\n\
             s3_access_key_id = \"key\"\ns3_secret_access_key = \"secret\"\nstorage_upload_threshold = 9\n{SOON}",
            webhook.uri("/")
        )
    };
    for (storage, class) in storages.drain(..) {
        let mail = Mail::new(&(file(&webhook.uri("/"), &storage.uri("/")) + SOON));
        fails(&mail, "a large message", "storage", class).await;
        let before = storage.accepted();
        let mail = Mail::new(&by_s3(&storage.address().unwrap().to_string()));
        fails(&mail, "a large message", "storage", class).await;
        assert_eq!(storage.accepted(), before + 1, "object_store does not retry");
    }
    let mail = Mail::new(&by_s3(&refused.to_string()));
    fails(&mail, "a large message", "storage", "connection_refused").await;
    assert_eq!(webhook.accepted(), 0, "no message goes on without its upload");
}

#[tokio::test]
async fn failure_wrapped_twice_has_its_class() {
    let (refused, _socket) = refusing();
    let client = Outbound::builder()
        .timeouts(tower_outbound::timeouts::Timeouts::new().first_byte(std::time::Duration::from_millis(100)))
        .retry(|retry| retry.max_retries(0))
        .build()
        .client();
    let mut peers: Vec<_> =
        peers().await.into_iter().map(|(peer, class)| (peer.uri("/"), Some(peer), class)).collect();
    peers.push((format!("http://{refused}/").parse().unwrap(), None, "connection_refused"));
    for (uri, _peer, class) in peers {
        let error = client.post(&uri, "hello").await.unwrap_err();
        assert_eq!(error_type(&Wrapped(Wrapped(error.into()).into())), class);
    }
    let plain = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    assert_eq!(error_type(&Wrapped(Wrapped(plain.into()).into())), "connection_reset");
    assert_eq!(error_type(&Wrapped("a program's own".into())), "other");
}
