//! Every wrapper forwards every method of what it wraps, and is what callers must be able to rely on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use hyper::rt::{Read, ReadBuf, Write};
use hyper_util::client::legacy::connect::{Connected, Connection as Connect};
use outbound_tests::recorder::Recorder;
use tower::{Service, ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound as outbound;
use tower_outbound::{BoxError, ObserveBody, ObserveRequestBody, Timings, TrackLayer, TrackedIo};

use crate::support::recorded;

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

// === IO ===

/// Answers as it is told, and keeps what it was asked.
#[derive(Clone, Default)]
struct MockIo {
    asked: Arc<Mutex<Vec<String>>>,
    reads: Arc<Mutex<VecDeque<Poll<io::Result<&'static [u8]>>>>>,
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
        mut buf: hyper::rt::ReadBufCursor<'_>,
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

/// The mock behind a tracked connector, whose connections a recorder watches.
async fn tracked(mock: &MockIo) -> (TrackedIo<MockIo>, outbound::Outbound, Recorder) {
    let (outbound, recorder) = recorded();
    let mock = mock.clone();
    let connector = service_fn(move |_: Uri| std::future::ready(Ok::<_, io::Error>(mock.clone())));
    let track = TrackLayer::new(outbound.registry().clone()).layer(connector);
    let io = track.oneshot(Uri::from_static("http://peer.test/")).await.unwrap();
    (io, outbound, recorder)
}

/// One read into a buffer of 8 bytes.
fn read(io: &mut TrackedIo<MockIo>) -> Poll<io::Result<Vec<u8>>> {
    let mut space = [0; 8];
    let mut buf = ReadBuf::new(&mut space);
    Pin::new(io).poll_read(&mut context(), buf.unfilled()).map_ok(|()| buf.filled().to_vec())
}

#[tokio::test]
async fn tracked_io_forwards_every_kind_of_write_and_counts_it() {
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
async fn tracked_io_is_write_vectored_when_its_inside_is() {
    for vectored in [false, true] {
        let (io, ..) = tracked(&MockIo { vectored, ..MockIo::default() }).await;
        assert_eq!(io.is_write_vectored(), vectored);
    }
}

#[tokio::test]
async fn tracked_io_forwards_what_it_reads_and_the_end() {
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
async fn tracked_io_says_what_its_inside_says_of_the_connection_and_adds_the_record() {
    let (io, ..) = tracked(&MockIo::default()).await;
    let connected = io.connected();
    assert!(connected.is_proxied() && connected.is_negotiated_h2());
    let mut extras = http::Extensions::new();
    connected.get_extras(&mut extras);
    assert_eq!(extras.get::<MockExtra>(), Some(&MockExtra(7)));
    assert_eq!(
        extras.get::<outbound::Connection>().map(outbound::Connection::id),
        Some(io.connection().id())
    );
    assert_eq!(io.connection().protocol(), Some(outbound::Protocol::Http2), "as negotiated");
    assert!(!io.get_ref().is_write_vectored(), "the inside can be reached");
}

// === bodies ===

/// Frames of data that are no `Bytes`, then trailers; ends by `None`, or says so before.
#[derive(Debug)]
struct MockBody {
    frames: VecDeque<Result<Frame<io::Cursor<&'static [u8]>>, io::Error>>,
    hint: SizeHint,
    says_its_end: bool,
}

impl MockBody {
    fn new(hint: SizeHint, says_its_end: bool) -> MockBody {
        let data = |text: &'static str| Ok(Frame::data(io::Cursor::new(text.as_bytes())));
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("checksum"),
            HeaderValue::from_static("7"),
        )]);
        let frames = [data("abc"), data(""), data("defg"), Ok(Frame::trailers(trailers))];
        MockBody { frames: frames.into(), hint, says_its_end }
    }

    fn failing() -> MockBody {
        let mut body = MockBody::new(SizeHint::new(), false);
        body.frames.truncate(1);
        body.frames.push_back(Err(io::Error::other("mock")));
        body
    }
}

impl Body for MockBody {
    type Data = io::Cursor<&'static [u8]>;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, io::Error>>> {
        Poll::Ready(self.frames.pop_front())
    }

    fn is_end_stream(&self) -> bool {
        self.says_its_end && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint.clone()
    }
}

/// What a body gives until its end, each frame as text.
fn drain<B: Body<Error: std::fmt::Display>>(body: B) -> Vec<String> {
    let mut body = pin!(body);
    let mut seen = Vec::new();
    while let Poll::Ready(frame) = body.as_mut().poll_frame(&mut context()) {
        let Some(frame) = frame else { break };
        seen.push(match frame.map(Frame::into_data) {
            Ok(Ok(mut data)) => {
                let bytes: Bytes = data.copy_to_bytes(data.remaining());
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Ok(Err(frame)) => format!("{:?}", frame.into_trailers().ok().expect("data or trailers")),
            Err(error) => format!("error: {error}"),
        });
    }
    seen
}

fn hints() -> [SizeHint; 3] {
    let mut bounded = SizeHint::new();
    bounded.set_lower(3);
    bounded.set_upper(9);
    [SizeHint::new(), bounded, SizeHint::with_exact(7)]
}

fn bounds(hint: &SizeHint) -> (u64, Option<u64>) {
    (hint.lower(), hint.upper())
}

const FRAMES: [&str; 4] = ["abc", "", "defg", "{\"checksum\": \"7\"}"];

/// Sends `request` and gets `response` through an observe layer; returns both as they come out.
async fn observe(
    request: MockBody,
    response: MockBody,
) -> (ObserveRequestBody<MockBody>, Response<ObserveBody<MockBody>>, Recorder) {
    let (outbound, recorder) = recorded();
    let (send, taken) = tokio::sync::oneshot::channel();
    let mut exchange = Some((send, response));
    let inner = service_fn(move |request: Request<ObserveRequestBody<MockBody>>| {
        let (send, response) = exchange.take().expect("one request");
        send.send(request.into_body()).expect("the test waits for it");
        std::future::ready(Ok::<_, BoxError>(Response::new(response)))
    });
    let request = Request::post("http://peer.test/").body(request).unwrap();
    let response = outbound.layer().layer(inner).oneshot(request).await.unwrap();
    (taken.await.unwrap(), response, recorder)
}

#[tokio::test]
async fn observed_bodies_forward_their_size_and_their_end() {
    for hint in hints() {
        for says_its_end in [false, true] {
            let body = || MockBody::new(hint.clone(), says_its_end);
            let (mut request, response, _recorder) = observe(body(), body()).await;
            let mut response = response.into_body();
            assert_eq!(bounds(&request.size_hint()), bounds(&hint));
            assert_eq!(bounds(&response.size_hint()), bounds(&hint));
            for left in (0..FRAMES.len()).rev() {
                assert!(!request.is_end_stream() && !response.is_end_stream());
                assert!(Pin::new(&mut request).poll_frame(&mut context()).is_ready());
                assert!(Pin::new(&mut response).poll_frame(&mut context()).is_ready());
                let ended = says_its_end && left == 0;
                assert_eq!((request.is_end_stream(), response.is_end_stream()), (ended, ended));
            }
        }
    }
}

#[tokio::test]
async fn observed_bodies_forward_every_frame_trailers_too_and_count_the_data() {
    for says_its_end in [false, true] {
        let body = || MockBody::new(SizeHint::new(), says_its_end);
        let (request, response, recorder) = observe(body(), body()).await;
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        assert_eq!(drain(request), FRAMES);
        assert!(!timings.is_complete());
        assert_eq!(drain(response.into_body()), FRAMES);
        assert_eq!(timings.exchange().request_body_bytes(), 7);
        assert_eq!(timings.exchange().response_body_bytes(), 7);
        assert_eq!(recorder.outcomes(), ["ok"]);
        recorder.assert_balanced();
    }
}

#[tokio::test]
async fn observed_bodies_forward_errors_the_response_s_as_one_of_ours_around_it() {
    let (request, response, recorder) = observe(MockBody::failing(), MockBody::failing()).await;
    assert_eq!(drain(request), ["abc", "error: mock"]);
    let mut body = pin!(response.into_body());
    let mut poll = || body.as_mut().poll_frame(&mut context());
    assert!(matches!(poll(), Poll::Ready(Some(Ok(_)))));
    let Poll::Ready(Some(Err(error))) = poll() else { panic!("no error") };
    assert_eq!(error.into_source().unwrap().downcast_ref::<io::Error>().unwrap().to_string(), "mock");
    assert_eq!(recorder.outcomes(), ["_OTHER in body"]);
    recorder.assert_balanced();
}

#[tokio::test]
async fn observed_bodies_show_their_inside() {
    let body = || MockBody::new(SizeHint::with_exact(7), true);
    let (request, response, _recorder) = observe(body(), body()).await;
    assert_eq!(request.get_ref().frames.len(), FRAMES.len());
    assert_eq!(response.body().get_ref().frames.len(), FRAMES.len());
}

#[tokio::test]
async fn layers_forward_readiness_and_its_failure() {
    /// Ready at the second question, or never.
    struct Slow {
        questions: usize,
        fails: bool,
    }

    impl<R> Service<R> for Slow {
        type Response = Response<MockBody>;
        type Error = io::Error;
        type Future = std::future::Ready<io::Result<Self::Response>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.questions += 1;
            match (self.questions, self.fails) {
                (1, _) => Poll::Pending,
                (_, true) => Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into())),
                (_, false) => Poll::Ready(Ok(())),
            }
        }

        fn call(&mut self, _: R) -> Self::Future {
            unreachable!("only asked whether it is ready")
        }
    }

    let stack = outbound::Outbound::new();
    let cx = &mut context();
    for fails in [false, true] {
        let slow = || Slow { questions: 0, fails };
        let mut observe = stack.layer().layer(slow());
        let mut ready = || Service::<Request<MockBody>>::poll_ready(&mut observe, &mut context());
        assert!(ready().is_pending());
        match ready() {
            Poll::Ready(Ok(())) => assert!(!fails),
            Poll::Ready(Err(error)) => {
                assert!(fails);
                assert_eq!(error.failure().kind(), outbound::Kind::ConnectionRefused);
            }
            Poll::Pending => panic!("not forwarded"),
        }
        let mut phased = outbound::PhaseLayer::connect(stack.registry()).layer(slow());
        assert!(Service::<Uri>::poll_ready(&mut phased, cx).is_pending());
        assert!(
            matches!(Service::<Uri>::poll_ready(&mut phased, cx), Poll::Ready(ready) if ready.is_err() == fails)
        );
        let mut phased = outbound::PhaseLayer::dns().layer(slow());
        assert!(Service::<String>::poll_ready(&mut phased, cx).is_pending());
        let Poll::Ready(ready) = Service::<String>::poll_ready(&mut phased, cx) else {
            panic!("not forwarded")
        };
        assert_eq!(ready.is_err(), fails);
        if let Err(error) = ready {
            let failure = outbound::Failure::of(&*error);
            assert_eq!(failure.kind(), outbound::Kind::ConnectionRefused);
            assert_eq!(failure.phase(), Some(outbound::Phase::Dns));
        }
    }
}

// === what callers rely on, seen by the compiler ===

fn shared<T: Send + Sync + 'static>() {}
fn handle<T: Clone + Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
fn future<T: Future + Send + 'static>() {}
fn sync_body<T: Body + Send + Sync + Unpin + 'static>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn every_public_type_is_send_and_what_is_shared_is_sync_and_clone() {
    type Inner = std::future::Ready<Result<Response<MockBody>, Infallible>>;
    type Connector = outbound::Track<outbound::TcpConnector>;

    handle::<outbound::Outbound>();
    handle::<outbound::OutboundClient>();
    handle::<outbound::Registry>();
    handle::<outbound::Call>();
    handle::<outbound::Exchange>();
    handle::<outbound::Connection>();
    handle::<outbound::Setup>();
    handle::<outbound::Origin>();
    handle::<outbound::Timings>();
    handle::<outbound::Failure>();
    handle::<outbound::Outcome>();
    handle::<outbound::Closed>();
    handle::<outbound::Use>();
    handle::<outbound::TlsInfo>();
    handle::<outbound::SetupPhase>();
    handle::<outbound::Cumulative>();
    handle::<outbound::ObserveLayer>();
    handle::<outbound::TrackLayer>();
    handle::<outbound::PhaseLayer>();
    handle::<outbound::Observe<outbound::OutboundClient>>();
    handle::<Connector>();
    handle::<outbound::Event<'static>>();
    handle::<outbound::RequestHead<'static>>();
    handle::<outbound::ResponseHead<'static>>();
    shared::<outbound::Slot<std::cell::Cell<u8>>>();
    shared::<outbound::OutboundBuilder>();
    shared::<outbound::ClientBuilder>();

    future::<outbound::ClientFuture>();
    future::<outbound::ObserveFuture<Inner>>();
    future::<<Connector as Service<Uri>>::Future>();
    future::<<outbound::TcpConnector as Service<Uri>>::Future>();

    sync_body::<outbound::ResponseBody>();
    sync_body::<ObserveBody<MockBody>>();
    sync_body::<ObserveRequestBody<MockBody>>();
    shared::<TrackedIo<MockIo>>();

    error::<outbound::Error>();
    error::<outbound::ConnectError>();
    error::<outbound::PhaseError>();
}

#[test]
fn futures_and_io_can_be_moved_when_what_they_hold_can() {
    fn unpin<T: Unpin>() {}
    unpin::<outbound::ClientFuture>();
    unpin::<outbound::RequestBody>();
    unpin::<TrackedIo<MockIo>>();
    // hyper-util asks this of every connector's future.
    unpin::<<outbound::Track<outbound::TcpConnector> as Service<Uri>>::Future>();
}

#[test]
fn the_client_takes_bodies_that_are_not_sync() {
    fn takes<B>()
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
        outbound::OutboundClient: Service<Request<B>, Error = outbound::Error>,
    {
    }
    takes::<http_body_util::combinators::UnsyncBoxBody<Bytes, io::Error>>();
    takes::<MockBody>();
    takes::<String>();
}
