//! Connections of reqwest are identified by their socket addresses.

use http_body_util::BodyExt as _;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpInfo};
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::connect::Protocol;
use tower_outbound::{Phase, Reuse, Timings};

use super::super::checks::send;
use super::super::hyper_util::HTTP_1;
use super::{ANSWER, Hosts, builder, builder_trusting, client, get};
use crate::support::recorded;

/// Id, use number and reuse of the connection, and whether this attempt paid for its setup.
fn served(timings: &Timings) -> (u64, u64, Reuse, bool) {
    let (connection, usage) = (timings.connection().unwrap(), timings.usage().unwrap());
    (connection.id(), usage.number(), timings.reuse(), timings.setup_paid())
}

#[tokio::test]
async fn reqwest_response_reports_connection_reuse_and_setup_paid() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = client(&outbound);
    let uri = server.uri_with("http", "peer.test", "/");
    let first = send(&client, &uri).await;
    let second = send(&client, &uri).await;

    let connection = first.connection().unwrap();
    assert_eq!(served(&first), (connection.id(), 1, Reuse::New, true));
    assert_eq!(served(&second), (connection.id(), 2, Reuse::Reused, false));
    assert_eq!(connection.uses(), 2);
    assert_eq!(connection.protocol(), Some(Protocol::Http1));
    assert_eq!(connection.peer_addr(), server.address());
    assert_eq!(connection.local_addr(), server.log()[0].peer);
    assert_eq!(first.setup().unwrap().id(), second.setup().unwrap().id());
    assert!(first.phase(Phase::Dns).is_some() && second.phase(Phase::Dns).is_none());
    assert_eq!(
        first.setup().unwrap().dns_answers().unwrap(),
        ["127.0.0.1".parse::<std::net::IpAddr>().unwrap()]
    );
    for timings in [&first, &second] {
        assert!(timings.first_byte_is_upper_bound());
        assert_eq!(timings.attempt().request_body_bytes(), 6);
        assert_eq!(timings.attempt().response_body_bytes(), ANSWER.len() as u64);
    }
    // The wrapped body keeps its length.
    let heads = server.log().remove(0).heads;
    assert!(heads.iter().all(|head| head.to_lowercase().contains("content-length: 6\r\n")), "{heads:?}");

    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    assert_eq!(recorder.count("Misplaced"), 0, "no warning about what reqwest cannot do");
}

#[tokio::test]
async fn reqwest_untracked_connection_facts_and_gauges_absent() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = client(&outbound);
    let timings = get(&client, &server.uri("/")).await;

    let connection = timings.connection().unwrap();
    assert!(!connection.is_tracked() && outbound.connections().is_empty());
    assert_eq!((connection.last_read(), connection.last_write()), (None, None));
    let seen = ["ConnectStarted", "ConnectEnded", "connect_other"].map(|name| recorder.count(name));
    assert_eq!(seen, [1, 1, 1], "{:?}", recorder.names());
    let never = ["ConnectionOpened", "ConnectionActive", "ConnectionAssigned", "ConnectionClosed"];
    assert_eq!(never.map(|name| recorder.count(name)), [0; 4]);
    assert_eq!(recorder.gauges(), (0, 0));
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_tls_connection_reuse_is_known() {
    let certs = Certs::new("peer.test");
    let script = Script::new().tls(certs.server_config(&["http/1.1"])).read_request().write(HTTP_1).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.reqwest_with_resolver(builder_trusting(&certs), Hosts::loopback()).unwrap();
    let uri = server.uri_with("https", "peer.test", "/");
    let (first, second) = (get(&client, &uri).await, get(&client, &uri).await);

    let id = first.connection().unwrap().id();
    assert_eq!(served(&first), (id, 1, Reuse::New, true));
    assert_eq!(served(&second), (id, 2, Reuse::Reused, false));
    assert_eq!(first.attempt().origin().scheme(), "https");
    let phases: Vec<_> = recorder.phases().into_iter().map(|(phase, _)| phase).collect();
    assert!(phases.contains(&Phase::Dns) && !phases.contains(&Phase::Tls), "{phases:?}");
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_connection_after_close_is_new() {
    let close = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 6\r\n\r\nanswer";
    let server = ScriptedServer::tcp(Script::new().read_request().write(close).close()).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = client(&outbound);
    let (first, second) = (get(&client, &server.uri("/")).await, get(&client, &server.uri("/")).await);
    assert_ne!(first.connection(), second.connection());
    for timings in [&first, &second] {
        assert_eq!((timings.reuse(), timings.setup_paid()), (Reuse::New, true));
    }
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_wasted_connect_is_new_to_other_request() {
    let (answer, found) = (Gate::new(), Gate::new());
    // The first connection answers its second request when the gate is open.
    let script = Script::new().read_request().write(HTTP_1).read_request().wait(&answer).write(HTTP_1);
    let script = script.then(Script::answering(HTTP_1));
    let server = ScriptedServer::tcp([script, Script::answering(HTTP_1)]).await.unwrap();
    let lookup = found.clone();
    let hosts = Hosts::waiting(move |nth| (nth == 1).then(|| lookup.clone()));
    let (outbound, recorder) = recorded();
    let client = outbound.reqwest_with_resolver(builder(), hosts).unwrap();
    let uri = server.uri_with("http", "peer.test", "/");

    let first = get(&client, &uri).await;
    let id = first.connection().unwrap().id();
    let second = tokio::spawn({
        let (client, uri) = (client.clone(), uri.clone());
        async move { get(&client, &uri).await }
    });
    server.wait_until(|log| log[0].requests == 2).await;
    // The third request starts a connect, and gets the first connection before its own is open.
    let third = tokio::spawn({
        let (client, uri) = (client.clone(), uri.clone());
        async move { get(&client, &uri).await }
    });
    recorder.wait_until(|recorder| recorder.count("ConnectStarted") == 2).await;
    answer.open();
    let (second, third) = (second.await.unwrap(), third.await.unwrap());
    assert_eq!(served(&second), (id, 2, Reuse::Reused, false));
    assert_eq!(served(&third), (id, 3, Reuse::Reused, false));
    assert_eq!(recorder.count("ConnectWasted"), 0);
    found.open();
    recorder.wait_until(|recorder| recorder.count("ConnectWasted") == 1).await;
    recorder.settled().await;

    // The connecting task needs a few polls to give its connection to the pool.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let (one, other) = tokio::join!(get(&client, &uri), get(&client, &uri));
    let both = [one, other];
    let new = both.iter().find(|timings| timings.connection().unwrap().id() != id).unwrap();
    assert_eq!(new.usage().unwrap().number(), 1);
    assert_eq!((new.reuse(), new.setup_paid()), (Reuse::New, false));
    assert_eq!((recorder.count("ConnectStarted"), server.accepted()), (2, 2));
}

/// The request that started the connect fails on another connection, which reqwest does not name.
#[tokio::test]
async fn reqwest_connect_of_failed_request_has_unknown_reuse() {
    let (answer, found, cut) = (Gate::new(), Gate::new(), Gate::new());
    let script = Script::new().read_request().write(HTTP_1).read_request().wait(&answer).write(HTTP_1);
    let script = script.read_request().wait(&cut).close();
    let server = ScriptedServer::tcp([script, Script::answering(HTTP_1)]).await.unwrap();
    let lookup = found.clone();
    let hosts = Hosts::waiting(move |nth| (nth == 1).then(|| lookup.clone()));
    let (outbound, recorder) = recorded();
    let client = outbound.reqwest_with_resolver(builder(), hosts).unwrap();
    let uri = server.uri_with("http", "peer.test", "/");

    get(&client, &uri).await;
    let call = || {
        let (client, uri) = (client.clone(), uri.clone());
        tokio::spawn(async move {
            client.execute(client.get_ref().get(uri.to_string()).build().unwrap()).await.map(drop)
        })
    };
    let second = call();
    server.wait_until(|log| log[0].requests == 2).await;
    // The third request starts a connect, gets the first connection before its own is open, and fails there.
    let third = call();
    recorder.wait_until(|recorder| recorder.count("ConnectStarted") == 2).await;
    answer.open();
    second.await.unwrap().unwrap();
    server.wait_until(|log| log[0].requests == 3).await;
    found.open();
    recorder.wait_until(|recorder| recorder.count("connect_other") == 2).await;
    cut.open();
    third.await.unwrap().unwrap_err();
    // The connecting task needs a few polls to give its connection to the pool.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let next = get(&client, &uri).await;
    // It is the first one on the second connection, but the third may have been.
    assert_eq!((next.reuse(), server.log()[1].requests), (Reuse::Unknown, 1));
    assert_eq!((recorder.count("ConnectStarted"), server.accepted()), (2, 2));
}

#[tokio::test]
async fn reqwest_redirected_response_has_no_connection() {
    let redirect = "HTTP/1.1 302 Found\r\nlocation: /there\r\ncontent-length: 0\r\n\r\n";
    let script = Script::new().read_request().write(redirect).then(Script::answering(HTTP_1));
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = client(&outbound);
    let redirected = get(&client, &server.uri("/here")).await;
    assert_eq!((redirected.connection(), redirected.reuse()), (None, Reuse::Unknown));
    assert!(redirected.setup().is_none() && !redirected.setup_paid());
    assert_eq!(server.log()[0].requests, 2);

    let next = get(&client, &server.uri("/there")).await;
    assert_eq!(next.reuse(), Reuse::Reused, "a redirect used the connection");
    assert_eq!(recorder.count("ConnectWasted"), 0);
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_redirect_target_connection_reuse_is_unknown() {
    let there = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", there.uri("/"));
    let here = ScriptedServer::tcp(Script::answering(redirect)).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = client(&outbound);
    assert_eq!(get(&client, &here.uri("/")).await.reuse(), Reuse::Unknown);
    let next = get(&client, &there.uri("/")).await;
    assert_eq!((next.connection(), next.reuse()), (None, Reuse::Unknown));
    assert_eq!(there.accepted(), 1, "the same connection");
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_connection_made_by_inner_client_is_unknown() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = client(&outbound);
    let past = client.get_ref().get(server.uri("/").to_string()).send().await.unwrap();
    assert_eq!(past.text().await.unwrap(), ANSWER);
    assert_eq!(recorder.names(), ["Misplaced"], "only that the layers were bypassed");

    let timings = get(&client, &server.uri("/")).await;
    assert_eq!((timings.connection(), timings.reuse()), (None, Reuse::Unknown));
    assert_eq!(server.accepted(), 1);
    assert_eq!(recorder.count("Misplaced"), 1);
    recorder.settled().await;
}

/// An IO with the addresses of another IO.
struct Twin(HttpInfo);

impl Connection for Twin {
    fn connected(&self) -> Connected {
        Connected::new().extra(self.0.clone())
    }
}

#[tokio::test]
async fn reqwest_unreported_connection_at_same_address_is_unknown() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let connector = outbound.reqwest_connector();
    let client = builder().connector_layer(connector.clone()).build().unwrap();
    let client = outbound.layer().layer(connector.service(client));
    let send = async || {
        let request = http::Request::get(server.uri("/")).body(reqwest::Body::default()).unwrap();
        let response = client.clone().oneshot(request).await.unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        let addresses = response.extensions().get::<HttpInfo>().unwrap().clone();
        response.into_body().collect().await.unwrap();
        (timings, addresses)
    };
    let (first, addresses) = send().await;
    assert_eq!(first.reuse(), Reuse::New);
    assert_eq!(send().await.0.reuse(), Reuse::Reused);

    let unreported = tower::service_fn(move |_: ()| {
        let twin = Twin(addresses.clone());
        async move { Ok::<_, std::io::Error>(twin) }
    });
    connector.layer(unreported).oneshot(()).await.map(drop).unwrap();
    let (next, _) = send().await;
    assert_eq!((next.connection(), next.reuse()), (None, Reuse::Unknown));
    assert_eq!(server.accepted(), 1);
    recorder.settled().await;
}

#[cfg(unix)]
#[tokio::test]
async fn reqwest_unix_socket_reuse_is_unknown() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let serving = tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap().0;
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
            stream.write_all(HTTP_1.as_bytes()).await.unwrap();
        }
    });
    let (outbound, recorder) = recorded();
    let client = outbound.reqwest(builder().unix_socket(path)).unwrap();
    let uri = http::Uri::from_static("http://peer.test/");
    for timings in [get(&client, &uri).await, get(&client, &uri).await] {
        assert_eq!((timings.connection(), timings.reuse()), (None, Reuse::Unknown));
    }
    assert_eq!(recorder.count("connect_other"), 1);
    recorder.settled().await;
    drop(client);
    serving.await.unwrap();
}
