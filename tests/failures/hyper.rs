//! Every error of the locked version of hyper, provoked where a client or its peer can provoke it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream;
use http::{Method, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::TokioIo;
use outbound_tests::server::Script;
use tokio::io::DuplexStream;
use tower_outbound::{BoxError, Failure, Kind};

use crate::locked::{source, variants};
use crate::pipe::{self, Then, body, get, http1, http1_error, http2_error, upload, within_an_hour};
use outbound_tests::faults::frames::rst_stream;

type ErrorFuture = Pin<Box<dyn Future<Output = BoxError>>>;

enum Coverage {
    /// The futures return the error; its failure has this kind.
    Provoked(Kind, Vec<ErrorFuture>),
    /// The variant has variants of its own, in the list of this name.
    Listed(&'static str),
    /// No client can provoke the error, for this reason.
    Unreachable(&'static str),
}

use Coverage::{Listed, Provoked, Unreachable};

const SERVER: &str = "only a server constructs it";

fn provoked(kind: Kind, error: impl Future<Output = BoxError> + 'static) -> Coverage {
    Provoked(kind, vec![Box::pin(error)])
}

fn answered(bytes: &'static str) -> impl Future<Output = BoxError> {
    http1_error(Script::new().read_request().write(bytes).hang())
}

fn kinds() -> Vec<(&'static str, Coverage)> {
    vec![
        ("Parse", Listed("Parse")),
        ("User", Listed("User")),
        (
            "IncompleteMessage",
            Provoked(
                Kind::ResponseEnded,
                vec![
                    Box::pin(http1_error(Script::new().read_request().close())),
                    Box::pin(http1_error(Script::new().read_request().write("HTTP/1.1 20").close())),
                ],
            ),
        ),
        ("UnexpectedMessage", provoked(Kind::Protocol, unsolicited_response())),
        ("Canceled", provoked(Kind::ResponseEnded, request_after_close())),
        ("ChannelClosed", provoked(Kind::ResponseEnded, not_ready())),
        (
            "Io",
            Provoked(
                Kind::ConnectionReset,
                vec![
                    Box::pin(http1_error(Script::new().read_request().reset())),
                    Box::pin(http1_error(Script::new().read_request().write("HTTP/1.1 20").reset())),
                ],
            ),
        ),
        ("HeaderTimeout", Unreachable(SERVER)),
        (
            "Body",
            Provoked(
                Kind::InvalidResponse,
                vec![
                    Box::pin(answered("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n")),
                    Box::pin(answered("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n")),
                    Box::pin(answered("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;\n\nabc\r\n")),
                    Box::pin(answered(
                        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1234567890123456789\r\n",
                    )),
                ],
            ),
        ),
        ("BodyWrite", provoked(Kind::ConnectionReset, reset_during_upload())),
        ("Shutdown", provoked(Kind::ConnectionReset, failing_shutdown())),
        ("Http2", provoked(Kind::StreamReset, http2_error(rst_stream(1, 2), Then::Stay))),
    ]
}

fn parse() -> Vec<(&'static str, Coverage)> {
    vec![
        ("Method", Unreachable(SERVER)),
        (
            "Version",
            Provoked(
                Kind::InvalidResponse,
                vec![
                    Box::pin(answered("220 mail.example.test ESMTP\r\n")),
                    // A TLS alert: the peer expects TLS.
                    Box::pin(answered("\u{15}\u{3}\u{3}\0\u{2}\u{2}\u{32}")),
                ],
            ),
        ),
        ("VersionH2", Unreachable(SERVER)),
        ("Uri", Unreachable(SERVER)),
        ("UriTooLong", Unreachable(SERVER)),
        ("Header", Listed("Header")),
        (
            "TooLarge",
            Provoked(
                Kind::LimitExceeded,
                vec![
                    Box::pin(http1_error(Script::new().read_request().write(many_headers()).hang())),
                    Box::pin(http1_error(Script::new().read_request().write(long_header()).hang())),
                ],
            ),
        ),
        ("Status", provoked(Kind::InvalidResponse, answered("HTTP/1.1 2xx OK\r\n\r\n"))),
        ("Internal", Unreachable("only a bug in hyper causes it")),
    ]
}

fn header() -> Vec<(&'static str, Coverage)> {
    vec![
        ("Token", provoked(Kind::InvalidResponse, answered("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"))),
        (
            "ContentLengthInvalid",
            Provoked(
                Kind::InvalidResponse,
                vec![
                    Box::pin(answered("HTTP/1.1 200 OK\r\ncontent-length: three\r\n\r\nabc")),
                    Box::pin(answered(
                        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
                    )),
                ],
            ),
        ),
        ("TransferEncodingInvalid", Unreachable(SERVER)),
        (
            "TransferEncodingUnexpected",
            provoked(
                Kind::InvalidResponse,
                answered("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            ),
        ),
    ]
}

fn user() -> Vec<(&'static str, Coverage)> {
    vec![
        (
            "Body",
            Provoked(
                Kind::RequestBody,
                vec![
                    // The error of the body is from another connection; its kind is irrelevant.
                    Box::pin(failing_body(io::ErrorKind::ConnectionReset)),
                    Box::pin(failing_body(io::ErrorKind::TimedOut)),
                ],
            ),
        ),
        ("BodyWriteAborted", provoked(Kind::RequestBody, short_body())),
        ("InvalidConnectWithBody", provoked(Kind::InvalidRequest, connect_with_body())),
        ("Service", Unreachable(SERVER)),
        ("UnexpectedHeader", Unreachable(SERVER)),
        ("UnsupportedStatusCode", Unreachable(SERVER)),
        ("NoUpgrade", provoked(Kind::InvalidRequest, no_upgrade())),
        ("ManualUpgrade", provoked(Kind::InvalidRequest, manual_upgrade())),
        ("DispatchGone", provoked(Kind::ConnectionAborted, runtime_gone())),
        ("AbortedByCallback", Unreachable("only hyper's C interface has callbacks")),
    ]
}

#[tokio::test(start_paused = true)]
async fn hyper_error_variants_match_locked_version_and_have_kind() {
    let code = source("hyper", "src/error.rs");
    let lists = [
        ("Kind", "hyper::Error(", kinds()),
        ("Parse", "hyper::Error(Parse(", parse()),
        ("Header", "hyper::Error(Parse(Header(", header()),
        ("User", "hyper::Error(User(", user()),
    ];
    for (list, shown, expected) in lists {
        let names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(variants(&code, list), names, "{list} of hyper's src/error.rs");
        for (name, how) in expected {
            let (kind, provoked) = match how {
                Provoked(kind, provoked) => (kind, provoked),
                Listed(other) => {
                    assert!(["Parse", "Header", "User"].contains(&other));
                    continue;
                }
                Unreachable(reason) => {
                    assert!(!reason.is_empty(), "{list}::{name}");
                    continue;
                }
            };
            for (at, error) in provoked.into_iter().enumerate() {
                let error = error.await;
                let shown = format!("{shown}{name}");
                assert!(format!("{error:?}").contains(&shown), "{list}::{name} {at}: {error:?}");
                assert_eq!(Failure::of(&*error).kind(), kind, "{list}::{name} {at}: {error:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn hyper_cut_off_body_distinguishes_close_from_reset() {
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
    for begun in [begun, chunk] {
        let ended = http1_error(Script::new().read_request().write(begun).close()).await;
        assert_eq!(Failure::of(&*ended).kind(), Kind::ResponseEnded, "{ended:?}");
        let reset = http1_error(Script::new().read_request().write(begun).reset()).await;
        assert_eq!(Failure::of(&*reset).kind(), Kind::ConnectionReset, "{reset:?}");
    }
}

fn many_headers() -> String {
    let headers: String = (0..101).map(|at| format!("x-{at}: y\r\n")).collect();
    format!("HTTP/1.1 200 OK\r\n{headers}\r\n")
}

fn long_header() -> String {
    format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(500_000))
}

async fn unsolicited_response() -> BoxError {
    http1(Script::new().write("HTTP/1.1 200 OK\r\n\r\n").hang()).await.connection_error().await
}

async fn request_after_close() -> BoxError {
    let mut connection = http1(Script::new().close()).await;
    let _ = within_an_hour(connection.connection).await.unwrap();
    connection.sender.send_request(get()).await.unwrap_err().into()
}

async fn not_ready() -> BoxError {
    let mut connection = http1(Script::new().close()).await;
    let _ = within_an_hour(connection.connection).await.unwrap();
    connection.sender.ready().await.unwrap_err().into()
}

fn endless() -> pipe::Body {
    let frames = stream::repeat_with(|| Ok(http_body::Frame::data(bytes::Bytes::from(vec![0; 100_000]))));
    StreamBody::new(frames).boxed_unsync()
}

async fn reset_during_upload() -> BoxError {
    let mut connection = http1(Script::new().read_head().reset()).await;
    let response = connection.sender.send_request(upload(endless()));
    let (response, connection) =
        within_an_hour(async { tokio::join!(response, connection.connection) }).await;
    assert!(response.is_err());
    connection.unwrap().unwrap_err().into()
}

/// A pipe whose shutdown fails.
struct FailingShutdown(TokioIo<DuplexStream>);

impl hyper::rt::Read for FailingShutdown {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for FailingShutdown {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

async fn failing_shutdown() -> BoxError {
    let (client, _peer) = tokio::io::duplex(1024);
    let io = FailingShutdown(TokioIo::new(client));
    let (sender, connection) = hyper::client::conn::http1::handshake::<_, pipe::Body>(io).await.unwrap();
    drop(sender);
    within_an_hour(connection).await.unwrap_err().into()
}

async fn failing_body(kind: io::ErrorKind) -> BoxError {
    let frames = stream::iter([Ok(http_body::Frame::data("abc".into())), Err(io::Error::from(kind).into())]);
    http1(Script::new().read_to_end()).await.error(upload(StreamBody::new(frames).boxed_unsync())).await
}

async fn short_body() -> BoxError {
    let mut request =
        upload(StreamBody::new(stream::iter([Ok(http_body::Frame::data("abc".into()))])).boxed_unsync());
    request.headers_mut().insert("content-length", "9".parse().unwrap());
    http1(Script::new().read_to_end()).await.error(request).await
}

async fn connect_with_body() -> BoxError {
    let mut request = upload(body("abc"));
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "example.test:443".parse().unwrap();
    pipe::http2_upload_error(request, Vec::new(), Then::Stay).await
}

async fn no_upgrade() -> BoxError {
    hyper::upgrade::on(Request::new(())).await.unwrap_err().into()
}

async fn manual_upgrade() -> BoxError {
    let switching = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n";
    let mut connection = http1(Script::new().read_request().write(switching).hang()).await;
    let mut request = get();
    request.headers_mut().insert("connection", "upgrade".parse().unwrap());
    request.headers_mut().insert("upgrade", "x".parse().unwrap());
    let response = connection.sender.send_request(request).await.unwrap();
    within_an_hour(hyper::upgrade::on(response)).await.unwrap_err().into()
}

async fn runtime_gone() -> BoxError {
    let mut connection = http1(Script::new().read_request().hang()).await;
    let response = connection.sender.send_request(get());
    let cut = async {
        pipe::all_idle().await;
        connection.connection.abort();
    };
    let (response, ()) = within_an_hour(async { tokio::join!(response, cut) }).await;
    response.unwrap_err().into()
}
