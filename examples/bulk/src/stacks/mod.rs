//! The three stacks: the same client with the same slots, and three ways to retry.

pub(crate) mod dropped;
pub(crate) mod held;
pub(crate) mod released;

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use tower::Service;
use tower_outbound::client::ResponseBody;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::{Outbound, OutboundClient};
use tower_outbound_otel::OtelObserver;

use crate::load::{self, Done, REQUESTS};
use crate::server::{Log, Server};
use crate::watch::{Seen, Watch};
use crate::{progress, telemetry};

/// Requests in flight at most; each has a connection.
const CONNECTIONS: usize = 4;
/// How long a request may wait for a slot.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// Retries per request. With one attempt in ten refused, no request has its last attempt refused.
const RETRIES: u32 = 9;

/// The request of the workers.
pub(crate) type Post = Request<Full<Bytes>>;
type Answer = Response<ResponseBody>;

/// The results of one run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) done: Done,
    pub(crate) seen: Seen,
    pub(crate) log: Log,
}

impl Run {
    /// Runs the workload with the client that `make` returns, against a new server.
    pub(crate) async fn of<S>(
        name: &'static str,
        time: Duration,
        make: impl FnOnce(Observers) -> S,
    ) -> Result<Run, Box<dyn Error>>
    where
        S: Service<Post, Response = Answer, Error = tower_outbound::Error> + Clone + Send + 'static,
        S::Future: Send,
    {
        let server = Server::start()?;
        let uri: Uri = format!("http://{}/", server.address()).parse()?;
        let telemetry = telemetry::start(name)?;
        let watch = Watch::default();
        let observers = Observers {
            watch: watch.clone(),
            telemetry: telemetry.as_ref().map(|telemetry| telemetry.observer().build()),
        };
        let bar = progress::bar(name, REQUESTS);
        let done = load::drive(make(observers), uri, time, bar.clone()).await;
        bar.finish_and_clear();
        telemetry::end(telemetry).await;
        Ok(Run { done, seen: watch.seen(), log: server.stop()? })
    }
}

/// The observers of a run.
pub(crate) struct Observers {
    watch: Watch,
    /// `None` if no receiver wants the telemetry.
    telemetry: Option<OtelObserver>,
}

/// The settings of all three stacks.
fn outbound(observers: Observers) -> OutboundBuilder {
    let builder = Outbound::builder().max_in_flight_per_origin(CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT);
    let builder = builder.observer(observers.watch);
    match observers.telemetry {
        Some(telemetry) => builder.observer(telemetry),
        None => builder,
    }
}

fn client(outbound: &Outbound) -> OutboundClient {
    outbound.client_builder().max_idle_per_origin(CONNECTIONS).build()
}

/// The wait that the server asks for, in the two stacks without the retry layer.
fn asked<R>(response: &Response<R>) -> Option<Duration> {
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
