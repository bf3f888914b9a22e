//! One connection of a client, and the faults that cut it.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{FrontProtocol, Shared, answer};

/// The socket below hyper's connection. Bytes written here follow those that hyper has flushed.
pub(super) struct Wire(std::net::TcpStream);

impl Wire {
    fn under(stream: TcpStream) -> io::Result<(TcpStream, Wire)> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let wire = stream.try_clone()?;
        Ok((TcpStream::from_std(stream)?, Wire(wire)))
    }

    /// Sends these bytes and FIN. The returned error makes hyper drop the connection.
    pub(super) fn cut(&self, bytes: &[u8]) -> io::Error {
        // Both fail only if the client has closed: a few bytes always fit.
        let _ = (&self.0).write_all(bytes);
        let _ = self.0.shutdown(Shutdown::Write);
        io::ErrorKind::ConnectionAborted.into()
    }
}

/// Serves one connection until it ends or `closing` changes.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>, mut closing: watch::Receiver<()>) {
    let Ok((stream, wire)) = Wire::under(stream) else { return };
    let (io, protocol, wire) = (TokioIo::new(stream), shared.protocol, Arc::new(wire));
    let close = closing.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (shared, wire, mut close) = (Arc::clone(&shared), Arc::clone(&wire), close.clone());
        async move {
            let answer = answer::answer(request, &shared, &wire, close.clone());
            tokio::select! {
                // Biased: a response that the closing has cut short is not sent.
                biased;
                // Over HTTP/2 this runs in its own task, which must end with the connection.
                _ = close.changed() => Err(io::ErrorKind::ConnectionAborted.into()),
                answer = answer => answer,
            }
        }
    });
    let served = async {
        match protocol {
            FrontProtocol::Http => http1::Builder::new().serve_connection(io, service).await,
            FrontProtocol::Grpc => {
                http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await
            }
        }
    };
    tokio::select! {
        biased;
        _ = closing.changed() => {}
        // The client may close in any way.
        _ = served => {}
    }
}

/// A body that cuts its connection instead of ending.
pub(super) struct CutBody {
    sent: Option<Bytes>,
    flushed: Pin<Box<dyn Future<Output = ()> + Send>>,
    wire: Arc<Wire>,
}

impl CutBody {
    pub(super) fn new(sent: &'static [u8], wire: &Arc<Wire>) -> CutBody {
        // The runtime has one thread and the head has woken the connection's task: after a yield the head is written.
        let flushed = Box::pin(tokio::task::yield_now());
        let sent = (!sent.is_empty()).then_some(Bytes::from_static(sent));
        CutBody { sent, flushed, wire: Arc::clone(wire) }
    }
}

impl Body for CutBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(sent) = self.sent.take() {
            return Poll::Ready(Some(Ok(Frame::data(sent))));
        }
        ready!(self.flushed.as_mut().poll(cx));
        Poll::Ready(Some(Err(self.wire.cut(b""))))
    }
}
