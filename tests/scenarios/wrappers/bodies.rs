//! The bodies of an observed request and of its response.

use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use outbound_tests::recorder::Recorder;
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::limit::InFlightLimitBody;
use tower_outbound::observe::{ObserveBody, ObserveRequestBody};
use tower_outbound::{BoxError, Outbound, Timings};

use super::context;
use crate::support::recorded;

/// Frames whose data is not `Bytes`, then trailers. It ends with `None`, or reports its end before by `is_end_stream`.
#[derive(Debug)]
pub(super) struct MockBody {
    frames: VecDeque<Result<Frame<io::Cursor<&'static [u8]>>, io::Error>>,
    hint: SizeHint,
    reports_end: bool,
}

impl MockBody {
    fn new(hint: SizeHint, reports_end: bool) -> MockBody {
        let data = |text: &'static str| Ok(Frame::data(io::Cursor::new(text.as_bytes())));
        let trailers =
            HeaderMap::from_iter([(HeaderName::from_static("checksum"), HeaderValue::from_static("7"))]);
        let frames = [data("abc"), data(""), data("defg"), Ok(Frame::trailers(trailers))];
        MockBody { frames: frames.into(), hint, reports_end }
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
        self.reports_end && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// All frames of a body, as text.
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

/// Passes both bodies through an observe layer.
async fn observe(
    request: MockBody,
    response: MockBody,
) -> (ObserveRequestBody<MockBody>, Response<ObserveBody<MockBody>>, Recorder) {
    let (outbound, recorder) = recorded();
    let (send, taken) = tokio::sync::oneshot::channel();
    let mut attempt = Some((send, response));
    let inner = service_fn(move |request: Request<ObserveRequestBody<MockBody>>| {
        let (send, response) = attempt.take().expect("one request");
        send.send(request.into_body()).expect("the test waits for it");
        std::future::ready(Ok::<_, BoxError>(Response::new(response)))
    });
    let request = Request::post("http://peer.test/").body(request).unwrap();
    let layer = outbound.observe_layer();
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    (taken.await.unwrap(), response, recorder)
}

#[tokio::test]
async fn observed_bodies_forward_size_hint_and_end() {
    for hint in hints() {
        for reports_end in [false, true] {
            let body = || MockBody::new(hint, reports_end);
            let (mut request, response, _recorder) = observe(body(), body()).await;
            let mut response = response.into_body();
            assert_eq!(bounds(&request.size_hint()), bounds(&hint));
            assert_eq!(bounds(&response.size_hint()), bounds(&hint));
            for left in (0..FRAMES.len()).rev() {
                assert!(!request.is_end_stream() && !response.is_end_stream());
                assert!(Pin::new(&mut request).poll_frame(&mut context()).is_ready());
                assert!(Pin::new(&mut response).poll_frame(&mut context()).is_ready());
                let ended = reports_end && left == 0;
                assert_eq!((request.is_end_stream(), response.is_end_stream()), (ended, ended));
            }
        }
    }
}

#[tokio::test]
async fn observed_bodies_forward_all_frames_and_count_data() {
    for reports_end in [false, true] {
        let body = || MockBody::new(SizeHint::new(), reports_end);
        let (request, response, recorder) = observe(body(), body()).await;
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        assert_eq!(drain(request), FRAMES);
        assert!(!timings.is_complete());
        assert_eq!(drain(response.into_body()), FRAMES);
        assert_eq!(timings.attempt().request_body_bytes(), 7);
        assert_eq!(timings.attempt().response_body_bytes(), 7);
        assert_eq!(recorder.outcomes(), ["ok"]);
        recorder.assert_balanced();
    }
}

#[tokio::test]
async fn observed_bodies_forward_errors_and_wrap_response_error() {
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

/// Passes the body through a limit of one request in flight.
async fn limit(response: MockBody) -> InFlightLimitBody<MockBody> {
    let inner = Arc::new(Mutex::new(Some(response)));
    let inner = service_fn(move |_: Request<()>| {
        let body = inner.lock().unwrap().take().expect("one request");
        std::future::ready(Ok::<_, BoxError>(Response::new(body)))
    });
    let layer = Outbound::new().in_flight_limit_layer().max_in_flight(1);
    let request = Request::get("http://peer.test/").body(()).unwrap();
    layer.layer(inner).oneshot(request).await.unwrap().into_body()
}

#[tokio::test]
async fn in_flight_body_forwards_frames_size_end_and_error() {
    for hint in hints() {
        for reports_end in [false, true] {
            let mut body = limit(MockBody::new(hint, reports_end)).await;
            assert_eq!(bounds(&body.size_hint()), bounds(&hint));
            for left in (0..FRAMES.len()).rev() {
                assert!(!body.is_end_stream());
                assert!(Pin::new(&mut body).poll_frame(&mut context()).is_ready());
                assert_eq!(body.is_end_stream(), reports_end && left == 0);
            }
        }
    }
    assert_eq!(drain(limit(MockBody::new(SizeHint::new(), false)).await), FRAMES);
    assert_eq!(drain(limit(MockBody::failing()).await), ["abc", "error: mock"]);
    assert_eq!(limit(MockBody::failing()).await.get_ref().frames.len(), 2);
    assert_eq!(limit(MockBody::failing()).await.into_inner().frames.len(), 2);
}

#[tokio::test]
async fn observed_bodies_expose_inner_body() {
    let body = || MockBody::new(SizeHint::with_exact(7), true);
    let (request, response, _recorder) = observe(body(), body()).await;
    assert_eq!(request.get_ref().frames.len(), FRAMES.len());
    assert_eq!(response.body().get_ref().unwrap().frames.len(), FRAMES.len());
}
