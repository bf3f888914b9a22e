//! Faults of TLS.

use std::io;
use std::sync::Arc;

use outbound_tests::certs::Certs;
use outbound_tests::server::{Script, ScriptedServer};
use tokio_rustls::rustls::ServerConfig;

use super::caller::{Caller, LIMIT, Options};
use super::told::Told;
use super::{Fault, fault};

const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

pub(super) fn faults() -> Vec<Fault> {
    let fresh = || Certs::new("localhost");
    let clients = || fresh().server_config(&["http/1.1"]);
    vec![
        fault("fin-amid-handshake", https(Script::new().shutdown().read_to_end(), trusting(&fresh()))),
        fault("tls-stalled", stalled()),
        fault("certificate-expired", {
            let certs = Certs::expired("localhost");
            refused(certs.server_config(&[]), trusting(&certs))
        }),
        fault("certificate-wrong-host", {
            let certs = Certs::only_for("elsewhere.test");
            refused(certs.server_config(&[]), trusting(&certs))
        }),
        fault("certificate-untrusted", refused(clients(), trusting(&fresh()))),
        fault("client-certificate-refused-tls13", {
            let certs = fresh();
            refused(certs.server_config_asking_for(&fresh(), &[]), trusting(&certs))
        }),
        fault("alpn-mismatch", {
            let certs = fresh();
            refused(certs.server_config(&["http/1.1"]), Options { http2: true, ..trusting(&certs) })
        })
        .http2(),
        fault("tls-on-http-port", {
            https(Script::new().read_exact(5).write(BAD_REQUEST).read_to_end(), trusting(&fresh()))
        }),
        fault("http-on-tls-port", plain_http(Script::new().tls(clients()).read_to_end())),
    ]
}

fn trusting(certs: &Certs) -> Options {
    Options::tls(false, certs.client_config(&[]))
}

/// A server that makes the handshake, if it comes to that.
async fn refused(server: Arc<ServerConfig>, options: Options) -> io::Result<Told> {
    https(Script::new().tls(server).read_to_end(), options).await
}

/// A server that reads the beginning of the handshake, and says nothing.
async fn stalled() -> io::Result<Told> {
    let options = Options { limits: |builder| builder.tls_timeout(LIMIT), ..Options::new(false) };
    https(Script::new().read_exact(5).hang(), options).await
}

async fn https(script: Script, options: Options) -> io::Result<Told> {
    to("https", script, options).await
}

async fn plain_http(script: Script) -> io::Result<Told> {
    to("http", script, Options::new(false)).await
}

async fn to(scheme: &str, script: Script, options: Options) -> io::Result<Told> {
    let server = ScriptedServer::tcp(script).await?;
    let caller = Caller::new(options);
    caller.get(&server.uri_with(scheme, "localhost", "/")).await;
    Ok(caller.told().await)
}
