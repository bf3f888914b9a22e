//! HTTP/2: attempts share a connection.

use bytes::Bytes;
use http_body_util::Full;
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::server::H2Server;
use tower_outbound::Reuse;
use tower_outbound::connect::Protocol;

use super::{Hosts, get};
use crate::support::recorded;

#[tokio::test]
async fn reqwest_http2_first_use_is_of_attempt_that_connected() {
    for tls in [false, true] {
        let certs = Certs::new("peer.test");
        let gate = Gate::new();
        let held = gate.clone();
        let mut options = H2Server::builder();
        if tls {
            options = options.tls(certs.server_config(&["h2"]));
        }
        let server = options
            .start(move |request: http::Request<hyper::body::Incoming>| {
                let held = held.clone();
                async move {
                    if request.uri().path() == "/held" {
                        held.wait().await;
                    }
                    http::Response::new(Full::new(Bytes::from("answer")))
                }
            })
            .await
            .unwrap();
        let (outbound, recorder) = recorded();
        let builder = reqwest::Client::builder().no_proxy();
        let builder = if tls {
            builder.tls_backend_preconfigured(certs.client_config(&["h2"]))
        } else {
            builder.tls_backend_preconfigured(certs.client_config(&[])).http2_prior_knowledge()
        };
        let client = outbound.reqwest_with_resolver(builder, Hosts::loopback()).unwrap();
        let uri = |path: &str| -> http::Uri {
            let scheme = if tls { "https" } else { "http" };
            format!("{scheme}://peer.test:{}{path}", server.address().port()).parse().unwrap()
        };
        let first = tokio::spawn({
            let (client, uri) = (client.clone(), uri("/held"));
            async move { get(&client, &uri).await }
        });
        while server.accepted() == 0 {
            tokio::task::yield_now().await;
        }
        recorder.wait_until(|recorder| recorder.count("connect_other") == 1).await;
        let second = get(&client, &uri("/")).await;
        gate.open();
        let first = first.await.unwrap();
        assert_eq!(first.connection(), second.connection());
        assert_eq!(first.connection().unwrap().protocol(), Some(Protocol::Http2));
        assert_eq!((first.reuse(), second.reuse()), (Reuse::New, Reuse::Reused));
        assert_eq!((first.setup_paid(), second.setup_paid()), (true, false));
        assert_eq!(first.connection().unwrap().uses(), 2);
        assert_eq!(server.accepted(), 1);
        recorder.settled().await;
    }
}
