//! A watch of kube that is silent for ten minutes, on a paused clock.

use std::time::Duration;

use futures_util::TryStreamExt;
use http::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::api::{Api, WatchEvent, WatchParams};
use kube_client::client::{Body, ClientBuilder};
use kube_client::{Error, ResourceExt};
use outbound_tests::server::{DuplexConnector, Script, ScriptedServer};
use tokio::time::Instant;
use tower::ServiceExt;
use tower::util::BoxService;
use tower_outbound::{BoxError, Outbound};

#[path = "../src/bin/kube.rs"]
#[expect(dead_code, reason = "its `main` is run by `programs`")]
mod kube;

const SILENCE: Duration = Duration::from_secs(600);

fn event(name: &str) -> String {
    let event = format!(
        r#"{{"type":"ADDED","object":{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}","resourceVersion":"7"}}}}}}"#
    );
    format!("{:x}\r\n{event}\n\r\n", event.len() + 1)
}

/// The names of the two events, and when the second came.
async fn watched(api: Api<ConfigMap>) -> Result<(Vec<String>, Duration), Error> {
    let begin = Instant::now();
    let events = api.watch(&WatchParams::default(), "7").await?;
    let mut events = std::pin::pin!(events);
    let mut names = Vec::new();
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Added(map) = event {
            names.push(map.name_any());
        }
    }
    Ok((names, begin.elapsed()))
}

#[tokio::test(start_paused = true)]
async fn kube_watch_outlives_ten_minutes_of_silence() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let script = Script::new().read_request().write(head.to_owned() + &event("first")).sleep(SILENCE);
    let script = script.write(event("second") + "0\r\n\r\n").hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let outbound = Outbound::new();
    let uri: Uri = server.uri("/");
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build::<DuplexConnector, Body>(peer);
    let base = uri.clone();
    // What kube's builder makes: a service that adds the host, and is not `Clone`.
    let made = BoxService::new(client.map_err(BoxError::from).map_request(
        move |mut request: http::Request<Body>| {
            let mut parts = base.clone().into_parts();
            parts.path_and_query = request.uri().path_and_query().cloned();
            *request.uri_mut() = Uri::from_parts(parts).unwrap();
            request
        },
    ));
    let client = kube::layered(ClientBuilder::new(made, "shop"), &outbound, &uri);
    let (names, took) = watched(Api::namespaced(client, "shop")).await.unwrap();
    assert_eq!(names, ["first", "second"]);
    assert!(took >= SILENCE && took < SILENCE + Duration::from_secs(1), "{took:?}");
    let log = server.log();
    assert_eq!(log.iter().map(|connection| connection.requests).sum::<usize>(), 1);
}
