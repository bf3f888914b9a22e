//! Forwards one request unchanged, on its own connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{FrontProtocol, Shared};

type Answer = Response<Collected<Bytes>>;

/// Forwards after `delay` and returns the whole response. Continues if the client closes meanwhile, as a receiver
/// does; stops when `closing` changes.
pub(super) async fn forward(
    request: Request<Full<Bytes>>,
    delay: Duration,
    shared: &Arc<Shared>,
    mut closing: watch::Receiver<()>,
) -> io::Result<Answer> {
    let shared = Arc::clone(shared);
    let task = tokio::spawn(async move {
        let attempt = async {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            attempt(request, shared.upstream, shared.protocol).await
        };
        let answer = tokio::select! {
            _ = closing.changed() => return Err(io::ErrorKind::ConnectionAborted.into()),
            answer = attempt => answer?,
        };
        shared.update(|state| state.forwarded += 1);
        Ok(answer)
    });
    task.await?
}

async fn attempt(
    request: Request<Full<Bytes>>,
    upstream: SocketAddr,
    protocol: FrontProtocol,
) -> io::Result<Answer> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    whole(request, TokioIo::new(stream), protocol).await.map_err(io::Error::other)
}

async fn whole(
    request: Request<Full<Bytes>>,
    io: TokioIo<TcpStream>,
    protocol: FrontProtocol,
) -> hyper::Result<Answer> {
    let answer = match protocol {
        FrontProtocol::Http => {
            let (mut client, connection) = http1::handshake(io).await?;
            tokio::spawn(connection);
            client.send_request(request).await?
        }
        FrontProtocol::Grpc => {
            let (mut client, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            tokio::spawn(connection);
            client.send_request(request).await?
        }
    };
    let (head, body) = answer.into_parts();
    Ok(Response::from_parts(head, body.collect().await?))
}
