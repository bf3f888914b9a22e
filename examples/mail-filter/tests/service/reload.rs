//! Other settings while messages are under way.

use std::sync::Arc;

use mail_filter::{Message, Verdict};
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};

use super::support::{ACCEPTED, Mail, file};

fn paths(server: &ScriptedServer) -> Vec<String> {
    let log = server.log();
    let heads = log.iter().flat_map(|connection| &connection.heads);
    heads.map(|head| head.split(' ').nth(1).unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn reload_message_under_way_ends_with_settings_it_began_with() {
    let gate = Gate::new();
    let storage =
        ScriptedServer::tcp(Script::new().read_request().wait(&gate).write(ACCEPTED).repeat()).await.unwrap();
    let webhook = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let generation = |number: u8| {
        file(&webhook.uri(&format!("/hook/{number}")), &storage.uri(&format!("/store/{number}")))
    };
    let mail = Mail::new(&generation(1));
    let old = Arc::downgrade(&mail.filter.snapshot());
    let filter = mail.filter.clone();
    let message = Message::new(Some("one"), "a large message".into());
    let under_way = tokio::spawn(async move { filter.decide(&message).await });
    storage.wait_until(|log| log.iter().any(|connection| connection.requests == 1)).await;
    mail.reload(&generation(2)).unwrap();
    assert!(old.upgrade().is_some(), "the message has it");
    gate.open();
    assert_eq!(under_way.await.unwrap().verdict, Verdict::Accept);
    assert!(old.upgrade().is_none(), "gone with its last message");
    assert_eq!(mail.send("two", "a large message").await.verdict, Verdict::Accept);
    assert_eq!(paths(&storage), ["/store/1/one", "/store/2/two"]);
    assert_eq!(paths(&webhook), ["/hook/1", "/hook/2"]);
}

#[tokio::test]
async fn reload_that_cannot_be_used_keeps_what_is_in_force() {
    let webhook = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let good = file(&webhook.uri("/good"), &"http://127.0.0.1:9/".parse().unwrap());
    let mail = Mail::new(&good);
    for broken in ["webhook_url = [", "", "[outbound]\n"] {
        mail.reload(broken).unwrap_err();
    }
    assert_eq!(mail.lines.with("not reloaded").len(), 3);
    // Where one URL is broken, the one in force counts.
    let bad_url = good.replace("webhook_url = \"", "webhook_url = \"nowhere ");
    mail.reload(&format!("outbound_http_pool_maxsize = 7\n{bad_url}")).unwrap();
    let snapshot = mail.filter.snapshot();
    assert!(snapshot.config().webhook_url.ends_with("/good"));
    assert_eq!(snapshot.config().pool_maxsize, 7);
    assert_eq!(mail.send("one", "hello").await.verdict, Verdict::Accept);
    let pool = mail.filter.outbound().settings();
    for key in ["pool.max_connections_per_origin", "pool.max_idle_per_origin"] {
        assert_eq!(pool.get(key).unwrap().value(), "7");
    }
}
