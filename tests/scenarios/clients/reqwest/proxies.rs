//! reqwest behind a proxy.

use outbound_tests::certs::Certs;
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::Reuse;

use super::super::hyper_util::HTTP_1;
use super::{Hosts, builder, builder_trusting, get};
use crate::support::recorded;

#[tokio::test]
async fn reqwest_proxy_connections_are_per_origin_with_proxy_peer() {
    let proxy = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let builder = builder().proxy(reqwest::Proxy::http(proxy.uri("/").to_string()).unwrap());
    let client = outbound.reqwest_with_resolver(builder, Hosts::loopback()).unwrap();
    let [a, b] = ["http://a.test/", "http://b.test/"].map(http::Uri::from_static);
    let seen = [get(&client, &a).await, get(&client, &a).await, get(&client, &b).await];

    assert_eq!(seen.each_ref().map(tower_outbound::Timings::reuse), [Reuse::New, Reuse::Reused, Reuse::New]);
    let hosts = seen.each_ref().map(|timings| timings.connection().unwrap().origin().host().to_owned());
    assert_eq!(hosts, ["a.test", "a.test", "b.test"]);
    assert!(seen.iter().all(|timings| timings.connection().unwrap().peer_addr() == proxy.address()));
    assert_eq!(proxy.accepted(), 2);
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_tunnel_connection_is_of_its_origin() {
    let certs = Certs::new("peer.test");
    let script = Script::new().read_head().write("HTTP/1.1 200 OK\r\n\r\n");
    let script = script.tls(certs.server_config(&["http/1.1"])).read_request().write(HTTP_1).repeat();
    let proxy = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let builder = builder_trusting(&certs).proxy(reqwest::Proxy::https(proxy.uri("/").to_string()).unwrap());
    let client = outbound.reqwest_with_resolver(builder, Hosts::loopback()).unwrap();
    let uri = http::Uri::from_static("https://peer.test/");
    let (first, second) = (get(&client, &uri).await, get(&client, &uri).await);

    assert_eq!((first.reuse(), second.reuse()), (Reuse::New, Reuse::Reused));
    let connection = second.connection().unwrap();
    assert_eq!(Some(&connection), first.connection().as_ref());
    assert_eq!(connection.origin().to_string(), "https://peer.test:443");
    assert_eq!(connection.peer_addr(), proxy.address());
    assert!(proxy.log()[0].heads[0].starts_with("CONNECT peer.test:443 "));
    recorder.settled().await;
}
