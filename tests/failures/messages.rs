//! `Display` prints one level of an error chain, so a report of all levels repeats nothing.

use std::error::Error;
use std::io;

use outbound_tests::certs::Certs;
use outbound_tests::server::{Script, closed_port};
use tower_outbound::connect::{PhaseLayer, ResolveError};
use tower_outbound::failure::DnsFailure;

use crate::chains::failed_in;
use crate::stack::{self, failing};

/// The message of each level.
fn messages_of(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |error| (*error).source()).map(ToString::to_string).collect()
}

fn assert_no_repetition(error: &(dyn Error + 'static)) -> Vec<String> {
    let messages = messages_of(error);
    for (at, message) in messages.iter().enumerate() {
        assert!(!message.is_empty(), "{messages:?}");
        let others = messages.iter().enumerate().filter(|(other, _)| *other != at);
        let again = others.filter(|(_, other)| other.to_lowercase().contains(&message.to_lowercase()));
        assert_eq!(again.count(), 0, "{message:?} is there twice: {messages:?}");
    }
    messages
}

#[tokio::test]
async fn error_report_of_refused_connect_is_level_by_level() {
    let address = closed_port().unwrap();
    let error = failing(&format!("http://{address}/").parse().unwrap()).await;
    let expected = [
        &*format!("GET http://{address} failed: connection_refused in phase tcp"),
        "client error (Connect)",
        "connect failed",
        &*format!("no connection to {address}: {address} connection_refused"),
        "Connection refused (os error 111)",
    ];
    assert_eq!(assert_no_repetition(&error), expected);
}

#[tokio::test]
async fn error_report_repeats_nothing() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
    for script in [
        Script::new().read_request().close(),
        Script::new().read_request().reset(),
        Script::new().read_request().write("not http\r\n\r\n").hang(),
        Script::new().read_request().write(chunked).hang(),
    ] {
        let server = outbound_tests::server::ScriptedServer::tcp(script).await.unwrap();
        assert!(assert_no_repetition(&failing(&server.uri("/")).await).len() >= 2);
    }
    let error = stack::tls_error(&Certs::expired("example.test"), "localhost", &["http/1.1"]).await;
    assert!(assert_no_repetition(&error).len() >= 3);
    let resolve = ResolveError::new(DnsFailure::NoRecovery).with_source(io::Error::other("SERVFAIL"));
    assert_eq!(
        assert_no_repetition(&*failed_in(&PhaseLayer::dns(), resolve.into())),
        ["phase dns failed", "the name was not resolved: no_recovery", "SERVFAIL"],
    );
    assert_no_repetition(&failing(&http::Uri::from_static("/no-host")).await);
}
