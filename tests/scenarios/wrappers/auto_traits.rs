//! Auto traits of public types: they are part of the API.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Debug;
use std::io;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use tower::Service;
use tower_outbound::attempt::Cumulative;
use tower_outbound::client::{ClientBuilder, ClientFuture, RequestBody, ResponseBody};
use tower_outbound::connect::{
    AddressAttempt, AddressOutcome, Closed, ConnectError, PhaseError, PhaseLayer, ResolveError, Setup,
    SetupPhase, TcpConnectError, TcpConnecting, TcpConnector, TcpIo, TlsInfo, Track, TrackLayer, TrackedIo,
    Use,
};
use tower_outbound::event::{ObserverKey, RequestHead, ResponseHead};
use tower_outbound::failure::{CertificateProblem, DnsFailure, TlsAlert};
use tower_outbound::limit::{
    InFlightLimit, InFlightLimitBody, InFlightLimitFuture, InFlightLimitLayer, PoolTimeoutError,
    QueueFullError,
};
use tower_outbound::observe::{Observe, ObserveBody, ObserveFuture, ObserveLayer, ObserveRequestBody};
use tower_outbound::outbound::{AttemptLayer, OutboundBuilder, OutboundLayer};
use tower_outbound::{
    Attempt, BoxError, Call, Connection, Error, Event, Failure, Origin, Outbound, OutboundClient, Outcome,
    Timings,
};

use super::bodies::MockBody;
use super::io::MockIo;

type Connector = Track<TcpConnector>;
type ConnectFuture = <Connector as Service<Uri>>::Future;

fn shared<T: Send + Sync + 'static>() {}
fn handle<T: Clone + Send + Sync + Unpin + Debug + 'static>() {}
fn future<T: Future + Send + 'static>() {}
fn sync_body<T: Body + Send + Sync + Unpin + 'static>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

#[test]
fn auto_traits_public_types_send_shared_types_sync_clone() {
    type Inner = std::future::Ready<Result<Response<MockBody>, Infallible>>;

    handle::<Outbound>();
    handle::<OutboundClient>();
    handle::<Call>();
    handle::<Attempt>();
    handle::<Connection>();
    handle::<Setup>();
    handle::<Origin>();
    handle::<Timings>();
    handle::<Failure>();
    handle::<DnsFailure>();
    handle::<TlsAlert>();
    handle::<CertificateProblem>();
    handle::<Outcome>();
    handle::<Closed>();
    handle::<Use>();
    handle::<TlsInfo>();
    handle::<SetupPhase>();
    handle::<Cumulative>();
    handle::<ObserveLayer>();
    handle::<InFlightLimitLayer>();
    handle::<OutboundLayer>();
    handle::<AttemptLayer>();
    handle::<InFlightLimit<OutboundClient>>();
    handle::<TrackLayer>();
    handle::<PhaseLayer>();
    handle::<Observe<OutboundClient>>();
    handle::<Connector>();
    handle::<TcpConnector>();
    handle::<AddressAttempt>();
    handle::<AddressOutcome>();
    handle::<Event<'static>>();
    handle::<RequestHead<'static>>();
    handle::<ResponseHead<'static>>();
    shared::<ObserverKey<Cell<u8>>>();
    shared::<OutboundBuilder>();
    shared::<ClientBuilder>();

    future::<ClientFuture>();
    future::<ObserveFuture<Inner>>();
    future::<InFlightLimitFuture<OutboundClient, MockBody, ClientFuture>>();
    future::<ConnectFuture>();
    future::<TcpConnecting>();

    sync_body::<ResponseBody>();
    sync_body::<ObserveBody<MockBody>>();
    sync_body::<InFlightLimitBody<MockBody>>();
    sync_body::<ObserveRequestBody<MockBody>>();
    shared::<TrackedIo<MockIo>>();
    shared::<TcpIo>();

    error::<Error>();
    error::<ConnectError>();
    error::<PhaseError>();
    error::<TcpConnectError>();
    error::<ResolveError>();
    error::<PoolTimeoutError>();
    error::<QueueFullError>();
}

#[test]
fn auto_traits_futures_and_io_are_unpin() {
    fn unpin<T: Unpin>() {}
    unpin::<ClientFuture>();
    unpin::<InFlightLimitFuture<OutboundClient, MockBody, ClientFuture>>();
    unpin::<RequestBody>();
    unpin::<TrackedIo<MockIo>>();
    // hyper-util asks for `Unpin` of every connector's future.
    unpin::<ConnectFuture>();
    unpin::<TcpConnecting>();
}

#[test]
fn outbound_client_accepts_bodies_that_are_not_sync() {
    fn takes<B>()
    where
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
        OutboundClient: Service<Request<B>, Error = Error>,
    {
    }
    takes::<UnsyncBoxBody<Bytes, io::Error>>();
    takes::<MockBody>();
    takes::<String>();
}
