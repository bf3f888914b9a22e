//! The IO of a tracked connection.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection as Connect};
use outbound_tests::recorder::Recorder;
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::connect::{Protocol, TrackedIo, WithoutInfo};
use tower_outbound::{Connection, Outbound};

use super::context;
use crate::log::Lines;
use crate::support::recorded;

/// The result of one read.
type Reading = Poll<io::Result<&'static [u8]>>;

/// A scripted IO that records its calls.
#[derive(Clone, Default)]
pub(super) struct MockIo {
    asked: Arc<Mutex<Vec<String>>>,
    reads: Arc<Mutex<VecDeque<Reading>>>,
    vectored: bool,
    write_error: Option<io::ErrorKind>,
}

#[derive(Clone, Debug, PartialEq)]
struct MockExtra(u8);

impl MockIo {
    fn ask<T>(&self, what: impl Into<String>, answer: T) -> Poll<io::Result<T>> {
        self.asked.lock().unwrap().push(what.into());
        match self.write_error {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Poll::Ready(Ok(answer)),
        }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Read for MockIo {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let next = self.reads.lock().unwrap().pop_front().unwrap_or(Poll::Ready(Ok(b"")));
        next.map_ok(|bytes| buf.put_slice(bytes))
    }
}

impl Write for MockIo {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.ask(format!("write {}", String::from_utf8_lossy(buf)), buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let texts: Vec<_> = bufs.iter().map(|buf| String::from_utf8_lossy(buf)).collect();
        self.ask(format!("write {texts:?}"), bufs.iter().map(|buf| buf.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ask("flush", ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ask("shutdown", ())
    }
}

impl Connect for MockIo {
    fn connected(&self) -> Connected {
        Connected::new().extra(MockExtra(7)).proxy(true).negotiated_h2()
    }
}

/// The mock behind a tracked connector, with a recorder.
async fn tracked(mock: &MockIo) -> (TrackedIo<MockIo>, Outbound, Recorder) {
    let (outbound, recorder) = recorded();
    let mock = mock.clone();
    let connector = service_fn(move |_: Uri| std::future::ready(Ok::<_, io::Error>(mock.clone())));
    let track = outbound.track_layer().layer(connector);
    let io = track.oneshot(Uri::from_static("http://peer.test/")).await.unwrap();
    (io, outbound, recorder)
}

/// One read into a buffer of 8 bytes.
fn read(io: &mut (impl Read + Unpin)) -> Poll<io::Result<Vec<u8>>> {
    let mut space = [0; 8];
    let mut buf = ReadBuf::new(&mut space);
    Pin::new(io).poll_read(&mut context(), buf.unfilled()).map_ok(|()| buf.filled().to_vec())
}

#[tokio::test]
async fn tracked_io_forwards_and_counts_every_write() {
    let mock = MockIo { vectored: true, ..MockIo::default() };
    let (mut io, _outbound, recorder) = tracked(&mock).await;
    let cx = &mut context();
    let written = Pin::new(&mut io).poll_write(cx, b"abc");
    assert!(matches!(written, Poll::Ready(Ok(3))), "{written:?}");
    let slices = [IoSlice::new(b""), IoSlice::new(b"de"), IoSlice::new(b"fghi")];
    let written = Pin::new(&mut io).poll_write_vectored(cx, &slices);
    assert!(matches!(written, Poll::Ready(Ok(6))), "{written:?}");
    assert!(matches!(Pin::new(&mut io).poll_flush(cx), Poll::Ready(Ok(()))));
    assert!(matches!(Pin::new(&mut io).poll_shutdown(cx), Poll::Ready(Ok(()))));
    let expected = ["write abc", "write [\"\", \"de\", \"fghi\"]", "flush", "shutdown"];
    assert_eq!(mock.asked(), expected, "in one piece each, in order");
    assert_eq!((io.connection().bytes_out(), io.connection().bytes_in()), (9, 0));
    drop(io);
    recorder.settled().await;
}

#[tokio::test]
async fn io_without_info_is_tracked_and_forwards_all() {
    let mock = MockIo { vectored: true, ..MockIo::default() };
    mock.reads.lock().unwrap().push_back(Poll::Ready(Ok(&b"hello"[..])));
    let inner = mock.clone();
    let connector =
        service_fn(move |_: Uri| std::future::ready(Ok::<_, io::Error>(WithoutInfo::new(inner.clone()))));
    let outbound = Outbound::new();
    let mut io = outbound.connector(connector).oneshot(Uri::from_static("http://peer.test/")).await.unwrap();
    let connection = io.connection().clone();
    assert_eq!((connection.peer_addr(), connection.protocol()), (None, None), "nothing is named");
    let cx = &mut context();
    assert!(io.is_write_vectored());
    assert!(matches!(Pin::new(&mut io).poll_write(cx, b"abc"), Poll::Ready(Ok(3))));
    assert!(matches!(Pin::new(&mut io).poll_write_vectored(cx, &[IoSlice::new(b"de")]), Poll::Ready(Ok(2))));
    assert!(matches!(Pin::new(&mut io).poll_flush(cx), Poll::Ready(Ok(()))));
    assert!(matches!(Pin::new(&mut io).poll_shutdown(cx), Poll::Ready(Ok(()))));
    assert_eq!(mock.asked(), ["write abc", "write [\"de\"]", "flush", "shutdown"]);
    assert!(matches!(read(&mut io), Poll::Ready(Ok(bytes)) if bytes == b"hello"));
    assert_eq!((connection.bytes_out(), connection.bytes_in()), (5, 5));
    assert!(io.get_mut().get_mut().vectored && io.into_inner().into_inner().vectored);
    assert!(outbound.connections().is_empty(), "the record has ended");
}

#[tokio::test]
async fn tracked_io_write_vectored_follows_inner() {
    for vectored in [false, true] {
        let (io, ..) = tracked(&MockIo { vectored, ..MockIo::default() }).await;
        assert_eq!(io.is_write_vectored(), vectored);
    }
}

#[tokio::test]
async fn tracked_io_forwards_reads_and_end() {
    let mock = MockIo::default();
    let reads = [Poll::Pending, Poll::Ready(Ok(&b"hello"[..])), Poll::Ready(Ok(&b"12345678"[..]))];
    mock.reads.lock().unwrap().extend(reads);
    let (mut io, _outbound, recorder) = tracked(&mock).await;
    assert!(read(&mut io).is_pending());
    assert_eq!(io.connection().last_read(), None);
    assert!(matches!(read(&mut io), Poll::Ready(Ok(bytes)) if bytes == b"hello"));
    assert!(matches!(read(&mut io), Poll::Ready(Ok(bytes)) if bytes == b"12345678"), "a full buffer");
    assert_eq!(io.connection().bytes_in(), 13);
    assert!(matches!(read(&mut io), Poll::Ready(Ok(bytes)) if bytes.is_empty()), "the end");
    drop(io);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["peer_closed"]);
}

#[tokio::test]
async fn tracked_io_forwards_errors() {
    let mock = MockIo { write_error: Some(io::ErrorKind::BrokenPipe), ..MockIo::default() };
    mock.reads.lock().unwrap().push_back(Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())));
    let (mut io, _outbound, recorder) = tracked(&mock).await;
    let cx = &mut context();
    let slices = [IoSlice::new(b"a")];
    let kinds = [
        read(&mut io).map_ok(drop),
        Pin::new(&mut io).poll_write(cx, b"a").map_ok(drop),
        Pin::new(&mut io).poll_write_vectored(cx, &slices).map_ok(drop),
        Pin::new(&mut io).poll_flush(cx),
        Pin::new(&mut io).poll_shutdown(cx),
    ]
    .map(|result| match result {
        Poll::Ready(Err(error)) => error.kind(),
        other => panic!("no error: {other:?}"),
    });
    let broken = io::ErrorKind::BrokenPipe;
    assert_eq!(kinds, [io::ErrorKind::ConnectionReset, broken, broken, broken, broken]);
    assert_eq!(io.connection().bytes_out(), 0);
    drop(io);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["error"]);
}

#[tokio::test]
async fn tracked_io_error_while_closing_is_in_the_log() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_env_filter("off,tower_outbound=debug").with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(lines.clone()).finish());
    for error in [None, Some(io::ErrorKind::BrokenPipe)] {
        let mock = MockIo { write_error: error, ..MockIo::default() };
        let (mut io, ..) = tracked(&mock).await;
        let id = io.connection().id();
        let _ = Pin::new(&mut io).poll_shutdown(&mut context());
        drop(io);
        let log = lines.text();
        let logged = |line: &&str| {
            let parts = ["DEBUG", "error while closing", &format!("connection={id} "), "error=broken pipe"];
            parts.iter().all(|part| line.contains(part))
        };
        assert_eq!(log.lines().filter(logged).count(), usize::from(error.is_some()), "{log}");
    }
}

#[tokio::test]
async fn tracked_io_connected_keeps_inner_and_adds_record() {
    let (io, ..) = tracked(&MockIo::default()).await;
    let connected = io.connected();
    assert!(connected.is_proxied() && connected.is_negotiated_h2());
    let mut extras = http::Extensions::new();
    connected.get_extras(&mut extras);
    assert_eq!(extras.get::<MockExtra>(), Some(&MockExtra(7)));
    assert_eq!(extras.get::<Connection>().map(Connection::id), Some(io.connection().id()));
    assert_eq!(io.connection().protocol(), Some(Protocol::Http2), "as negotiated");
    assert!(!io.get_ref().is_write_vectored(), "the inside can be reached");
}
