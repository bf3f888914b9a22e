//! Every error that the locked hyper can construct, provoked where that can be done from outside.

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
use crate::pipe::{self, Then, body, get, http1, http1_error, http2_error, soon, upload};
use outbound_tests::faults::frames::rst_stream;

type Provoked = Pin<Box<dyn Future<Output = BoxError>>>;

enum How {
    /// These lead to it, and to this kind.
    By(Kind, Vec<Provoked>),
    /// The list of that name tells.
    In(&'static str),
    /// It cannot be provoked through a client.
    Not(&'static str),
}

use How::{By, In, Not};

const SERVER: &str = "only a server makes it, or parses what leads to it";

fn by(kind: Kind, provoked: impl Future<Output = BoxError> + 'static) -> How {
    By(kind, vec![Box::pin(provoked)])
}

fn answered(bytes: &'static str) -> impl Future<Output = BoxError> {
    http1_error(Script::new().read_request().write(bytes).hang())
}

fn kinds() -> Vec<(&'static str, How)> {
    vec![
        ("Parse", In("Parse")),
        ("User", In("User")),
        (
            "IncompleteMessage",
            By(
                Kind::ResponseEnded,
                vec![
                    Box::pin(http1_error(Script::new().read_request().close())),
                    Box::pin(http1_error(Script::new().read_request().write("HTTP/1.1 20").close())),
                ],
            ),
        ),
        ("UnexpectedMessage", by(Kind::Protocol, unasked())),
        ("Canceled", by(Kind::ResponseEnded, after_the_end())),
        ("ChannelClosed", by(Kind::ResponseEnded, not_ready())),
        (
            "Io",
            By(
                Kind::ConnectionReset,
                vec![
                    Box::pin(http1_error(Script::new().read_request().reset())),
                    Box::pin(http1_error(Script::new().read_request().write("HTTP/1.1 20").reset())),
                ],
            ),
        ),
        ("HeaderTimeout", Not(SERVER)),
        (
            "Body",
            By(
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
        ("BodyWrite", by(Kind::ConnectionReset, cut_upload())),
        ("Shutdown", by(Kind::ConnectionReset, no_goodbye())),
        ("Http2", by(Kind::StreamReset, http2_error(rst_stream(1, 2), Then::Stay))),
    ]
}

fn parse() -> Vec<(&'static str, How)> {
    vec![
        ("Method", Not(SERVER)),
        (
            "Version",
            By(
                Kind::InvalidResponse,
                vec![
                    Box::pin(answered("220 mail.example.test ESMTP\r\n")),
                    // A TLS alert: the port speaks TLS.
                    Box::pin(answered("\u{15}\u{3}\u{3}\0\u{2}\u{2}\u{32}")),
                ],
            ),
        ),
        ("VersionH2", Not(SERVER)),
        ("Uri", Not(SERVER)),
        ("UriTooLong", Not(SERVER)),
        ("Header", In("Header")),
        (
            "TooLarge",
            By(
                Kind::LimitExceeded,
                vec![
                    Box::pin(http1_error(Script::new().read_request().write(many_headers()).hang())),
                    Box::pin(http1_error(Script::new().read_request().write(long_header()).hang())),
                ],
            ),
        ),
        ("Status", by(Kind::InvalidResponse, answered("HTTP/1.1 2xx OK\r\n\r\n"))),
        ("Internal", Not("it is a bug of hyper's")),
    ]
}

fn header() -> Vec<(&'static str, How)> {
    vec![
        ("Token", by(Kind::InvalidResponse, answered("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"))),
        (
            "ContentLengthInvalid",
            By(
                Kind::InvalidResponse,
                vec![
                    Box::pin(answered("HTTP/1.1 200 OK\r\ncontent-length: three\r\n\r\nabc")),
                    Box::pin(answered(
                        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
                    )),
                ],
            ),
        ),
        ("TransferEncodingInvalid", Not(SERVER)),
        (
            "TransferEncodingUnexpected",
            by(
                Kind::InvalidResponse,
                answered("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            ),
        ),
    ]
}

fn user() -> Vec<(&'static str, How)> {
    vec![
        (
            "Body",
            By(
                Kind::RequestBody,
                vec![
                    // Whatever it failed with: that was another connection.
                    Box::pin(failing_body(io::ErrorKind::ConnectionReset)),
                    Box::pin(failing_body(io::ErrorKind::TimedOut)),
                ],
            ),
        ),
        ("BodyWriteAborted", by(Kind::RequestBody, short_body())),
        ("InvalidConnectWithBody", by(Kind::InvalidRequest, connect_with_body())),
        ("Service", Not(SERVER)),
        ("UnexpectedHeader", Not(SERVER)),
        ("UnsupportedStatusCode", Not(SERVER)),
        ("NoUpgrade", by(Kind::InvalidRequest, no_upgrade())),
        ("ManualUpgrade", by(Kind::InvalidRequest, manual_upgrade())),
        ("DispatchGone", by(Kind::ConnectionAborted, runtime_gone())),
        ("AbortedByCallback", Not("only hyper's C interface has callbacks")),
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
                By(kind, provoked) => (kind, provoked),
                In(other) => {
                    assert!(["Parse", "Header", "User"].contains(&other));
                    continue;
                }
                Not(reason) => {
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

async fn unasked() -> BoxError {
    http1(Script::new().write("HTTP/1.1 200 OK\r\n\r\n").hang()).await.own_error().await
}

async fn after_the_end() -> BoxError {
    let mut connection = http1(Script::new().close()).await;
    let _ = soon(connection.connection).await.unwrap();
    connection.sender.send_request(get()).await.unwrap_err().into()
}

async fn not_ready() -> BoxError {
    let mut connection = http1(Script::new().close()).await;
    let _ = soon(connection.connection).await.unwrap();
    connection.sender.ready().await.unwrap_err().into()
}

fn endless() -> pipe::Body {
    let frames = stream::repeat_with(|| Ok(http_body::Frame::data(bytes::Bytes::from(vec![0; 100_000]))));
    StreamBody::new(frames).boxed_unsync()
}

async fn cut_upload() -> BoxError {
    let mut connection = http1(Script::new().read_head().reset()).await;
    let response = connection.sender.send_request(upload(endless()));
    let (response, own) = soon(async { tokio::join!(response, connection.connection) }).await;
    assert!(response.is_err());
    own.unwrap().unwrap_err().into()
}

/// A pipe whose shutdown fails.
struct NoGoodbye(TokioIo<DuplexStream>);

impl hyper::rt::Read for NoGoodbye {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for NoGoodbye {
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

async fn no_goodbye() -> BoxError {
    let (client, _peer) = tokio::io::duplex(1024);
    let io = NoGoodbye(TokioIo::new(client));
    let (sender, connection) = hyper::client::conn::http1::handshake::<_, pipe::Body>(io).await.unwrap();
    drop(sender);
    soon(connection).await.unwrap_err().into()
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
    soon(hyper::upgrade::on(response)).await.unwrap_err().into()
}

async fn runtime_gone() -> BoxError {
    let mut connection = http1(Script::new().read_request().hang()).await;
    let response = connection.sender.send_request(get());
    let cut = async {
        pipe::all_wait().await;
        connection.connection.abort();
    };
    let (response, ()) = soon(async { tokio::join!(response, cut) }).await;
    response.unwrap_err().into()
}
