//! What callers rely on, seen by the compiler.

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt::Debug;
use std::io;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use tower::Service;
use tower_outbound::{
    AddressAttempt, AttemptOutcome, BoxError, Call, CertificateProblem, ClientBuilder, ClientFuture, Closed,
    ConnectError, Connection, Cumulative, DnsFailure, Error, Event, Exchange, ExchangeLayer, Failure,
    InFlight, InFlightBody, InFlightFuture, InFlightLimitLayer, Observe, ObserveBody, ObserveFuture,
    ObserveLayer, ObserveRequestBody, Origin, Outbound, OutboundBuilder, OutboundClient, OutboundLayer,
    Outcome, PhaseError, PhaseLayer, PoolTimeoutError, QueueFullError, Registry, RequestBody, RequestHead,
    ResolveError, ResponseBody, ResponseHead, Setup, SetupPhase, Slot, TcpConnectError, TcpConnecting,
    TcpConnector, TcpIo, Timings, TlsAlert, TlsInfo, Track, TrackLayer, TrackedIo, Use,
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
fn every_public_type_is_send_and_what_is_shared_is_sync_and_clone() {
    type Inner = std::future::Ready<Result<Response<MockBody>, Infallible>>;

    handle::<Outbound>();
    handle::<OutboundClient>();
    handle::<Registry>();
    handle::<Call>();
    handle::<Exchange>();
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
    handle::<ExchangeLayer>();
    handle::<InFlight<OutboundClient>>();
    handle::<TrackLayer>();
    handle::<PhaseLayer>();
    handle::<Observe<OutboundClient>>();
    handle::<Connector>();
    handle::<TcpConnector>();
    handle::<AddressAttempt>();
    handle::<AttemptOutcome>();
    handle::<Event<'static>>();
    handle::<RequestHead<'static>>();
    handle::<ResponseHead<'static>>();
    shared::<Slot<Cell<u8>>>();
    shared::<OutboundBuilder>();
    shared::<ClientBuilder>();

    future::<ClientFuture>();
    future::<ObserveFuture<Inner>>();
    future::<InFlightFuture<OutboundClient, MockBody, ClientFuture>>();
    future::<ConnectFuture>();
    future::<TcpConnecting>();

    sync_body::<ResponseBody>();
    sync_body::<ObserveBody<MockBody>>();
    sync_body::<InFlightBody<MockBody>>();
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
fn futures_and_io_can_be_moved_when_what_they_hold_can() {
    fn unpin<T: Unpin>() {}
    unpin::<ClientFuture>();
    unpin::<InFlightFuture<OutboundClient, MockBody, ClientFuture>>();
    unpin::<RequestBody>();
    unpin::<TrackedIo<MockIo>>();
    // hyper-util asks this of every connector's future.
    unpin::<ConnectFuture>();
    unpin::<TcpConnecting>();
}

#[test]
fn the_client_takes_bodies_that_are_not_sync() {
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
