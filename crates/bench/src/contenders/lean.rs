//! A pool over hyper's connections that does nothing but keep them: what observing could cost on a pool of one's own.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri, uri};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::transport::Transport;
use crate::load::{Job, Outcome, Run, Up, Worker, read};
use crate::telemetry::Flush;

pub(super) async fn run(run: &Run) -> Outcome {
    let (lean, job) = (Lean::default(), run.job());
    run.drive(|| Requests { lean: lean.clone(), job: job.clone() }, Flush::nothing()).await
}

struct Requests {
    lean: Lean,
    job: Job,
}

impl Worker for Requests {
    async fn call(&mut self) -> usize {
        read(self.lean.send(self.job.request()).await).await
    }
}

/// A new connection, whose task runs.
pub(super) async fn connect(address: &str) -> Result<SendRequest<Up>, hyper::Error> {
    let io = TcpStream::connect(address).await.expect("the server listens");
    io.set_nodelay(true).expect("an open socket");
    let (sender, connection) = handshake(TokioIo::new(io)).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

#[derive(Clone, Default)]
pub(super) struct Lean {
    origins: Arc<Mutex<HashMap<String, Arc<Origin>>>>,
}

struct Origin {
    host: HeaderValue,
    address: String,
    idle: Mutex<Vec<SendRequest<Up>>>,
}

impl Lean {
    fn origin(&self, uri: &Uri) -> Arc<Origin> {
        let authority = uri.authority().expect("an absolute URI").as_str();
        let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(origin) = origins.get(authority) {
            return Arc::clone(origin);
        }
        let host = authority.parse().expect("a host is a header's value");
        let origin = Arc::new(Origin { host, address: authority.to_owned(), idle: Mutex::default() });
        origins.insert(authority.to_owned(), Arc::clone(&origin));
        origin
    }
}

impl Transport for Lean {
    type Body = LeanBody;

    async fn send(&self, mut request: Request<Up>) -> Response<LeanBody> {
        let origin = self.origin(request.uri());
        request.headers_mut().entry(HOST).or_insert_with(|| origin.host.clone());
        let mut path = uri::Parts::default();
        path.path_and_query = std::mem::take(request.uri_mut()).into_parts().path_and_query;
        *request.uri_mut() = Uri::from_parts(path).expect("a path alone");
        loop {
            let idle = origin.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut sender = match idle {
                Some(sender) => sender,
                None => connect(&origin.address).await.expect("a connection"),
            };
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => {
                    return response.map(|body| LeanBody { body, back: Some((sender, origin)) });
                }
                Err(mut error) => request = error.take_message().expect("a request that was not sent"),
            }
        }
    }
}

/// Gives the connection back at its end.
pub(super) struct LeanBody {
    body: Incoming,
    back: Option<(SendRequest<Up>, Arc<Origin>)>,
}

impl Body for LeanBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let ended = matches!(frame, Poll::Ready(None)) || frame.is_ready() && self.body.is_end_stream();
        if let Some((sender, origin)) = self.back.take_if(|_| ended) {
            origin.idle.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
