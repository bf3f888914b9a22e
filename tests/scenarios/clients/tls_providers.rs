//! Both TLS providers in one program, without a process default.

use std::process::Command;

use http_body_util::BodyExt as _;
use outbound_tests::certs::Certs;
use outbound_tests::secret;
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::client::TlsProvider;

use super::hyper_util::HTTP_1;
use crate::support::{Body, recorded};

const NAME: &str = "clients::tls_providers::tls_providers_both_work_in_same_process";
/// Passes the server's URI from the first run of the test to the second.
const URI: &str = "OUTBOUND_TESTS_TLS_URI";
const PROVIDERS: [TlsProvider; 2] = [TlsProvider::Ring, TlsProvider::AwsLcRs];

/// The client reads the system's roots, whose place is set by the environment. So the test runs a second time in a
/// process whose only root is the test's authority.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_providers_both_work_in_same_process() {
    if let Ok(uri) = std::env::var(URI) {
        return with_each_provider(&uri.parse().unwrap()).await;
    }
    let certs = Certs::new("peer.test");
    let script = Script::new().tls(certs.server_config(&["http/1.1"])).read_request().write(HTTP_1).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), certs.authority_pem()).unwrap();

    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", NAME, "--nocapture"]);
    again.env("SSL_CERT_FILE", roots.path()).env_remove("SSL_CERT_DIR");
    again.env(URI, server.uri_with("https", "localhost", "/").to_string());
    let output = tokio::task::spawn_blocking(move || again.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.requests(), PROVIDERS.len(), "{:?}", server.log());
}

async fn with_each_provider(uri: &http::Uri) {
    for provider in PROVIDERS {
        let (outbound, recorder) = recorded();
        let client = outbound.client_builder().tls_provider(provider).build();
        let response = client.request(secret::request(uri, Body::default())).await.unwrap();
        response.into_body().collect().await.unwrap();
        let setup = recorder.timings()[0].setup().unwrap();
        assert_eq!(setup.tls().unwrap().version, Some("1.3"), "with {provider:?}");
        drop(client);
        recorder.settled().await;
    }
}
