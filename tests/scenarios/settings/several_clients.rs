//! Several clients of one stack, such as an old one and the one that replaces it: the limit is that of all together.

use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::settings::Settings;
use tower_outbound::{Error, Outbound, OutboundClient};

use super::*;
use crate::support::recorded;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn read(client: &OutboundClient, uri: Uri) -> tokio::task::JoinHandle<Result<Bytes, Error>> {
    let client = client.clone();
    tokio::spawn(async move { client.get(uri).await?.into_body().bytes().await })
}

async fn asked(server: &ScriptedServer, requests: usize) {
    server.wait_until(|log| log.iter().map(|one| one.requests).sum::<usize>() == requests).await;
}

/// Open at the server, which has seen every close by then.
fn open(server: &ScriptedServer) -> usize {
    server.log().iter().filter(|connection| connection.ended.is_none()).count()
}

#[tokio::test]
async fn clients_idle_connection_gives_way_to_another_client() {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (outbound, recorder) = recorded();
    outbound.apply(&Settings::new().max_connections_per_origin(1));
    let [old, new] = [(); 2].map(|()| outbound.client());
    read(&old, server.uri("/")).await.unwrap().unwrap();
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    for client in [&new, &old, &new] {
        assert_eq!(read(client, server.uri("/")).await.unwrap().unwrap(), "ok");
        assert_eq!(outbound.connections().len(), 1);
    }
    assert_eq!(recorder.close_reasons(), ["surplus"; 3]);
    assert_eq!(server.accepted(), 4);
}

#[tokio::test]
async fn clients_that_are_all_busy_share_the_limit() {
    let gate = Gate::new();
    let server =
        ScriptedServer::tcp(Script::new().read_request().wait(&gate).write(OK).repeat()).await.unwrap();
    let outbound = Outbound::builder().settings(Settings::new().max_connections_per_origin(2)).build();
    let [old, new] = [(); 2].map(|()| outbound.client());
    let mut calls: Vec<_> = (0..5).map(|_| read(&old, server.uri("/"))).collect();
    asked(&server, 2).await;
    calls.extend((0..5).map(|_| read(&new, server.uri("/"))));
    // Nothing moves as long as the server holds both.
    tokio::time::sleep(ms(50)).await;
    assert_eq!((server.accepted(), server.requests()), (2, 2));
    gate.open();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "ok");
    }
    assert_eq!(server.requests(), 10);
    assert!(open(&server) <= 2 && outbound.connections().len() <= 2);
}

#[tokio::test]
async fn client_with_a_limit_of_its_own_is_apart() {
    let gate = Gate::new();
    let server =
        ScriptedServer::tcp(Script::new().read_request().wait(&gate).write(OK).repeat()).await.unwrap();
    let outbound = Outbound::builder().settings(Settings::new().max_connections_per_origin(2)).build();
    let own = outbound.client_builder().pool(|pool| pool.max_connections_per_origin(1)).build();
    let mut calls: Vec<_> = (0..4).map(|_| read(&outbound.client(), server.uri("/"))).collect();
    // Four clients, of which two wait; and the one with its own.
    asked(&server, 2).await;
    calls.push(read(&own, server.uri("/")));
    asked(&server, 3).await;
    gate.open();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "ok");
    }
}
