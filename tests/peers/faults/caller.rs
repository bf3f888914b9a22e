//! The client that meets the faults, and its report of each request.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, Uri};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use outbound_tests::recorder::Recorder;
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tower_outbound::client::ClientBuilder;
use tower_outbound::connect::TcpConnector;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{
    Attempt, BoxError, Connection, Error, Event, Failure, Outbound, OutboundClient, Outcome, Timings,
};

use super::http::Http;

/// The bound of each wait: a request that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The ended attempts, each with its failure.
type Ended = Arc<Mutex<Vec<(Attempt, Option<Failure>)>>>;

/// One request, as reported to the observer.
#[derive(Clone, Debug)]
pub(crate) struct Reported {
    pub(crate) http: Http,
    pub(crate) attempt: Attempt,
    /// `None` for a success.
    pub(crate) failure: Option<Failure>,
    pub(crate) status: Option<u16>,
    /// Whether the caller's error has the same kind and phase.
    pub(crate) agrees: bool,
    /// The caller's error with its sources.
    pub(crate) why: String,
}

/// An `OutboundClient` for one version of HTTP.
pub(crate) struct Caller {
    pub(crate) http: Http,
    client: OutboundClient,
    pub(crate) recorder: Recorder,
    ended: Ended,
}

/// The options of a [`Caller`].
pub(crate) struct Options {
    pub(crate) tls: Option<ClientConfig>,
    pub(crate) limits: Timeouts,
    /// The connect timeout; `None` for the default.
    pub(crate) connect: Option<Duration>,
    pub(crate) handshake: Option<Duration>,
    pub(crate) tcp: Option<TcpConnector>,
}

impl Options {
    pub(crate) fn new() -> Options {
        Options { tls: None, limits: Timeouts::new(), connect: None, handshake: None, tcp: None }
    }

    pub(crate) fn tls(config: ClientConfig) -> Options {
        Options { tls: Some(config), ..Options::new() }
    }

    pub(crate) fn limits(limits: Timeouts) -> Options {
        Options { limits, ..Options::new() }
    }

    fn outbound(&self) -> OutboundBuilder {
        // Without retries, so that each fault is met once.
        let mut builder = Outbound::builder().timeouts(self.limits).retry(|retry| retry.max_retries(0));
        if let Some(connect) = self.connect {
            builder = builder.connect_timeout(connect);
        }
        if let Some(handshake) = self.handshake {
            builder = builder.tls_timeout(handshake);
        }
        builder
    }

    fn client(self, http: Http, outbound: &Outbound) -> ClientBuilder {
        let mut client = outbound.client_builder().http2_only(http == Http::Two);
        client = client.tcp_connector(self.tcp.unwrap_or_else(|| outbound.http_connector()));
        match self.tls {
            Some(config) => client.tls_config(config),
            // This client sends nothing over TLS.
            None => client.root_certificates(rustls::RootCertStore::empty()),
        }
    }
}

impl Caller {
    pub(crate) fn new(http: Http, options: Options) -> Caller {
        let (recorder, ended) = (Recorder::new(), Ended::default());
        let reported = Arc::clone(&ended);
        let watch = move |event: &Event<'_>| {
            if let Event::AttemptEnded { attempt, outcome, .. } = event {
                let failure = match outcome {
                    Outcome::Failed(failure) => Some(failure.clone()),
                    _ => None,
                };
                let mut reported = reported.lock().unwrap_or_else(PoisonError::into_inner);
                reported.push(((*attempt).clone(), failure));
            }
        };
        // The recorder is notified last: an end that it has recorded is in `ended` too.
        let outbound = options.outbound().observer(watch).observer(recorder.clone()).build();
        let client = options.client(http, &outbound).build();
        Caller { http, client, recorder, ended }
    }

    pub(crate) fn plain(http: Http) -> Caller {
        Caller::new(http, Options::new())
    }

    pub(crate) async fn get(&self, uri: &Uri) -> Reported {
        self.send(Request::get(uri).body(empty()).unwrap()).await
    }

    /// Sends a body that never ends, with a first piece of `first` bytes.
    pub(crate) async fn upload(&self, uri: &Uri, first: usize) -> Reported {
        let (sender, body) = fed();
        // The channel is unbounded.
        let _ = sender.send(Bytes::from(vec![b'u'; first]));
        self.send(request(uri, body)).await
    }

    /// Sends a request and reads the response to its end.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reported {
        let uri = request.uri().clone();
        tokio::time::timeout(LIMIT, self.attempt(request)).await.unwrap_or_else(|_| panic!("{uri} hangs"))
    }

    async fn attempt(&self, request: Request<Body>) -> Reported {
        let (attempt, status, error) = match self.client.request(request).await {
            Err(error) => (attempt(&error), None, Some(error)),
            Ok(response) => {
                let timings = response.extensions().get::<Timings>().expect("timings");
                let (attempt, status) = (timings.attempt().clone(), response.status().as_u16());
                (attempt, Some(status), response.into_body().collect().await.err())
            }
        };
        let ended = |recorder: &Recorder| recorder.timings().iter().any(|t| t.attempt().id() == attempt.id());
        self.recorder.wait_until(ended).await;
        let reported = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, failure) =
            reported.iter().find(|(ended, _)| ended.id() == attempt.id()).expect("it was reported");
        let said = error.as_ref().map(|error| (error.failure().kind(), error.failure().phase()));
        let why = error.as_ref().map_or(String::new(), |error| format!("{error:?}"));
        let agrees = said == failure.as_ref().map(|failure| (failure.kind(), failure.phase()));
        Reported { http: self.http, attempt: attempt.clone(), failure: failure.clone(), status, agrees, why }
    }

    /// Bytes written on all open connections.
    pub(crate) fn written(&self) -> u64 {
        self.client.outbound().connections().iter().map(Connection::bytes_out).sum()
    }

    /// Bytes read on all open connections.
    pub(crate) fn read(&self) -> u64 {
        self.client.outbound().connections().iter().map(Connection::bytes_in).sum()
    }

    /// Closes all connections and waits until every recorded start has its end.
    pub(crate) async fn close(self) {
        drop(self.client);
        let settled = tokio::time::timeout(LIMIT, self.recorder.settled()).await;
        assert!(settled.is_ok(), "something has not ended");
    }
}

fn attempt(error: &Error) -> Attempt {
    error.attempt().unwrap_or_else(|| panic!("{error} without an attempt")).clone()
}

/// A body that yields what its sender sends, and never ends.
pub(crate) fn fed() -> (mpsc::UnboundedSender<Bytes>, Body) {
    let (sender, pieces) = mpsc::unbounded_channel();
    let frames = futures_util::stream::unfold(pieces, async |mut pieces: mpsc::UnboundedReceiver<Bytes>| {
        let piece = pieces.recv().await?;
        Some((Ok(Frame::data(piece)), pieces))
    });
    (sender, StreamBody::new(frames.chain(futures_util::stream::pending())).boxed_unsync())
}

/// A body that always has another piece.
pub(crate) fn endless() -> Body {
    let piece = || Ok(Frame::data(Bytes::from_static(&[b'u'; 8 << 10])));
    StreamBody::new(futures_util::stream::repeat_with(piece)).boxed_unsync()
}

/// An upload with a `content-length` of 16 MiB.
pub(crate) fn request(uri: &Uri, body: Body) -> Request<Body> {
    Request::post(uri).header("content-length", 1 << 24).body(body).unwrap()
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Polls until `done` holds, for conditions without an event.
pub(crate) async fn until(done: impl Fn() -> bool) {
    let wait = async {
        while !done() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect("the condition holds in time");
}
