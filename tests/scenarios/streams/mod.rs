//! HTTP/2, frame by frame: which request is on which stream, and why a connection ends.

mod gave_up;
mod goaway;
mod keep_alive;
mod reuse;
mod uploads;
mod waiting;

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use outbound_tests::faults::frames::{
    ACK, END_HEADERS, END_STREAM, HEADERS, OK, PUSH_PROMISE, SETTINGS, WINDOW_UPDATE, frame,
};
use outbound_tests::server::ScriptedServer;
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::connect::Track;
use tower_outbound::hyper::DriveExecutor;
use tower_outbound::{Error, Outbound, Timings};

use crate::support::{Body, Stack};

/// SETTINGS_MAX_CONCURRENT_STREAMS (RFC 9113, section 6.5.2).
const MAX_CONCURRENT_STREAMS: u8 = 3;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The peer's SETTINGS, which allow this many streams, and the acknowledgement of the client's.
fn settings(streams: u32) -> Vec<u8> {
    let setting = [&[0, MAX_CONCURRENT_STREAMS], &streams.to_be_bytes()[..]].concat();
    [frame(SETTINGS, 0, 0, &setting), frame(SETTINGS, ACK, 0, &[])].concat()
}

/// A response without a body.
fn ok(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, OK)
}

/// hyper-util's client over HTTP/2, on tokio's executor.
fn http2<C, B>(connector: C) -> Client<C, B>
where
    C: Connect + Clone,
    B: http_body::Body + Send,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).http2_only(true).retry_canceled_requests(false).build(connector)
}

/// Without retries.
fn foreign<C: Connect + Clone>(outbound: &Outbound, connector: C) -> Stack<C> {
    outbound.attempt_layer().layer(http2(connector))
}

fn get(server: &ScriptedServer) -> Request<Body> {
    Request::get(server.uri("/")).body(Body::default()).unwrap()
}

/// Sends a request and reads its response.
async fn read<S, B>(client: &S, request: Request<Body>) -> Result<Timings, Error>
where
    S: Service<Request<Body>, Response = http::Response<B>, Error = Error> + Clone,
    B: http_body::Body<Error = Error>,
{
    let attempt = async {
        let response = client.clone().oneshot(request).await?;
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        response.into_body().collect().await?;
        Ok(timings)
    };
    tokio::time::timeout(Duration::from_secs(3600), attempt).await.expect("the attempt hangs")
}

/// hyper-util's client with an executor that knows its connections, without retries.
fn driven<C>(outbound: &Outbound, connector: C) -> Stack<Track<C>>
where
    Track<C>: Connect + Clone,
{
    let executor = DriveExecutor::new(TokioExecutor::new());
    let connector = outbound.track_layer().executor(&executor).layer(connector);
    outbound.attempt_layer().layer(Client::builder(executor).http2_only(true).build(connector))
}
