//! Connections that keep their places and do not answer: what a reset does with them, and the reset that comes by itself.

mod automatic;
mod reset;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full};
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{DuplexConnector, Script, ScriptedServer};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::connect::Track;
use tower_outbound::limit::InFlightLimit;
use tower_outbound::observe::{Observe, ObserveRequestBody};
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::pool::{Pool, PoolBuilder};
use tower_outbound::{Error, Outbound};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

type Body = Full<Bytes>;
type Service = Observe<InFlightLimit<Pool<Track<DuplexConnector>, ObserveRequestBody<Body>>>>;
type Call = JoinHandle<Result<Bytes, Error>>;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Takes a request, and says nothing.
fn silent() -> Script {
    Script::new().read_request().read_to_end()
}

/// Connections of which the first ones are silent.
fn silent_first(silent_ones: usize) -> Vec<Script> {
    let mut scripts = vec![silent(); silent_ones];
    scripts.push(Script::answering(OK));
    scripts
}

/// A pool with every layer but retry.
struct Stack {
    outbound: Outbound,
    recorder: Recorder,
    service: Service,
    uri: Uri,
}

impl Stack {
    fn new(
        (server, peer): &(ScriptedServer, DuplexConnector),
        options: impl FnOnce(OutboundBuilder) -> OutboundBuilder,
        pool: impl FnOnce(PoolBuilder) -> PoolBuilder,
    ) -> Self {
        let recorder = Recorder::new();
        let outbound = options(Outbound::builder().observer(recorder.clone())).build();
        let pool = pool(Pool::builder()).build(outbound.connector(peer.clone()));
        let service = outbound.attempt_layer().layer(pool);
        Self { outbound, recorder, service, uri: server.uri("/") }
    }

    /// Sends a request, and reads the whole response.
    fn call(&self) -> Call {
        let request = Request::get(self.uri.clone()).body(Body::default()).unwrap();
        let sent = self.service.clone().oneshot(request);
        tokio::spawn(async move { Ok(sent.await?.into_body().collect().await?.to_bytes()) })
    }

    /// The call is at the server, and `others` wait.
    async fn settle(&self, server: &ScriptedServer, sent: usize) {
        server
            .wait_until(|log| log.iter().filter(|connection| connection.requests > 0).count() == sent)
            .await;
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    /// Nothing is open any more, and every start had its end.
    async fn end(self) {
        let Self { outbound, recorder, service, .. } = self;
        drop((outbound, service));
        recorder.settled().await;
    }
}
