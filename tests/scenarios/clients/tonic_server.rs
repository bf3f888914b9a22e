//! A gRPC service of strings on tonic's server, and its client.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use outbound_tests::gate::Gate;
use outbound_tests::server::{H2Server, H2ServerBuilder};
use tokio::sync::mpsc;
use tonic::client::Grpc;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;
use tower_outbound::connect::TcpConnector;
use tower_outbound::retry::RetryLayer;
use tower_outbound::tonic::{TonicBuilder, TonicChannel};
use tower_outbound::{BoxError, Outbound};

type Codec = ProstCodec<String, String>;

/// The service: the path of a call chooses the kind; messages are strings.
#[derive(Clone, Default)]
pub(super) struct Echo {
    /// Answers to the first calls, in place of the service's.
    pub(super) instead: Arc<Mutex<Vec<http::Response<tonic::body::Body>>>>,
    /// A held stream ends when this gate is open.
    pub(super) gate: Gate,
}

impl Echo {
    pub(super) fn instead(self, answer: http::Response<tonic::body::Body>) -> Self {
        self.instead.lock().unwrap().push(answer);
        self
    }

    pub(super) async fn start(&self, builder: H2ServerBuilder) -> H2Server {
        let echo = self.clone();
        builder.start(move |request| echo.clone().answer(request)).await.unwrap()
    }

    async fn answer(self, request: http::Request<Incoming>) -> http::Response<tonic::body::Body> {
        let instead = self.instead.lock().unwrap().pop();
        if let Some(instead) = instead {
            return instead;
        }
        let mut grpc = tonic::server::Grpc::new(Codec::default());
        let gate = self.gate.clone();
        match request.uri().path() {
            "/test.Echo/Unary" => {
                let unary = |request: Request<String>| async { Ok(Response::new(request.into_inner())) };
                grpc.unary(service_fn(unary), request).await
            }
            // The words of the message. `hold` waits for the gate before the end; `fail` ends with UNAVAILABLE.
            "/test.Echo/Server" => {
                let words = move |request: Request<String>| {
                    let words: Vec<_> = request.into_inner().split(' ').map(str::to_owned).collect();
                    let gate = gate.clone();
                    let words = stream::iter(words).filter_map(move |word| {
                        let gate = gate.clone();
                        async move {
                            match &*word {
                                "hold" => {
                                    gate.wait().await;
                                    None
                                }
                                "fail" => Some(Err(Status::unavailable("gone"))),
                                _ => Some(Ok(word)),
                            }
                        }
                    });
                    async { Ok(Response::new(words.boxed())) }
                };
                grpc.server_streaming(service_fn(words), request).await
            }
            "/test.Echo/Client" => {
                let join = |request: Request<Streaming<String>>| async {
                    let words: Vec<_> = request.into_inner().try_collect().await?;
                    Ok(Response::new(words.join(" ")))
                };
                grpc.client_streaming(service_fn(join), request).await
            }
            "/test.Echo/Both" => {
                let back =
                    |request: Request<Streaming<String>>| async { Ok(Response::new(request.into_inner())) };
                grpc.streaming(service_fn(back), request).await
            }
            path => Status::unimplemented(path).into_http(),
        }
    }
}

/// A generated client, written by hand.
#[derive(Clone)]
pub(super) struct EchoClient(Grpc<TonicChannel>);

fn path(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

impl EchoClient {
    pub(super) fn new(channel: TonicChannel) -> Self {
        Self(Grpc::new(channel))
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::from_error(error.into()))
    }

    pub(super) async fn unary(&mut self, message: &str) -> Result<String, Status> {
        self.ready().await?;
        let request = Request::new(message.to_owned());
        Ok(self.0.unary(request, path("/test.Echo/Unary"), Codec::default()).await?.into_inner())
    }

    pub(super) async fn server(&mut self, message: &str) -> Result<Streaming<String>, Status> {
        self.ready().await?;
        let request = Request::new(message.to_owned());
        Ok(self.0.server_streaming(request, path("/test.Echo/Server"), Codec::default()).await?.into_inner())
    }

    pub(super) async fn client(
        &mut self,
        messages: impl Stream<Item = String> + Send + 'static,
    ) -> Result<String, Status> {
        self.ready().await?;
        let request = Request::new(messages);
        Ok(self.0.client_streaming(request, path("/test.Echo/Client"), Codec::default()).await?.into_inner())
    }

    pub(super) async fn both(
        &mut self,
        messages: impl Stream<Item = String> + Send + 'static,
    ) -> Result<Streaming<String>, Status> {
        self.ready().await?;
        let request = Request::new(messages);
        Ok(self.0.streaming(request, path("/test.Echo/Both"), Codec::default()).await?.into_inner())
    }
}

/// A stream of messages and its sender. The stream ends when the sender is dropped.
pub(super) fn messages() -> (mpsc::UnboundedSender<String>, impl Stream<Item = String> + Send + 'static) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    (sender, stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}

/// UNAVAILABLE in a trailers-only response, with a pushback.
pub(super) fn unavailable(pushback: Option<&'static str>) -> http::Response<tonic::body::Body> {
    let mut answer = Status::unavailable("busy").into_http();
    if let Some(pushback) = pushback {
        answer.headers_mut().insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
    }
    answer
}

/// A message in a gRPC frame, not compressed.
pub(super) fn framed(message: &str) -> Bytes {
    let message = prost::Message::encode_to_vec(&message.to_owned());
    [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat().into()
}

/// A connector whose name resolves to the next address at each connect; the last address stays.
pub(super) fn resolving(outbound: &Outbound, addresses: Vec<SocketAddr>) -> TcpConnector {
    let left = Arc::new(Mutex::new(addresses));
    outbound.http_connector().resolver(service_fn(move |_| {
        let mut left = left.lock().unwrap();
        let address = if left.len() > 1 { left.remove(0) } else { left[0] };
        async move { Ok::<_, BoxError>(std::iter::once(address)) }
    }))
}

/// Retries without a backoff.
pub(super) fn without_backoff(retry: RetryLayer) -> RetryLayer {
    retry.backoff(Duration::ZERO, Duration::ZERO)
}

/// A channel to a name that resolves to the next address at each connect; the last address stays.
pub(super) fn moving_channel(outbound: &Outbound, addresses: Vec<SocketAddr>) -> TonicBuilder {
    let tcp = resolving(outbound, addresses);
    outbound.tonic(Endpoint::from_static("http://echo.test")).tcp_connector(tcp).retry(without_backoff)
}
