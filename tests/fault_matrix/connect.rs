//! Faults before there is a connection.

use std::future::pending;

use outbound_tests::certs::Certs;
use outbound_tests::faults::connect::{
    FullBacklog, NO_ROUTE, NOT_LOCAL, dns_failure, failing_resolver, silent_resolver,
};
use outbound_tests::faults::{Seen, tls};
use outbound_tests::gate::Gate;
use outbound_tests::server::{ScriptedServer, closed_port};
use tower::ServiceExt as _;
use tower_outbound::connect::TcpConnector;

use crate::attempt::{Outcome, Reported, within};
use crate::dial::Dial;
use crate::stack::{Stack, request};
use crate::{queue, system, waits};

/// The faults on both TCP and TLS, except those of [`system`] and [`queue`].
const ANY: [&str; 12] = [
    "name-not-found",
    "dns-no-recovery",
    "dns-try-again",
    "dns-stalled",
    "connect-refused",
    "connect-backlog-full",
    "network-unreachable",
    "local-address-not-ours",
    "http2-opener-cancelled",
    "cancelled-in-acquire",
    "cancelled-in-dns",
    "cancelled-in-tcp",
];

/// Whether this is a fault before there is a connection.
pub(crate) fn runs(slug: &str, tls: bool) -> bool {
    let handshake = tls::handshake(slug, false, &Gate::new());
    let of_tls = handshake.is_some_and(|handshake| tls == (handshake.scheme == "https"));
    ANY.contains(&slug) || system::FAULTS.contains(&slug) || queue::FAULTS.contains(&slug) || of_tls
}

/// The phase and the send state here, where the document allows several because they race.
pub(crate) fn pinned(slug: &str, http2: bool) -> Option<(&'static str, &'static str)> {
    match slug {
        "reset-at-accept" => Some(("tls", "not_sent")),
        // The alert is read after the request was written.
        "client-certificate-refused-tls13" if http2 => Some(("wait", "unknown")),
        "client-certificate-refused-tls13" => Some(("wait", "sent")),
        _ => None,
    }
}

/// Sends a request that reaches no peer.
pub(crate) async fn attempt(stack: Stack, uri: &str) -> Outcome {
    let uri = uri.parse().unwrap();
    let _ = stack.service.clone().oneshot(request("GET", &uri)).await;
    Reported::of(stack, "GET", &Vec::new()).await.finish(None).await
}

/// A refused connect, and a peer that claims to have seen something.
pub(crate) async fn refused_but(seen: Seen) -> Outcome {
    let uri = format!("http://{}/", closed_port().unwrap()).parse().unwrap();
    let stack = stack(TcpConnector::new(), false);
    let _ = stack.service.clone().oneshot(request("GET", &uri)).await;
    Reported::of(stack, "GET", &Vec::new()).await.finish(Some(seen)).await
}

fn stack(tcp: TcpConnector, http2: bool) -> Stack {
    Stack::new(Certs::new("peer.test").client_config(&[]), tcp, http2)
}

/// The clock is paused, so that the connector's timeout passes at once.
async fn stalled(uri: &str, tcp: TcpConnector, http2: bool) -> Outcome {
    let stack = stack(tcp, http2);
    let uri = uri.parse().unwrap();
    tokio::time::pause();
    let _ = stack.service.clone().oneshot(request("GET", &uri)).await;
    tokio::time::resume();
    Reported::of(stack, "GET", &Vec::new()).await.finish(None).await
}

async fn cancelled(stack: Stack, uri: &str, when: impl Future<Output = ()>) -> Outcome {
    cancel(&stack, uri, when).await;
    Reported::of(stack, "GET", &Vec::new()).await.finish(None).await
}

/// Drops the request when `when` completes, if the request has not ended.
async fn cancel(stack: &Stack, uri: &str, when: impl Future<Output = ()>) {
    let uri = uri.parse().unwrap();
    tokio::select! {
        biased;
        _ = stack.service.clone().oneshot(request("GET", &uri)) => {}
        () = when => {}
    }
}

/// Runs a fault for which [`runs`] holds.
pub(crate) async fn run(slug: &str, tls: bool, http2: bool) -> Outcome {
    let scheme = if tls { "https" } else { "http" };
    let peer = format!("{scheme}://peer.test/");
    if let Some(failure) = dns_failure(slug) {
        return attempt(stack(failing_resolver(TcpConnector::new(), failure), http2), &peer).await;
    }
    if system::FAULTS.contains(&slug) {
        return system::run(slug, tls, http2).await;
    }
    if queue::FAULTS.contains(&slug) {
        return queue::run(slug, tls, http2).await;
    }
    let asked = Gate::new();
    let silent = silent_resolver(TcpConnector::new(), &asked);
    // The attempt starts with its first poll.
    let polled = tokio::task::yield_now();
    match slug {
        "dns-stalled" => stalled(&peer, silent, http2).await,
        "cancelled-in-dns" => cancelled(stack(silent, http2), &peer, asked.wait()).await,
        "network-unreachable" => {
            attempt(stack(TcpConnector::new(), http2), &format!("{scheme}://{NO_ROUTE}/")).await
        }
        "connect-backlog-full" => {
            let full = FullBacklog::new().unwrap();
            stalled(&format!("{scheme}://{}/", full.address()), TcpConnector::new(), http2).await
        }
        "cancelled-in-tcp" => {
            let full = FullBacklog::new().unwrap();
            let uri = format!("{scheme}://{}/", full.address());
            cancelled(stack(TcpConnector::new(), http2), &uri, polled).await
        }
        "local-address-not-ours" => {
            let tcp = TcpConnector::new().local_address(NOT_LOCAL.into());
            attempt(stack(tcp, http2), &format!("{scheme}://127.0.0.1:1/")).await
        }
        "connect-refused" => {
            let uri = format!("{scheme}://{}/", closed_port().unwrap());
            attempt(stack(TcpConnector::new(), http2), &uri).await
        }
        "http2-opener-cancelled" => waits::behind_a_cancelled_opener(tls).await,
        "cancelled-in-acquire" if http2 => waits::cancelled_behind_an_opener(tls).await,
        "cancelled-in-acquire" => {
            let tls = Certs::new("peer.test").client_config(&[]);
            cancelled(Stack::new(tls, Dial::NeverReady, http2), &peer, polled).await
        }
        slug => handshake(slug, http2).await,
    }
}

async fn handshake(slug: &str, http2: bool) -> Outcome {
    let begun = Gate::new();
    let fault = tls::handshake(slug, http2, &begun).unwrap_or_else(|| panic!("{slug} is no such fault"));
    let server = ScriptedServer::tcp(fault.script).await.unwrap();
    let stack = Stack::new(fault.client, TcpConnector::new(), http2);
    let uri = server.uri_with(fault.scheme, "localhost", "/").to_string();
    match slug {
        "tls-stalled" => {
            // The clock is paused, so that the timeout of the handshake passes at once.
            let pause = async {
                begun.wait().await;
                tokio::time::pause();
                pending::<()>().await;
            };
            cancel(&stack, &uri, pause).await;
            tokio::time::resume();
        }
        "cancelled-in-tls" => cancel(&stack, &uri, begun.wait()).await,
        _ => cancel(&stack, &uri, pending()).await,
    }
    let reported = Reported::of(stack, "GET", &Vec::new()).await;
    let seen = match reported.failed() {
        true => Some(within("the server's end", reported.seen_by(&server, &[])).await),
        false => None,
    };
    drop(server);
    reported.finish(seen).await
}
