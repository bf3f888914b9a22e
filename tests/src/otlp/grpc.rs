//! OTLP over gRPC.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};
use tower_service::Service as _;

use super::store::Store;

/// Batches of a load run exceed tonic's default of 4 MB.
const LARGEST_MESSAGE: usize = 64 << 20;

#[derive(Clone)]
struct Sink(Arc<Store>);

// tonic decodes the message; encoding it again yields the same strings.
#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        self.0.traces(request.encode_to_vec().into(), request);
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Sink {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let request = request.into_inner();
        self.0.metrics(request.encode_to_vec().into(), request);
        Ok(Response::new(Default::default()))
    }
}

/// Makes tonic answer in the request's compression, whatever the client accepts: grpc-go and the Collector do so.
fn answer_alike(headers: &mut HeaderMap) {
    let asked = headers.get("grpc-encoding").cloned();
    headers.insert("grpc-accept-encoding", asked.unwrap_or(HeaderValue::from_static("identity")));
}

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, store: Arc<Store>) {
    let sink = Sink(store);
    let traces = TraceServiceServer::new(sink.clone())
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(LARGEST_MESSAGE);
    let metrics = MetricsServiceServer::new(sink)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Zstd)
        .max_decoding_message_size(LARGEST_MESSAGE);
    let service = hyper::service::service_fn(move |mut request: http::Request<Incoming>| {
        answer_alike(request.headers_mut());
        let (mut traces, mut metrics) = (traces.clone(), metrics.clone());
        async move {
            // An unknown path reaches the trace service, which answers `unimplemented`.
            let response = match request.uri().path().contains("MetricsService") {
                true => metrics.call(request).await,
                false => traces.call(request).await,
            };
            response.map_err(|never: Infallible| never)
        }
    });
    // The peer may close in any way.
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
