//! Many callers on few connections.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::pool::Pool;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{BoxError, Event, Outbound};

use super::peer::{Behaviour, Peer};

/// How long the peer takes for an answer.
const WORK: Duration = Duration::from_millis(1);
/// A call to another origin takes no longer.
const OTHER: Duration = Duration::from_millis(100);
/// How long what is left may take to go.
const SETTLE: Duration = Duration::from_secs(5);

/// What became of the callers.
#[derive(Clone, Debug)]
pub struct Callers {
    /// The number of callers.
    pub callers: usize,
    /// The limit of connections.
    pub limit: usize,
    /// The most sockets at the peer.
    pub peak: usize,
    /// Calls that failed.
    pub failed: usize,
    /// By how many places a caller got its connection earlier or later than it came.
    pub displaced: usize,
    /// How long a call to another origin took in the middle of it.
    pub other: Duration,
    /// How long all calls took.
    pub took: Duration,
    /// Connections and tasks that are left.
    pub left: usize,
}

impl Callers {
    /// Whether all promises were kept. The tasks of connections that are given away at once begin in any order.
    #[must_use]
    pub fn is_right(&self) -> bool {
        let Callers { limit, peak, failed, displaced, other, left, .. } = *self;
        peak <= limit && failed == 0 && displaced < limit && other <= OTHER && left == 0
    }
}

impl fmt::Display for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Callers { callers, limit, peak, failed, displaced, other, took, left } = self;
        write!(
            f,
            "callers: {callers} on {limit} connections in {took:.1?}: {peak} sockets at most, {failed} failed, displaced by \
             {displaced} places, another origin after {other:.1?}, {left} left"
        )
    }
}

/// Makes the calls, one for each caller, all at once.
///
/// # Errors
/// If a peer cannot listen.
pub fn callers(callers: usize, limit: usize) -> io::Result<Callers> {
    let (peer, other) =
        (Peer::start(Behaviour::After(WORK))?, Peer::start(Behaviour::After(Duration::ZERO))?);
    // On one thread the callers come in the order of their numbers.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let uri = |peer: &Peer| -> Uri { format!("http://{}/", peer.address()).parse().expect("a URI") };
    runtime.block_on(async {
        // A task of a timeout would end when that is over.
        let off = Duration::ZERO;
        let timeouts = Timeouts::new().attempt(off).first_byte(off).write_idle(off).body_idle(off);
        // The attempts in the order in which they get connections. Their ids ascend.
        let order = Arc::<Mutex<Vec<u64>>>::default();
        let (served, port) = (Arc::clone(&order), peer.address().port());
        let observer = move |event: &Event<'_>| {
            if let Event::ConnectionAssigned { attempt, .. } = event
                && attempt.origin().port() == port
            {
                served.lock().unwrap_or_else(PoisonError::into_inner).push(attempt.id());
            }
        };
        let outbound = Outbound::builder().observer(observer).timeouts(timeouts);
        let outbound = outbound.connect_timeout(off).idle_timeout(off).build();
        let pool = Pool::builder()
            .max_connections_per_origin(limit)
            .max_waiting(callers)
            .acquire_timeout(off)
            .idle_timeout(off)
            .build(outbound.connector(outbound.http_connector()));
        let client = outbound.attempt_layer().layer(pool);
        let call = |uri: Uri| {
            let sent = client.clone().oneshot(get(uri));
            async move {
                let body = sent.await?.into_body().collect().await?;
                Ok::<_, BoxError>(body.to_bytes())
            }
        };
        let start = Instant::now();
        let mut calls = JoinSet::new();
        for _ in 0..callers {
            calls.spawn(call(uri(&peer)));
        }
        while peer.requests() < callers / 2 {
            sleep(WORK).await;
        }
        let begun = Instant::now();
        let answered = call(uri(&other)).await.is_ok();
        let other = if answered { begun.elapsed() } else { Duration::MAX };
        let failed = calls.join_all().await.iter().filter(|answer| answer.is_err()).count();
        let took = start.elapsed();
        drop(client);
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let gone = async {
            while !outbound.connections().is_empty() || tasks() > 0 || peer.open() > 0 {
                sleep(WORK).await;
            }
        };
        let left = match timeout(SETTLE, gone).await {
            Ok(()) => 0,
            Err(_) => outbound.connections().len() + tasks() + peer.open(),
        };
        let served = order.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut came = served.clone();
        came.sort_unstable();
        let places = served.iter().enumerate();
        let displaced = places.map(|(place, id)| came.binary_search(id).unwrap_or_default().abs_diff(place));
        let displaced = displaced.max().unwrap_or_default();
        Ok(Callers { callers, limit, peak: peer.peak(), failed, displaced, other, took, left })
    })
}

fn get(uri: Uri) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri;
    request
}
