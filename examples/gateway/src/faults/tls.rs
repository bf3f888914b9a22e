//! Faults of the TLS handshake: those of the harness.

use std::io;

use outbound_tests::faults::tls::handshake;
use outbound_tests::gate::Gate;
use outbound_tests::server::ScriptedServer;

use super::caller::{Caller, LIMIT, Options};
use super::reported::Reported;
use super::{Fault, fault};

pub(super) fn faults() -> Vec<Fault> {
    let http1 = |slug| fault(slug, meet(slug, false));
    vec![
        http1("fin-amid-handshake"),
        http1("tls-stalled"),
        http1("certificate-expired"),
        http1("certificate-wrong-host"),
        http1("certificate-untrusted"),
        http1("client-certificate-refused-tls13"),
        fault("alpn-mismatch", meet("alpn-mismatch", true)).http2(),
        http1("tls-on-http-port"),
        http1("http-on-tls-port"),
    ]
}

async fn meet(slug: &'static str, http2: bool) -> io::Result<Reported> {
    let fault = handshake(slug, http2, &Gate::new()).ok_or(io::ErrorKind::InvalidInput)?;
    let server = ScriptedServer::tcp(fault.script).await?;
    let limits = Options { limits: |builder| builder.tls_timeout(LIMIT), ..Options::new(http2) };
    let caller = Caller::new(Options { tls: Some(fault.client), ..limits });
    caller.get(&server.uri_with(fault.scheme, "localhost", "/")).await;
    Ok(caller.reported().await)
}
