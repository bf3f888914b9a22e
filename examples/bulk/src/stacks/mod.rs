//! The three stacks: one client, with the same slots, and three ways to send again.

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

use crate::load::{self, Done, REQUESTS};
use crate::progress;
use crate::server::{Log, Server};
use crate::watch::{Seen, Watch};

/// How many requests may be in flight: each has a connection.
const CONNECTIONS: usize = 4;
/// How long a request may wait for its turn.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How many times a request is sent again: so many that, with one in ten refused, none is refused to the last.
const RETRIES: u32 = 9;

/// What the workers send.
pub(crate) type Post = Request<Full<Bytes>>;
type Answer = Response<ResponseBody>;

/// All that is known of one run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) done: Done,
    pub(crate) seen: Seen,
    pub(crate) log: Log,
}

impl Run {
    /// Runs the workload on a client that `make` makes, against a server of its own.
    pub(crate) async fn of<S>(
        name: &'static str,
        time: Duration,
        make: impl FnOnce(Watch) -> S,
    ) -> Result<Run, Box<dyn Error>>
    where
        S: Service<Post, Response = Answer, Error = tower_outbound::Error> + Clone + Send + 'static,
        S::Future: Send,
    {
        let server = Server::start()?;
        let uri: Uri = format!("http://{}/", server.address()).parse()?;
        let watch = Watch::default();
        let bar = progress::bar(name, REQUESTS);
        let done = load::drive(make(watch.clone()), uri, time, bar.clone()).await;
        bar.finish_and_clear();
        Ok(Run { done, seen: watch.seen(), log: server.stop()? })
    }
}

/// What all three have: so many slots, each held to the end of its response's body, and a limit to the wait for one.
fn outbound(watch: Watch) -> OutboundBuilder {
    Outbound::builder().max_in_flight_per_origin(CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT).observer(watch)
}

fn client(outbound: &Outbound) -> OutboundClient {
    outbound.client_builder().max_idle_per_origin(CONNECTIONS).build()
}

/// How long the server asks to wait, for the two that are not ours.
fn asked<R>(response: &Response<R>) -> Option<Duration> {
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        return None;
    }
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
