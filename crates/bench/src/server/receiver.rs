//! Receives spans by OTLP, counts them and keeps nothing.

use std::convert::Infallible;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;

/// Before each message of gRPC: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// `ExportTraceServiceRequest` as far as spans are counted.
#[derive(Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceSpans>,
}

#[derive(Message)]
struct ResourceSpans {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
}

#[derive(Message)]
struct ScopeSpans {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    spans: Vec<Bytes>,
}

/// Takes exports over gRPC until the peer closes.
pub(super) async fn serve(io: TcpStream, spans: Arc<AtomicU64>) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<Incoming>| {
        let spans = Arc::clone(&spans);
        async move {
            let traces = request.uri().path().contains("TraceService");
            let body = request.into_body().collect().await?.to_bytes();
            if traces {
                spans.fetch_add(counted_in_frame(body), Relaxed);
            }
            let mut response = Response::new(Accepted(Some(Part::Message)));
            response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            Ok::<_, hyper::Error>(response)
        }
    });
    http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), answer).await
}

/// Takes exports over HTTP/1 until the peer closes.
pub(super) async fn serve_http(io: TcpStream, spans: Arc<AtomicU64>) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<Incoming>| {
        let spans = Arc::clone(&spans);
        async move {
            let traces = request.uri().path() == "/v1/traces";
            let compressed = request.headers().contains_key(CONTENT_ENCODING);
            let body = request.into_body().collect().await?.to_bytes();
            if traces {
                spans.fetch_add(counted(body, compressed), Relaxed);
            }
            let mut response = Response::new(Empty::<Bytes>::new());
            response
                .headers_mut()
                .insert(CONTENT_TYPE, const { HeaderValue::from_static("application/x-protobuf") });
            Ok::<_, hyper::Error>(response)
        }
    });
    http1::Builder::new().serve_connection(TokioIo::new(io), answer).await
}

/// The spans of one gRPC message.
fn counted_in_frame(mut body: Bytes) -> u64 {
    let compressed = body[0] == 1;
    body.advance(PREFIX);
    counted(body, compressed)
}

fn counted(mut body: Bytes, compressed: bool) -> u64 {
    if compressed {
        let mut plain = Vec::new();
        GzDecoder::new(&*body).read_to_end(&mut plain).expect("gzip");
        body = plain.into();
    }
    let export = Export::decode(body).expect("an export of spans");
    export.resources.iter().flat_map(|resource| &resource.scopes).map(|scope| scope.spans.len() as u64).sum()
}

/// An empty message, then the status `OK` as trailer.
struct Accepted(Option<Part>);

#[derive(Clone, Copy)]
enum Part {
    Message,
    Status,
}

impl Body for Accepted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(match self.0.take() {
            Some(Part::Message) => {
                self.0 = Some(Part::Status);
                Some(Ok(Frame::data(Bytes::from_static(&[0; PREFIX]))))
            }
            Some(Part::Status) => {
                let status = HeaderMap::from_iter([(
                    http::HeaderName::from_static("grpc-status"),
                    HeaderValue::from_static("0"),
                )]);
                Some(Ok(Frame::trailers(status)))
            }
            None => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receiver_counts_the_spans_of_every_scope() {
        let scope = |spans: usize| ScopeSpans { spans: vec![Bytes::from_static(b"\x0a\x00"); spans] };
        let export = Export {
            resources: vec![
                ResourceSpans { scopes: vec![scope(2), scope(1)] },
                ResourceSpans { scopes: vec![scope(4)] },
            ],
        };
        let message = [&[0; PREFIX][..], &export.encode_to_vec()].concat();
        assert_eq!(counted_in_frame(message.into()), 7);
    }
}
