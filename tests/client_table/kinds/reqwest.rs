//! reqwest, through the crate's adapter.

use ::reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower_outbound::Phase;
use tower_outbound::connect::Protocol;

use super::{Kind, NO_REFUSAL, cloned};
use crate::cell::{Parts, Send};
use crate::resolver::resolve;

/// reqwest's connector is opaque: only DNS and the whole connect are timed.
const DNS: &[Phase] = &[Phase::Dns];

pub(crate) const HTTP_1: Kind = Kind {
    name: "reqwest, HTTP/1",
    protocol: Protocol::Http1,
    tls: false,
    setup: DNS,
    pays: true,
    tracked: false,
    build: |parts| Box::pin(async move { build(&parts) }),
    cannot: &[
        NO_REFUSAL,
        ("close_reason_is_close_announced_by_peer", SEALED),
        ("client_drop_closes_connections", SEALED),
    ],
};

pub(crate) const TLS_HTTP_2: Kind = Kind {
    name: "reqwest, HTTP/2 in TLS",
    protocol: Protocol::Http2,
    tls: true,
    cannot: &[
        ("close_reason_is_close_announced_by_peer", SEALED),
        ("client_drop_closes_connections", SEALED),
    ],
    ..HTTP_1
};

const SEALED: &str =
    "reqwest does not expose its IO (reqwest#2955), so when and why a connection closes is unknown";

struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = resolve(name.as_str());
        Box::pin(async move { Ok(Box::new(answer?) as Addrs) })
    }
}

fn build(Parts { outbound, certs, .. }: &Parts) -> Send {
    let builder =
        ::reqwest::Client::builder().no_proxy().tls_backend_preconfigured(certs.client_config(ALPN));
    cloned(outbound.reqwest_with_resolver(builder, Resolver).expect("a client"))
}

const ALPN: &[&str] = &["h2", "http/1.1"];
