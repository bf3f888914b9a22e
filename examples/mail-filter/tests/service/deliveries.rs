//! What the webhook has in its log after each fault.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use mail_filter::Verdict;
use outbound_tests::server::{Ended, Script, ScriptedServer};
use tower::service_fn;
use tower_outbound::connect::TcpConnector;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::{Event, Outbound};

use super::support::{ACCEPTED, Mail, file, refusing, webhook_at};

/// What a name stands for at each lookup; the last one stays.
#[derive(Clone)]
struct Names(Arc<Mutex<Vec<SocketAddr>>>);

impl Names {
    fn new(addresses: impl Into<Vec<SocketAddr>>) -> Self {
        Self(Arc::new(Mutex::new(addresses.into())))
    }

    fn connector(&self, outbound: &Outbound) -> TcpConnector {
        let names = self.clone();
        outbound.http_connector().resolver(service_fn(move |_: Name| {
            let mut addresses = names.0.lock().unwrap();
            let address = if addresses.len() > 1 { addresses.remove(0) } else { addresses[0] };
            std::future::ready(Ok::<_, std::io::Error>([address].into_iter()))
        }))
    }
}

/// Counts attempts and retries.
#[derive(Clone, Default)]
struct Counts(Arc<[AtomicUsize; 2]>);

impl Counts {
    fn observe(&self, builder: OutboundBuilder) -> OutboundBuilder {
        let counts = self.clone();
        builder.observer(move |event: &Event<'_>| match event {
            Event::AttemptStarted { .. } => drop(counts.0[0].fetch_add(1, Relaxed)),
            Event::BackoffEnded { .. } => drop(counts.0[1].fetch_add(1, Relaxed)),
            _ => {}
        })
    }

    /// Attempts and retries.
    fn get(&self) -> (usize, usize) {
        (self.0[0].load(Relaxed), self.0[1].load(Relaxed))
    }
}

/// A file whose webhook has a name, which the resolver knows with its port.
fn by_name() -> String {
    file(&Uri::from_static("http://webhook.test/verdict"), &Uri::from_static("http://127.0.0.1:9/"))
}

fn heads(server: &ScriptedServer) -> Vec<String> {
    server.log().into_iter().flat_map(|connection| connection.heads).collect()
}

#[tokio::test]
async fn webhook_refused_once_is_delivered_with_one_retry() {
    let webhook = ScriptedServer::tcp(Script::answering(ACCEPTED)).await.unwrap();
    let (refused, _socket) = refusing();
    let (names, counts) = (Names::new([refused, webhook.address().unwrap()]), Counts::default());
    let mail =
        Mail::with(&by_name(), |builder| counts.observe(builder), |outbound| names.connector(outbound));
    let decision = mail.send("one", "hello").await;
    assert_eq!((decision.verdict, decision.error_type), (Verdict::Accept, None));
    assert_eq!(counts.get(), (2, 1));
    assert_eq!(heads(&webhook).len(), 1, "once");
    assert!(mail.lines.with("a call has failed").is_empty());
}

#[tokio::test]
async fn webhook_refused_twice_is_for_later() {
    let (refused, _socket) = refusing();
    let (names, counts) = (Names::new([refused]), Counts::default());
    let mail =
        Mail::with(&by_name(), |builder| counts.observe(builder), |outbound| names.connector(outbound));
    let decision = mail.send("one", "hello").await;
    assert_eq!((decision.verdict, decision.error_type), (Verdict::TryLater, Some("connection_refused")));
    assert_eq!(counts.get(), (2, 1));
    let lines = mail.lines.with("a call has failed");
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (lines[0]["error_type"].as_str(), lines[0]["peer"].as_str()),
        (Some("connection_refused"), Some("webhook"))
    );
}

#[tokio::test]
async fn webhook_reset_after_the_request_is_not_retried() {
    for script in [Script::new().read_request().reset(), Script::new().read_request().close()] {
        let webhook = ScriptedServer::tcp(script).await.unwrap();
        let counts = Counts::default();
        let mail =
            Mail::with(&webhook_at(&webhook), |builder| counts.observe(builder), Outbound::http_connector);
        let decision = mail.send("one", "hello").await;
        assert_eq!((decision.verdict, decision.error_type), (Verdict::TryLater, Some("connection_reset")));
        assert_eq!(counts.get(), (1, 0));
        assert_eq!(heads(&webhook).len(), 1, "it may have been processed");
        assert_eq!(webhook.accepted(), 1);
    }
}

#[tokio::test]
async fn webhook_kept_connection_that_it_has_closed_is_replaced() {
    let once = Script::new().read_request().write(ACCEPTED).close();
    let webhook = ScriptedServer::tcp(once).await.unwrap();
    let mail = Mail::new(&webhook_at(&webhook));
    for (sent, id) in ["one", "two", "three"].into_iter().enumerate() {
        assert_eq!(mail.send(id, "hello").await.verdict, Verdict::Accept);
        // Closed, whether or not the client has seen it.
        let ended = |log: &[_]| {
            log.iter()
                .filter(|one: &&outbound_tests::server::ConnectionLog| one.ended == Some(Ended::Closed))
                .count()
        };
        webhook.wait_until(|log| ended(log) == sent + 1).await;
    }
    assert_eq!(heads(&webhook).len(), 3, "each once");
    assert_eq!(webhook.accepted(), 3);
}

#[tokio::test]
async fn reload_asks_dns_anew_and_old_address_gets_nothing_more() {
    let [old, new] = [(); 2].map(|()| ScriptedServer::tcp(Script::answering(ACCEPTED)));
    let (old, new) = (old.await.unwrap(), new.await.unwrap());
    let names = Names::new([old.address().unwrap(), new.address().unwrap()]);
    let mail = Mail::with(&by_name(), |builder| builder, |outbound| names.connector(outbound));
    for id in ["1", "2", "3"] {
        assert_eq!(mail.send(id, "hello").await.verdict, Verdict::Accept);
    }
    // The name has another address already: the connection is kept, and nobody asks.
    assert_eq!((old.accepted(), new.accepted()), (1, 0));
    // The same file.
    mail.reload(&by_name()).unwrap();
    old.wait_until(|log| log.iter().all(|connection| connection.ended == Some(Ended::PeerClosed))).await;
    for id in ["4", "5", "6"] {
        assert_eq!(mail.send(id, "hello").await.verdict, Verdict::Accept);
    }
    assert_eq!((heads(&old).len(), heads(&new).len()), (3, 3));
    assert_eq!((old.accepted(), new.accepted()), (1, 1));
}
