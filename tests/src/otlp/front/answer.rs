//! The front's response under each fault.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::connection::{CutBody, Wire};
use super::forward::forward;
use super::{Fault, FrontProtocol, Shared, partial};
use crate::otlp::http::{JSON, PROTOBUF};

type Answer = Response<UnsyncBoxBody<Bytes, io::Error>>;

/// The header of a HEADERS frame of 64 bytes (END_HEADERS, stream 1), then 3 of the 64 bytes.
const HALF_HEADERS: &[u8] = b"\x00\x00\x40\x01\x04\x00\x00\x00\x01\x88\x5f\x10";

/// Reads the whole request and answers it under the fault that applies then.
pub(super) async fn answer(
    request: Request<Incoming>,
    shared: &Arc<Shared>,
    wire: &Arc<Wire>,
    closing: watch::Receiver<()>,
) -> io::Result<Answer> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let fault = shared.update(|state| state.requests += 1).fault;
    let protocol = shared.protocol;
    let whole = || Request::from_parts(head.clone(), body.clone().into());
    let pass = |request, delay| forward(request, delay, shared, closing);
    Ok(match fault {
        Fault::None => forwarded(pass(whole(), Duration::ZERO).await, protocol),
        Fault::Slow(delay) => forwarded(pass(whole(), delay).await, protocol),
        // Under the first two faults the connection of this request is being closed.
        Fault::Refused | Fault::Silent | Fault::Hanging => pending().await,
        Fault::Garbage => return Err(wire.cut(b"220 smtp ready\r\n")),
        Fault::TooMany { retry_after } => {
            refusal(protocol, StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted, retry_after)
        }
        Fault::Unavailable { retry_after } => {
            refusal(protocol, StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, retry_after)
        }
        Fault::Rejects => refusal(protocol, StatusCode::BAD_REQUEST, Code::InvalidArgument, None),
        Fault::Partial(lost) => match partial::reject(&head, body.clone(), protocol, lost) {
            Some(taken) => match pass(taken.rest, Duration::ZERO).await {
                Ok(answer) if answer.status().is_success() => {
                    shared.update(|state| state.lost += taken.lost);
                    success(taken.response, taken.json, protocol)
                }
                failed => forwarded(failed, protocol),
            },
            None => refusal(protocol, StatusCode::BAD_REQUEST, Code::InvalidArgument, None),
        },
        Fault::CutHead => {
            return Err(wire.cut(match protocol {
                FrontProtocol::Http => b"HTTP/1.1 2",
                FrontProtocol::Grpc => HALF_HEADERS,
            }));
        }
        Fault::CutBody => match protocol {
            FrontProtocol::Http => match pass(whole(), Duration::ZERO).await {
                Ok(answer) if answer.status().is_success() => cut_body(b"cut", wire, CONTENT_LENGTH, "100"),
                failed => forwarded(failed, protocol),
            },
            FrontProtocol::Grpc => cut_body(b"", wire, CONTENT_TYPE, "application/grpc"),
        },
    })
}

fn forwarded(answer: io::Result<Response<Collected<Bytes>>>, protocol: FrontProtocol) -> Answer {
    let Ok(answer) = answer else {
        return refusal(protocol, StatusCode::BAD_GATEWAY, Code::Unavailable, None);
    };
    answer.map(|body| match body.trailers().cloned() {
        Some(trailers) => trailed(body.to_bytes(), trailers),
        // Of known length, so that a trailers-only response stays trailers-only.
        None => boxed(Full::new(body.to_bytes())),
    })
}

/// An error response of OTLP: over HTTP the body is a `google.rpc.Status` too.
fn refusal(protocol: FrontProtocol, http: StatusCode, code: Code, retry_after: Option<Duration>) -> Answer {
    let mut details = ErrorDetails::new();
    if retry_after.is_some() {
        details.set_retry_info(retry_after);
    }
    let detailed = Status::with_error_details(code, "the front refuses", details);
    match protocol {
        FrontProtocol::Grpc if retry_after.is_some() => detailed.into_http(),
        FrontProtocol::Grpc => Status::new(code, "the front refuses").into_http(),
        FrontProtocol::Http => {
            let mut answer = Response::new(boxed(Full::new(Bytes::copy_from_slice(detailed.details()))));
            *answer.status_mut() = http;
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROTOBUF));
            if let Some(after) = retry_after {
                let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
                answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            answer
        }
    }
}

fn success(message: Vec<u8>, json: bool, protocol: FrontProtocol) -> Answer {
    let (body, media) = match protocol {
        FrontProtocol::Http => (boxed(Full::new(message.into())), if json { JSON } else { PROTOBUF }),
        FrontProtocol::Grpc => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            (trailed(partial::framed(&message), trailers), "application/grpc")
        }
    };
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    answer
}

fn cut_body(sent: &'static [u8], wire: &Arc<Wire>, name: http::HeaderName, value: &'static str) -> Answer {
    let mut answer = Response::new(CutBody::new(sent, wire).boxed_unsync());
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}

fn boxed(body: Full<Bytes>) -> UnsyncBoxBody<Bytes, io::Error> {
    body.map_err(|never| match never {}).boxed_unsync()
}

fn trailed(data: Bytes, trailers: HeaderMap) -> UnsyncBoxBody<Bytes, io::Error> {
    let body = Full::new(data).with_trailers(std::future::ready(Some(Ok(trailers))));
    body.map_err(|never: std::convert::Infallible| match never {}).boxed_unsync()
}
