//! HTTP/2, by hyper.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// Answers each request with this body.
pub(super) async fn serve(io: TcpStream, body: Bytes) -> hyper::Result<()> {
    let answer = service_fn(move |request: Request<Incoming>| {
        let body = body.clone();
        async move {
            request.into_body().collect().await?;
            let mut response = Response::new(Full::new(body));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, const { http::HeaderValue::from_static("application/json") });
            Ok::<_, hyper::Error>(response)
        }
    });
    http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), answer).await
}
