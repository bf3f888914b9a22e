//! Storage over S3, in a server of other people.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::{fs, io};

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use mail_filter::Verdict;
use outbound_tests::server::{Script, ScriptedServer};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::support::{ACCEPTED, Mail, file};

/// The server of `s3s-fs`, with one bucket. It ends with the runtime.
async fn start() -> io::Result<(SocketAddr, TempDir)> {
    let directory = tempfile::tempdir()?;
    fs::create_dir(directory.path().join("mail"))?;
    let mut service = S3ServiceBuilder::new(FileSystem::new(directory.path()).unwrap());
    service.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = service.build().into_shared();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()));
        }
    });
    Ok((address, directory))
}

fn s3_file(webhook: &ScriptedServer, s3: SocketAddr, secret: &str) -> String {
    format!(
        "webhook_url = \"{}\"\nstorage_url = \"s3://mail/inbox\"\ns3_endpoint = \"http://{s3}\"\n\
         s3_access_key_id = \"key\"\ns3_secret_access_key = \"{secret}\"\nstorage_upload_threshold = 9\n",
        webhook.uri("/")
    )
}

fn stored(directory: &Path, id: &str) -> Option<String> {
    fs::read_to_string(directory.join("mail/inbox").join(id)).ok()
}

#[tokio::test]
async fn s3_message_is_stored_and_webhook_told_where() {
    let (s3, directory) = start().await.unwrap();
    let webhook = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let mail = Mail::new(&s3_file(&webhook, s3, "secret"));
    for id in ["one", "two"] {
        assert_eq!(mail.send(id, "a large message").await.verdict, Verdict::Accept);
        assert_eq!(stored(directory.path(), id).as_deref(), Some("a large message"));
    }
    let log = webhook.log();
    let raw = String::from_utf8_lossy(&log[0].raw);
    assert!(raw.contains(r#"{"id":"one","size":15,"location":"s3://mail/inbox/one"}"#), "{raw}");
    // Over our client: its pool, its metrics.
    let host = "{host=\"127.0.0.1\",scheme=\"http\"}";
    assert_eq!(mail.sample(&format!("milter_outbound_requests_total{host}")), 4.0);
    assert_eq!(mail.sample(&format!("milter_outbound_new_connections_total{host}")), 2.0);
}

#[tokio::test]
async fn s3_wrong_secret_is_for_later_and_reload_mends_it() {
    let (s3, directory) = start().await.unwrap();
    let webhook = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let mail = Mail::new(&s3_file(&webhook, s3, "wrong"));
    let decision = mail.send("one", "a large message").await;
    assert_eq!((decision.verdict, decision.error_type), (Verdict::TryLater, Some("other")));
    assert_eq!((stored(directory.path(), "one"), webhook.accepted()), (None, 0));
    mail.reload(&s3_file(&webhook, s3, "secret")).unwrap();
    assert_eq!(mail.send("one", "a large message").await.verdict, Verdict::Accept);
    // And to plain HTTP, and back.
    let storage = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    mail.reload(&file(&webhook.uri("/"), &storage.uri("/"))).unwrap();
    assert_eq!(mail.send("two", "a large message").await.verdict, Verdict::Accept);
    mail.reload(&s3_file(&webhook, s3, "secret")).unwrap();
    assert_eq!(mail.send("three", "a large message").await.verdict, Verdict::Accept);
    let found = ["one", "two", "three"].map(|id| stored(directory.path(), id).is_some());
    assert_eq!((found, storage.requests()), ([true, false, true], 1));
}
