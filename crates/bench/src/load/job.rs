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
        let path = if traffic == Traffic::FramesDown { "frames" } else { "v1/items" };
        Self {
            traffic,
            uri: format!("{scheme}://{address}/{path}").parse().expect("an address is an authority"),
            frame: json(KIB),
            frames: if traffic == Traffic::FramesUp { FRAMES } else { 1 },
            expected: if traffic == Traffic::FramesDown { FRAMES as usize * KIB } else { KIB },
        }
    }

    pub(crate) fn request(&self) -> Request<Up> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
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
