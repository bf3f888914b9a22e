//! The client of the crate.

use tower_outbound::connect::Protocol;

use super::{Kind, NO_REFUSAL, TCP, TLS, cloned};
use crate::cell::{Parts, Send};
use crate::resolver::resolver;

pub(crate) const HTTP_1: Kind = Kind {
    name: "`OutboundClient`, HTTP/1",
    protocol: Protocol::Http1,
    tls: false,
    setup: TCP,
    pays: true,
    tracked: true,
    build: |parts| Box::pin(async move { build(&parts) }),
    cannot: &[NO_REFUSAL],
};

pub(crate) const TLS_HTTP_2: Kind = Kind {
    name: "`OutboundClient`, HTTP/2 in TLS",
    protocol: Protocol::Http2,
    tls: true,
    setup: TLS,
    cannot: &[],
    ..HTTP_1
};

fn build(Parts { outbound, certs, .. }: &Parts) -> Send {
    let client = outbound
        .client_builder()
        .tls_config(certs.client_config(&[]))
        .tcp_connector(outbound.http_connector().resolver(resolver()))
        .build();
    cloned(client)
}
