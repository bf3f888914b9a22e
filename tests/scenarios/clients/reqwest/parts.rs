//! The parts of a stack with reqwest, put together by hand.

use http_body::Body as _;
use http_body_util::BodyExt as _;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceBuilder;
use tower_outbound::reqwest::{ReqwestClient, ReqwestResolver};
use tower_outbound::{Outbound, Reuse, Timings};

use super::super::checks::{ANSWER, send};
use super::super::hyper_util::HTTP_1;
use super::{Hosts, builder};
use crate::support::recorded;

const fn is_shared<T: Clone + Send + Sync + 'static>() {}
const _: () = is_shared::<ReqwestClient>();

#[tokio::test]
async fn reqwest_parts_by_hand_report_reuse() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let connector = outbound.reqwest_connector();
    let client = builder()
        .connector_layer(connector.clone())
        .dns_resolver(ReqwestResolver::new(Hosts::loopback()))
        .build()
        .unwrap();
    let client = ServiceBuilder::new().layer(outbound.layer()).service(connector.service(client));
    let uri = server.uri_with("http", "peer.test", "/");
    let (first, second) = (send(&client, &uri).await, send(&client, &uri).await);
    assert_eq!((first.reuse(), second.reuse()), (Reuse::New, Reuse::Reused));
    assert_eq!((first.setup_paid(), second.setup_paid()), (true, false));
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_dns_system_resolver_finds_localhost() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.reqwest(builder()).unwrap();
    let timings = send(&client, &server.uri_with("http", "localhost", "/")).await;
    let answers = timings.setup().unwrap().dns_answers().unwrap().to_vec();
    assert!(answers.contains(&server.address().unwrap().ip()), "{answers:?}");
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_built_request_passes_whole_stack() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).max_in_flight_per_origin(1).build();
    let client = outbound.reqwest_with_resolver(builder().user_agent("ours"), Hosts::loopback()).unwrap();
    let uri = server.uri_with("http", "peer.test", "/path?q=1").to_string();
    let send = async || {
        let request = client.post(&uri).bearer_auth("token").body("upload").build().unwrap();
        client.execute(request).await.unwrap()
    };
    let response = send().await;
    assert_eq!(response.url().as_str(), uri);
    assert_eq!(response.remote_addr(), server.address());
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    assert_eq!((recorder.slots().held, timings.is_complete()), (1, false), "to the end of the body");
    assert_eq!(response.text().await.unwrap(), ANSWER);
    assert!(timings.is_complete());
    assert_eq!(timings.reuse(), Reuse::New);
    send().await.bytes().await.unwrap();

    let log = server.log().remove(0);
    for head in &log.heads {
        let head = head.to_lowercase();
        assert!(head.starts_with("post /path?q=1 http/1.1\r\n"), "{head}");
        for line in ["authorization: bearer token", "user-agent: ours", "content-length: 6"] {
            assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
        }
    }
    assert_eq!(log.requests, 2);
    assert_eq!(recorder.slots().most, 1);
    assert_eq!(client.outbound().connections().len(), 0);
    recorder.settled().await;
}

#[tokio::test]
async fn reqwest_response_converts_back_with_url() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, _recorder) = recorded();
    let client = super::client(&outbound);
    let request = http::Request::get(server.uri("/path")).body(String::new()).unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(ANSWER.len() as u64));
    let response = reqwest::Response::from(response.map(reqwest::Body::wrap));
    assert_eq!(response.url().as_str(), server.uri("/path").to_string());
    let (_, body) = http::Response::<reqwest::Body>::from(response).into_parts();
    assert_eq!(body.collect().await.unwrap().to_bytes(), ANSWER);
}
