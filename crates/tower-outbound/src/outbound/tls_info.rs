use std::any::Any;

use crate::record::TlsInfo;

/// What a TLS handshake agreed on. Only stream types that are known here can be inspected.
#[cfg(not(feature = "client"))]
pub(super) fn tls_info(_: &dyn Any) -> Option<TlsInfo> {
    None
}

/// What a TLS handshake agreed on. Only stream types that are known here can be inspected.
#[cfg(feature = "client")]
pub(super) fn tls_info(io: &dyn Any) -> Option<TlsInfo> {
    use hyper_rustls::MaybeHttpsStream;
    use hyper_util::rt::TokioIo;
    use tokio::net::TcpStream;

    use crate::connect::TcpIo;

    let session = if let Some(MaybeHttpsStream::Https(stream)) = io.downcast_ref::<MaybeHttpsStream<TcpIo>>()
    {
        stream.inner().get_ref().1
    } else if let Some(MaybeHttpsStream::Https(stream)) =
        io.downcast_ref::<MaybeHttpsStream<TokioIo<TcpStream>>>()
    {
        stream.inner().get_ref().1
    } else {
        return None;
    };
    Some(TlsInfo {
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
