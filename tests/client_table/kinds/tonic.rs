//! tonic's channel, through the crate's adapter: it connects in a task of its own.

use ::tonic::body::Body as TonicBody;
use ::tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use http::Request;
use tower::ServiceBuilder;
use tower_outbound::connect::Protocol;
use tower_outbound::tonic::TonicChannel;

use super::{Kind, TCP, TLS, cloned};
use crate::cell::{Body, Parts, Send};
use crate::peer::HOST;
use crate::resolver::resolver;

pub(crate) const PLAIN: Kind = Kind {
    name: "tonic",
    protocol: Protocol::Http2,
    tls: false,
    setup: TCP,
    pays: false,
    tracked: true,
    build: |parts| Box::pin(async move { plain(&parts) }),
    cannot: &[],
};

pub(crate) const TLS_BELOW: Kind = Kind {
    name: "tonic, TLS of the crate",
    tls: true,
    setup: TLS,
    build: |parts| Box::pin(async move { below(&parts) }),
    ..PLAIN
};

pub(crate) const TLS_ABOVE: Kind = Kind {
    name: "tonic, its own TLS",
    tls: true,
    build: |parts| Box::pin(async move { above(&parts) }),
    cannot: &[(
        "close_reason_is_close_announced_by_peer",
        "tonic's own TLS runs above the tracked IO, which sees only ciphertext",
    )],
    ..PLAIN
};

fn plain(Parts { outbound, to, .. }: &Parts) -> Send {
    let tcp = outbound.http_connector().resolver(resolver());
    sender(outbound.tonic(Endpoint::from(to.clone())).tcp_connector(tcp).connect_lazy())
}

fn below(Parts { outbound, to, certs }: &Parts) -> Send {
    let tcp = outbound.http_connector().resolver(resolver());
    let builder = outbound.tonic(Endpoint::from(to.clone())).tcp_connector(tcp);
    sender(builder.tls_config(certs.client_config(&[])).connect_lazy())
}

fn above(Parts { outbound, to, certs }: &Parts) -> Send {
    let tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(certs.authority_pem())).domain_name(HOST);
    let tcp = outbound.http_connector().resolver(resolver());
    let endpoint = Endpoint::from(to.clone()).tls_config(tls).expect("a certificate");
    sender(outbound.tonic(endpoint).tcp_connector(tcp).connect_lazy())
}

/// The channel takes tonic's own body.
fn sender(channel: TonicChannel) -> Send {
    cloned(
        ServiceBuilder::new()
            .map_request(|request: Request<Body>| request.map(TonicBody::new))
            .service(channel),
    )
}
