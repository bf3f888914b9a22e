//! Which transports the layers know by the type of the stream.

use std::any::Any;

use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::connect::TcpIo;
use crate::connect::track::Transport;
#[cfg(feature = "client")]
use crate::record::TlsInfo;

/// What a connector's stream is.
pub(super) fn transport(io: &dyn Any) -> Transport {
    if io.is::<TcpIo>() || io.is::<TokioIo<TcpStream>>() {
        return Transport::Plain;
    }
    over_tls(io)
}

#[cfg(not(feature = "client"))]
fn over_tls(_: &dyn Any) -> Transport {
    Transport::Unknown
}

/// TLS as hyper-rustls makes it, or the socket that it passes on for `http`.
#[cfg(feature = "client")]
fn over_tls(io: &dyn Any) -> Transport {
    use hyper_rustls::MaybeHttpsStream::{Http, Https};

    type Stream<T> = hyper_rustls::MaybeHttpsStream<T>;

    let own = io.downcast_ref::<Stream<TcpIo>>();
    let other = io.downcast_ref::<Stream<TokioIo<TcpStream>>>();
    let session = match (own, other) {
        (Some(Http(_)), _) | (_, Some(Http(_))) => return Transport::Plain,
        (Some(Https(stream)), _) => stream.inner().get_ref().1,
        (_, Some(Https(stream))) => stream.inner().get_ref().1,
        (None, None) => return Transport::Unknown,
    };
    Transport::Tls(TlsInfo {
        version: session.protocol_version().and_then(|version| match version {
            rustls::ProtocolVersion::TLSv1_2 => Some("1.2"),
            rustls::ProtocolVersion::TLSv1_3 => Some("1.3"),
            _ => None,
        }),
        cipher: session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str().map(str::to_owned)),
        alpn: session.alpn_protocol().map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
        resumed: session.handshake_kind().map(|kind| kind == rustls::HandshakeKind::Resumed),
    })
}
