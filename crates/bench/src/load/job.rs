//! One request, and what is expected of its response.

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};

use super::Up;
use crate::server::Addresses;
use crate::settings::Traffic;

/// The length of a request's body and of a response's, unless the traffic is about frames.
const KIB: usize = 1 << 10;
const FRAMES: u64 = 64;
/// The length of a large body.
pub(crate) const BIG: usize = 3 << 20;
/// The frames of a large request's body.
const BIG_FRAMES: u64 = 48;

/// Makes the requests of one traffic.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) traffic: Traffic,
    uri: Uri,
    frame: Bytes,
    frames: u64,
    /// The length of each response's body.
    pub(crate) expected: usize,
}

impl Job {
    pub(crate) fn new(traffic: Traffic, to: &Addresses) -> Self {
        let (scheme, address) = match traffic {
            Traffic::Tls => ("https", to.tls),
            Traffic::H2 => ("http", to.h2),
            _ => ("http", to.plain),
        };
        let (path, expected) = match traffic {
            Traffic::FramesDown => ("frames", FRAMES as usize * KIB),
            Traffic::BigDown => ("big", BIG),
            _ => ("v1/items", KIB),
        };
        let (frame, frames) = match traffic {
            Traffic::FramesUp => (KIB, FRAMES),
            Traffic::BigUp => (BIG / BIG_FRAMES as usize, BIG_FRAMES),
            _ => (KIB, 1),
        };
        Self {
            traffic,
            uri: format!("{scheme}://{address}/{path}").parse().expect("an address is an authority"),
            frame: json(frame),
            frames,
            expected,
        }
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn frame(&self) -> Bytes {
        self.frame.clone()
    }

    pub(crate) fn request(&self) -> Request<Up> {
        self.request_to(self.uri.clone())
    }

    pub(crate) fn request_to(&self, uri: Uri) -> Request<Up> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static("*/*"));
        if self.traffic == Traffic::Cold {
            request = request.header(CONNECTION, HeaderValue::from_static("close"));
        }
        request.body(Up::new(self.frame.clone(), self.frames)).expect("only valid parts")
    }
}

/// A JSON document of this length.
pub(crate) fn json(length: usize) -> Bytes {
    let (head, tail) = (r#"{"data":""#, r#""}"#);
    [head, &"x".repeat(length - head.len() - tail.len()), tail].concat().into()
}
