//! [`Pool`] alone, over a tracked connector: limits, waits, heads, life and reset. Every other scenario of
//! [`OutboundClient`](tower_outbound::OutboundClient) runs on the pool too.

mod crowd;
mod drain;
mod heads;
mod life;
mod limits;
mod sequential;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use outbound_tests::recorder::Recorder;
use outbound_tests::server::DuplexConnector;
use tower::ServiceExt as _;
use tower_outbound::connect::{TcpConnector, Track};
use tower_outbound::pool::{Pool, PoolBuilder};
use tower_outbound::{BoxError, Failure};

use crate::support::recorded;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

type Body = Full<Bytes>;
type TcpPool = Pool<Track<TcpConnector>, Body>;
type DuplexPool = Pool<Track<DuplexConnector>, Body>;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A pool over plain TCP, and the record of its connections.
fn tcp(options: impl FnOnce(PoolBuilder) -> PoolBuilder) -> (TcpPool, Recorder) {
    let (outbound, recorder) = recorded();
    let connector = outbound.connector(outbound.http_connector());
    (options(Pool::builder()).build(connector), recorder)
}

fn duplex(
    connector: DuplexConnector,
    options: impl FnOnce(PoolBuilder) -> PoolBuilder,
) -> (DuplexPool, Recorder) {
    let (outbound, recorder) = recorded();
    (options(Pool::builder()).build(outbound.connector(connector)), recorder)
}

fn request(uri: Uri) -> Request<Body> {
    Request::get(uri).body(Body::default()).unwrap()
}

/// Sends a request and reads the whole response.
macro_rules! read {
    ($pool:expr, $request:expr) => {{
        let sent = $pool.clone().oneshot($request);
        async move {
            let response = sent.await?;
            let body = response.into_body().collect().await?;
            Ok::<_, BoxError>(body.to_bytes())
        }
    }};
}
use read;

fn failure(result: Result<Bytes, BoxError>) -> (Failure, String) {
    let error = result.unwrap_err();
    (Failure::of(&*error), error.to_string())
}
