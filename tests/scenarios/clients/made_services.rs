//! Services that are already made, as libraries give them away: they take one type of body, and are not `Clone`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use outbound_tests::otlp::Receiver;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{Script, ScriptedServer};
use tonic::transport::{Channel, Endpoint};
use tower::buffer::Buffer;
use tower::util::BoxService;
use tower::{Service, ServiceExt as _, service_fn};
use tower_layer::Layer;
use tower_outbound::connect::TcpConnector;
use tower_outbound::outbound::FixedStack;
use tower_outbound::{BoxError, Error, Outbound, Reuse, Stack};

use super::hyper_util::HTTP_1;
use crate::support::recorded;

/// As kube's: made of bytes, and of no other body.
struct BytesBody(Full<Bytes>);

impl From<Bytes> for BytesBody {
    fn from(bytes: Bytes) -> Self {
        Self(Full::new(bytes))
    }
}

impl From<Vec<u8>> for BytesBody {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl Body for BytesBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|never| match never {})
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

/// As tonic's, axum's and octocrab's: made of any body.
type AnyBody = UnsyncBoxBody<Bytes, BoxError>;

fn any(text: &'static str) -> AnyBody {
    AnyBody::new(Full::from(text).map_err(|never| match never {}))
}

type DynBody = dyn Body<Data = Bytes, Error = BoxError> + Send + Unpin;
/// As kube gives its service to `ClientBuilder::with_layer`.
type Made<B> = BoxService<Request<B>, Response<Box<DynBody>>, BoxError>;

/// A service over a connector that refuses the first connect.
fn made<B>(outbound: &Outbound) -> Made<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let (tcp, refused) = (outbound.http_connector(), Arc::new(AtomicBool::new(false)));
    let connector = service_fn(move |uri: Uri| {
        let (mut tcp, first) = (tcp.clone(), !refused.swap(true, Ordering::SeqCst));
        let connecting = async move {
            match first {
                true => Err(BoxError::from(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))),
                false => Ok(tcp.call(uri).await?),
            }
        };
        Box::pin(connecting)
    });
    let client = outbound.hyper_client::<_, B>(connector);
    let boxed = |body: hyper::body::Incoming| -> Box<DynBody> { Box::new(body.map_err(BoxError::from)) };
    BoxService::new(client.map_response(move |response: Response<_>| response.map(boxed)).map_err(Into::into))
}

/// A layered service with the types that kube and octocrab ask for: in a buffer, so not cloned.
async fn posts_and_retries<L, B>(layer: L, body: B, outbound: Outbound, recorder: Recorder)
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
    L: Layer<Made<B>>,
    L::Service: Service<Request<B>, Error = Error, Future: Send> + Send + 'static,
    <L::Service as Service<Request<B>>>::Response: IntoText + Send,
{
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let service = Buffer::new(layer.layer(made(&outbound)), 8);
    let request = Request::post(server.uri("/")).body(body).unwrap();
    let text = service.oneshot(request).await.unwrap().into_text().await;
    assert_eq!(text, "answer");
    let log = server.log();
    assert_eq!(log.len(), 1);
    let sent = String::from_utf8_lossy(&log[0].raw).into_owned();
    assert!(sent.contains("content-length: 12\r\n") && sent.ends_with("\r\n\r\nwhat is sent"), "{sent}");
    assert_eq!(recorder.outcomes(), ["connection_refused in acquire", "ok"]);
    let timings = &recorder.timings()[1];
    assert_eq!(timings.reuse(), Reuse::New, "{timings}");
    assert_eq!(timings.connection().unwrap().id(), outbound.connections()[0].id());
    assert_eq!(timings.attempt().request_body_bytes(), 12);
}

/// The text of a response.
trait IntoText {
    fn into_text(self) -> impl Future<Output = String>;
}

impl<R: Body<Data = Bytes, Error: std::fmt::Debug>> IntoText for Response<R> {
    async fn into_text(self) -> String {
        String::from_utf8(self.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }
}

#[tokio::test]
async fn made_service_of_any_body_is_retried_and_reported() {
    let (outbound, recorder) = recorded();
    posts_and_retries(outbound.layer_with_body(AnyBody::new), any("what is sent"), outbound, recorder).await;
}

#[tokio::test]
async fn made_service_of_bytes_only_is_retried_and_reported() {
    let (outbound, recorder) = recorded();
    let body = BytesBody::from(Bytes::from("what is sent"));
    posts_and_retries(outbound.layer_with_bytes(BytesBody::from), body, outbound, recorder).await;
}

#[tokio::test]
async fn made_tonic_channel_of_endpoints_has_every_layer() {
    let receivers = [Receiver::start().await.unwrap(), Receiver::start().await.unwrap()];
    let endpoints =
        receivers.each_ref().map(|receiver| Endpoint::from_shared(receiver.grpc_endpoint()).unwrap());
    let channel = Channel::balance_list(endpoints.into_iter());
    let (outbound, recorder) = recorded();
    let service = outbound.layer_with_body(tonic::body::Body::new).layer(channel);
    let mut client = TraceServiceClient::new(service);
    for _ in 0..20 {
        client.export(ExportTraceServiceRequest::default()).await.unwrap();
    }
    assert_eq!(recorder.outcomes(), ["ok"; 20]);
    assert_eq!(recorder.count("CallStarted"), 20, "{:?}", recorder.names());
    recorder.settled().await;
}

/// The types of the stacks as fields.
struct Fields {
    hyper_util: Stack<TcpConnector, Full<Bytes>>,
    made: FixedStack<Made<AnyBody>, AnyBody>,
}

#[tokio::test]
async fn stack_types_are_named_in_fields_and_work() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let fields = Fields {
        hyper_util: outbound.layer().layer(outbound.hyper_client(outbound.http_connector())),
        made: outbound.layer_with_body(AnyBody::new as fn(_) -> _).layer(made(&outbound)),
    };
    let get = || Request::get(server.uri("/"));
    let first = fields.hyper_util.oneshot(get().body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(first.into_text().await, "answer");
    let second = fields.made.oneshot(get().body(any("")).unwrap()).await.unwrap();
    assert_eq!(second.into_text().await, "answer");
    assert_eq!(recorder.outcomes(), ["ok", "connection_refused in acquire", "ok"]);
}
