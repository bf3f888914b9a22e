//! OTLP over HTTP in protobuf and JSON.

use std::convert::Infallible;
use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use super::store::Store;

pub(super) const JSON: &str = "application/json";
pub(super) const PROTOBUF: &str = "application/x-protobuf";

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, store: Arc<Store>) {
    let service = hyper::service::service_fn(move |request| {
        let store = Arc::clone(&store);
        async move {
            let json = is_json(request.headers());
            let status = receive(request, &store).await.err().unwrap_or(StatusCode::OK);
            // An export response without rejected items.
            let (body, media) = if json { ("{}", JSON) } else { ("", PROTOBUF) };
            let mut response = Response::new(Full::<Bytes>::from(body));
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
            Ok::<_, Infallible>(response)
        }
    });
    // The peer may close in any way.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn receive(request: Request<Incoming>, store: &Store) -> Result<(), StatusCode> {
    let (head, body) = request.into_parts();
    let traces = match head.uri.path() {
        "/v1/traces" => true,
        "/v1/metrics" => false,
        _ => return Err(StatusCode::NOT_FOUND),
    };
    if head.method != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let body = body.collect().await.map_err(|_| StatusCode::BAD_REQUEST)?.to_bytes();
    let payload = decompressed(head.headers.get(CONTENT_ENCODING), body)?;
    let json = is_json(&head.headers);
    if traces {
        let request: ExportTraceServiceRequest = decoded(&payload, json)?;
        store.traces(payload, request);
    } else {
        let request: ExportMetricsServiceRequest = decoded(&payload, json)?;
        store.metrics(payload, request);
    }
    Ok(())
}

pub(super) fn decompressed(encoding: Option<&HeaderValue>, body: Bytes) -> Result<Bytes, StatusCode> {
    match encoding.map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(body),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            GzDecoder::new(&*body).read_to_end(&mut plain).map_err(|_| StatusCode::BAD_REQUEST)?;
            Ok(plain.into())
        }
        Some(b"zstd") => zstd::decode_all(&*body).map(Into::into).map_err(|_| StatusCode::BAD_REQUEST),
        Some(_) => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|media| media == JSON)
}

pub(super) fn decoded<M>(payload: &Bytes, json: bool) -> Result<M, StatusCode>
where
    M: Message + Default + DeserializeOwned,
{
    let decoded = match json {
        true => serde_json::from_slice(payload).ok(),
        false => M::decode(payload.clone()).ok(),
    };
    decoded.ok_or(StatusCode::BAD_REQUEST)
}
