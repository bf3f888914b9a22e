//! The body of the request that meets a fault.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::{Request, Uri};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use tower_outbound::BoxError;

use crate::gate::Gate;

/// The body of a request.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The kind of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// No body: a GET.
    None,
    /// 1,000 bytes of 2,000, then pending forever.
    Unfinished,
    /// Frames of 16 KiB without an end.
    Endless,
    /// 1,000 bytes of 2,000, and an error when the gate opens.
    Failing,
}

impl Upload {
    /// GET without a body, POST with one.
    #[must_use]
    pub fn method(self) -> &'static str {
        if self == Upload::None { "GET" } else { "POST" }
    }

    /// The request.
    ///
    /// # Panics
    /// If `uri` is no target of a request.
    #[must_use]
    pub fn request(self, uri: &Uri, gate: &Gate) -> Request<Body> {
        let body = match self {
            Upload::None => Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync(),
            Upload::Unfinished => StreamBody::new(begun().chain(stream::pending())).boxed_unsync(),
            Upload::Endless => endless(),
            Upload::Failing => failing(gate.clone()),
        };
        let mut request = Request::builder().method(self.method()).uri(uri);
        if matches!(self, Upload::Unfinished | Upload::Failing) {
            request = request.header("content-length", 2_000);
        }
        request.body(body).expect("a valid URI")
    }
}

fn begun() -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> {
    stream::iter([Ok(Frame::data(Bytes::from_static(&[b'u'; 1_000])))])
}

fn failing(gate: Gate) -> Body {
    let fails = stream::once(async move {
        gate.wait().await;
        Err(std::io::Error::other("the file is gone").into())
    });
    StreamBody::new(begun().chain(fails)).boxed_unsync()
}

fn endless() -> Body {
    let part = || Ok(Frame::data(Bytes::from_static(&[b'u'; 16_384])));
    StreamBody::new(stream::repeat_with(part)).boxed_unsync()
}
