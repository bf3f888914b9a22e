//! OTLP over HTTP in protobuf.

use std::convert::Infallible;
use std::io::Read as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::net::TcpStream;

use super::store::Store;

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, store: Arc<Store>) {
    let service = hyper::service::service_fn(move |request| {
        let store = Arc::clone(&store);
        async move {
            let status = receive(request, &store).await.err().unwrap_or(StatusCode::OK);
            // An empty body encodes an export response without rejected items.
            let mut response = Response::new(Full::<Bytes>::default());
            *response.status_mut() = status;
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
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
    if traces {
        let request: ExportTraceServiceRequest = decoded(&payload)?;
        store.traces(payload, request);
    } else {
        let request: ExportMetricsServiceRequest = decoded(&payload)?;
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
        Some(_) => Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
}

pub(super) fn decoded<M: Message + Default>(payload: &Bytes) -> Result<M, StatusCode> {
    M::decode(payload.clone()).map_err(|_| StatusCode::BAD_REQUEST)
}
