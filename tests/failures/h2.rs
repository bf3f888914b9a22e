//! Every error of the locked version of h2, provoked where a client or its peer can provoke it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower_outbound::{BoxError, Failure, Kind};

use crate::locked::{constants, source, variants};
use crate::pipe::{self, Then, get, http2_error, http2_upload_error, peer_of_http2, upload, within_an_hour};
use outbound_tests::faults::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, OK, PING, PRIORITY, SETTINGS, WINDOW_UPDATE,
    frame, goaway, header, rst_stream,
};

/// The error codes of RFC 9113, section 7, and the kind of a stream reset with the code before the head.
const REASONS: [(&str, u32, Kind); 14] = [
    ("NO_ERROR", 0, Kind::StreamReset),
    ("PROTOCOL_ERROR", 1, Kind::StreamReset),
    ("INTERNAL_ERROR", 2, Kind::StreamReset),
    ("FLOW_CONTROL_ERROR", 3, Kind::StreamReset),
    ("SETTINGS_TIMEOUT", 4, Kind::StreamReset),
    ("STREAM_CLOSED", 5, Kind::StreamReset),
    ("FRAME_SIZE_ERROR", 6, Kind::StreamReset),
    ("REFUSED_STREAM", 7, Kind::StreamRefused),
    ("CANCEL", 8, Kind::StreamReset),
    ("COMPRESSION_ERROR", 9, Kind::StreamReset),
    ("CONNECT_ERROR", 10, Kind::StreamReset),
    ("ENHANCE_YOUR_CALM", 11, Kind::StreamReset),
    ("INADEQUATE_SECURITY", 12, Kind::StreamReset),
    ("HTTP_1_1_REQUIRED", 13, Kind::StreamReset),
];

fn assert_debug_contains(error: &BoxError, part: &str) {
    assert!(format!("{error:?}").contains(part), "no {part} in {error:?}");
}

fn kind(error: &BoxError) -> Kind {
    Failure::of(&**error).kind()
}

#[test]
fn h2_error_lists_match_locked_version() {
    let error = source("h2", "src/error.rs");
    // The tests below provoke `Reason`, `User` and `Io`.
    assert_eq!(variants(&error, "Kind"), ["Reset", "GoAway", "Reason", "User", "Io"]);
    let proto = source("h2", "src/proto/error.rs");
    assert_eq!(variants(&proto, "Error"), ["Reset", "GoAway", "Io"]);
    assert_eq!(variants(&proto, "Initiator"), ["User", "Library", "Remote"]);
    let reasons: Vec<_> = REASONS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(constants(&source("h2", "src/frame/reason.rs"), "Reason"), reasons);
    let codec = source("h2", "src/codec/error.rs");
    assert_eq!(variants(&codec, "SendError"), ["Connection", "User"]);
    let names: Vec<_> = user_errors().into_iter().map(|(name, _)| name).collect();
    assert_eq!(variants(&codec, "UserError"), names);
    let names: Vec<_> = broken_frames().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(variants(&source("h2", "src/frame/mod.rs"), "Error"), names);
}

#[tokio::test(start_paused = true)]
async fn h2_stream_reset_before_head_is_classified_by_code() {
    for (name, code, expected) in REASONS {
        let error = http2_error(rst_stream(1, code), Then::Stay).await;
        assert_debug_contains(&error, &format!("Reset(StreamId(1), {name}, Remote)"));
        assert_eq!(kind(&error), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn h2_stream_reset_in_body_is_stream_reset_unless_hidden() {
    for (name, code, _) in REASONS {
        let head = frame(HEADERS, END_HEADERS, 1, OK);
        let frames = [head, frame(DATA, 0, 1, b"abc"), rst_stream(1, code)].concat();
        // hyper ends the body as if it were complete.
        let hidden = name == "NO_ERROR";
        let mut sender = pipe::http2(frames, Then::Stay).await;
        let response = within_an_hour(sender.send_request(get())).await.unwrap();
        match within_an_hour(response.into_body().collect()).await {
            Ok(whole) => assert!(hidden && whole.to_bytes() == "abc", "{name}"),
            Err(error) => {
                let refused = name == "REFUSED_STREAM";
                let expected = if refused { Kind::StreamRefused } else { Kind::StreamReset };
                assert_eq!((hidden, kind(&error.into())), (false, expected), "{name}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn h2_goaway_of_any_code_is_goaway() {
    for (name, code, _) in REASONS {
        let error = http2_error(goaway(0, code), Then::Stay).await;
        assert_debug_contains(&error, &format!("{name}, Remote)"));
        assert_eq!(kind(&error), Kind::GoAway, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn h2_peer_close_at_every_stage_is_response_ended() {
    let head = frame(HEADERS, END_HEADERS, 1, OK);
    let begun = [head.clone(), frame(DATA, 0, 1, b"abc")].concat();
    for frames in [Vec::new(), head[..9].to_vec(), head[..5].to_vec(), head, begun] {
        let error = http2_error(frames.clone(), Then::Close).await;
        assert_eq!(kind(&error), Kind::ResponseEnded, "after {frames:?}: {error:?}");
    }
}

/// Frames that cause each decoding error of h2, and its kind.
fn broken_frames() -> Vec<(&'static str, Vec<u8>, Kind)> {
    let head = || frame(HEADERS, END_HEADERS, 1, OK);
    let upper = [OK.to_vec(), header("Upper", "x")].concat();
    vec![
        ("BadFrameSize", frame(PING, 0, 0, &[0; 7]), Kind::Protocol),
        // PADDED, with more padding than payload.
        ("TooMuchPadding", [head(), frame(DATA, 8, 1, &[9, 0])].concat(), Kind::Protocol),
        // ENABLE_PUSH = 2.
        ("InvalidSettingValue", frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2]), Kind::Protocol),
        ("InvalidWindowUpdateValue", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), Kind::Protocol),
        ("InvalidPayloadLength", frame(SETTINGS, 0, 0, &[0; 5]), Kind::Protocol),
        ("InvalidPayloadAckSettings", frame(SETTINGS, ACK, 0, &[0; 6]), Kind::Protocol),
        ("InvalidStreamId", frame(SETTINGS, 0, 1, &[]), Kind::Protocol),
        ("MalformedMessage", frame(HEADERS, END_HEADERS, 1, &upper), Kind::Protocol),
        ("HeaderListWayTooLarge", large_head(40), Kind::LimitExceeded),
        // A stream that depends on itself.
        ("InvalidDependencyId", frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0]), Kind::Protocol),
        // An index that is in no HPACK table.
        ("Hpack", frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0xff, 0x7f]), Kind::Protocol),
    ]
}

/// A head with this many CONTINUATION frames of about 1 kB.
fn large_head(fields: usize) -> Vec<u8> {
    let value = "y".repeat(100);
    let field: Vec<u8> = (0..9).flat_map(|_| header("x-field", &value)).collect();
    let mut frames = frame(HEADERS, 0, 1, OK);
    for _ in 0..fields {
        frames.extend(frame(CONTINUATION, 0, 1, &field));
    }
    frames.extend(frame(CONTINUATION, END_HEADERS, 1, &[]));
    frames
}

#[tokio::test(start_paused = true)]
async fn h2_undecodable_frame_is_protocol_or_limit_exceeded() {
    for (name, frames, expected) in broken_frames() {
        let error = http2_error(frames, Then::Stay).await;
        assert_debug_contains(&error, "Library)");
        assert_eq!(kind(&error), expected, "{name}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn h2_forbidden_frame_is_protocol_or_limit_exceeded() {
    let head = || frame(HEADERS, END_HEADERS, 1, OK);
    let with = |fields: &[(&str, &str)]| {
        let fields = fields.iter().flat_map(|(name, value)| header(name, value));
        frame(HEADERS, END_HEADERS, 1, &OK.iter().copied().chain(fields).collect::<Vec<_>>())
    };
    let long = |flags| frame(DATA, flags, 1, b"abcdef");
    let cases = [
        ("a head slightly above the limit", large_head(20), Kind::LimitExceeded),
        ("data before the head", frame(DATA, 0, 1, b"abc"), Kind::Protocol),
        ("data on an idle stream", frame(DATA, 0, 9, b"abc"), Kind::Protocol),
        (
            "an overflow of the stream's window",
            frame(WINDOW_UPDATE, 0, 1, &[0x7f, 255, 255, 255]),
            Kind::Protocol,
        ),
        (
            "an overflow of the connection's window",
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]),
            Kind::Protocol,
        ),
        ("a bad content-length", with(&[("content-length", "three")]), Kind::Protocol),
        ("a longer body", [with(&[("content-length", "3")]), long(0)].concat(), Kind::Protocol),
        ("a shorter body", [with(&[("content-length", "9")]), long(END_STREAM)].concat(), Kind::Protocol),
        ("a connection header", with(&[("connection", "close")]), Kind::Protocol),
        ("a server push", frame(5, END_HEADERS, 1, &[0, 0, 0, 2, 0x82]), Kind::Protocol),
        ("a frame above the maximum size", frame(DATA, 0, 1, &[0; 16_385]), Kind::Protocol),
        ("a head within a head", [frame(HEADERS, 0, 1, OK), head()].concat(), Kind::Protocol),
    ];
    for (what, frames, expected) in cases {
        // The upload never ends: the stream is open in both directions.
        let request = upload(StreamBody::new(stream::pending()).boxed_unsync());
        let error = http2_upload_error(request, frames, Then::Stay).await;
        assert_debug_contains(&error, "Library)");
        assert_eq!(kind(&error), expected, "{what}: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn h2_peer_speaking_http1_is_protocol_error() {
    let (client, mut peer) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        peer.read_exact(&mut [0; 24]).await.unwrap();
        pipe::all_idle().await;
        peer.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        tokio::io::copy(&mut peer, &mut tokio::io::sink()).await
    });
    let io = hyper_util::rt::TokioIo::new(client);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let error = within_an_hour(pipe::error(sender.send_request(get()))).await;
    assert_debug_contains(&error, "FRAME_SIZE_ERROR, Library)");
    assert_eq!(kind(&error), Kind::Protocol);
}

#[tokio::test(start_paused = true)]
async fn h2_failing_request_body_is_request_body() {
    let frames = stream::iter([
        Ok(http_body::Frame::data(Bytes::from("abc"))),
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()),
    ]);
    let request = upload(StreamBody::new(frames).boxed_unsync());
    let error = http2_upload_error(request, Vec::new(), Then::Stay).await;
    assert_debug_contains(&error, ", User)");
    assert_eq!(kind(&error), Kind::RequestBody);
}

#[tokio::test(start_paused = true)]
async fn h2_unanswered_keep_alive_ping_is_response_timeout() {
    let (client, mut peer) = tokio::io::duplex(1 << 16);
    let (mut sender, connection) =
        hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
            .timer(hyper_util::rt::TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(1))
            .handshake(hyper_util::rt::TokioIo::new(client))
            .await
            .unwrap();
    tokio::spawn(async move { tokio::io::copy(&mut peer, &mut tokio::io::sink()).await });
    let attempt = pipe::error(sender.send_request(get()));
    let (request, own) = within_an_hour(async { tokio::join!(attempt, connection) }).await;
    assert_eq!(kind(&own.unwrap_err().into()), Kind::ResponseTimeout);
    assert_eq!(kind(&request), Kind::ResponseTimeout, "{request:?}");
}

type ErrorFuture = Pin<Box<dyn Future<Output = h2::Error>>>;

/// h2's errors for wrong use by its caller. hyper prevents most of them.
fn user_errors() -> Vec<(&'static str, Result<ErrorFuture, &'static str>)> {
    const SERVER: &str = "only a server causes it";
    vec![
        ("InactiveStreamId", Err("h2 keeps a stream while a handle exists")),
        ("UnexpectedFrameType", Ok(Box::pin(data_after_end_of_stream()))),
        ("PayloadTooBig", Err("h2 splits data at the window")),
        ("Rejected", Err("hyper waits until the connection is ready")),
        ("ReleaseCapacityTooBig", Err("hyper releases only capacity that it has received")),
        ("OverflowedStreamId", Err("it takes a billion streams, and hyper closes the connection first")),
        ("MalformedHeaders", Ok(Box::pin(request("http://example.test/", Some("connection"))))),
        ("MissingUriSchemeAndAuthority", Ok(Box::pin(request("/", None)))),
        ("PollResetAfterSendResponse", Err(SERVER)),
        ("SendPingWhilePending", Ok(Box::pin(two_pings()))),
        ("SendSettingsWhilePending", Ok(Box::pin(two_settings()))),
        ("PeerDisabledServerPush", Err(SERVER)),
        ("InvalidInformationalStatusCode", Err(SERVER)),
    ]
}

#[tokio::test(start_paused = true)]
async fn h2_user_error_is_invalid_request() {
    for (name, provoked) in user_errors() {
        match provoked {
            Err(reason) => assert!(!reason.is_empty(), "{name}"),
            Ok(provoked) => {
                let error: BoxError = provoked.await.into();
                assert_debug_contains(&error, &format!("User({name})"));
                assert_eq!(kind(&error), Kind::InvalidRequest, "{name}");
            }
        }
    }
}

#[test]
fn h2_bare_code_is_protocol_error() {
    let error: BoxError = h2::Error::from(h2::Reason::REFUSED_STREAM).into();
    assert_debug_contains(&error, "Reason(REFUSED_STREAM)");
    assert_eq!(kind(&error), Kind::Protocol, "the code does not show who sent it");
}

struct Client {
    sender: h2::client::SendRequest<Bytes>,
    connection: h2::client::Connection<tokio::io::DuplexStream>,
}

async fn client(builder: &h2::client::Builder) -> Client {
    let (client, peer) = tokio::io::duplex(1 << 16);
    tokio::spawn(peer_of_http2(peer, Vec::new(), Then::Stay));
    let (sender, connection) = builder.handshake(client).await.unwrap();
    Client { sender, connection }
}

async fn request(uri: &'static str, header: Option<&'static str>) -> h2::Error {
    let mut client = client(&h2::client::Builder::new()).await;
    let mut request = Request::get(uri).version(http::Version::HTTP_2);
    if let Some(header) = header {
        request = request.header(header, "close");
    }
    client.sender.send_request(request.body(()).unwrap(), true).map(drop).expect_err(uri)
}

async fn data_after_end_of_stream() -> h2::Error {
    let mut client = client(&h2::client::Builder::new()).await;
    let request = Request::post("http://example.test/").body(()).unwrap();
    let (_response, mut stream) = client.sender.send_request(request, false).unwrap();
    stream.send_data(Bytes::from("abc"), true).unwrap();
    stream.send_data(Bytes::from("abc"), true).unwrap_err()
}

async fn two_pings() -> h2::Error {
    let mut client = client(&h2::client::Builder::new()).await;
    let mut pings = client.connection.ping_pong().unwrap();
    pings.send_ping(h2::Ping::opaque()).unwrap();
    pings.send_ping(h2::Ping::opaque()).unwrap_err()
}

async fn two_settings() -> h2::Error {
    let mut client = client(&h2::client::Builder::new()).await;
    client.connection.set_initial_window_size(70_000).unwrap_err()
}
