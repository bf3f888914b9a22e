//! A client for one fault.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Uri};
use http_body_util::BodyExt as _;
use outbound_tests::certs::Certs;
use outbound_tests::faults::Upload;
use outbound_tests::gate::Gate;
use tokio::sync::watch;
use tokio_rustls::rustls::ClientConfig;
use tower_outbound::connect::TcpConnector;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::retry::{RetryContext, Verdict};
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Connection, Event, Outbound, OutboundClient};

use super::told::{Judged, Told};

/// What a fault that shows by a timeout waits for.
pub(super) const LIMIT: Duration = Duration::from_millis(400);

/// What differs from a client with every default.
pub(super) struct Options {
    pub(super) http2: bool,
    pub(super) tls: Option<ClientConfig>,
    pub(super) limits: fn(OutboundBuilder) -> OutboundBuilder,
    pub(super) tcp: Box<dyn FnOnce(TcpConnector) -> TcpConnector>,
}

impl Options {
    pub(super) fn new(http2: bool) -> Options {
        Options { http2, tls: None, limits: |builder| builder, tcp: Box::new(|tcp| tcp) }
    }
}

/// With a limit for each way to be slow.
pub(super) fn in_time() -> Options {
    const LIMITS: Timeouts = Timeouts::new().first_byte(LIMIT).write_idle(LIMIT).body_idle(LIMIT);
    Options { limits: |builder| builder.timeouts(LIMITS), ..Options::new(false) }
}

/// The client.
pub(super) struct Caller {
    client: OutboundClient,
    told: watch::Sender<Told>,
}

impl Caller {
    /// One that sends again once, without a pause.
    pub(super) fn new(options: Options) -> Caller {
        let told = watch::Sender::new(Told::default());
        let (ended, judged) = (told.clone(), told.clone());
        let observer = move |event: &Event<'_>| match event {
            Event::AttemptEnded { outcome, .. } => ended.send_modify(|told| {
                told.outcome.get_or_insert_with(|| (*outcome).clone());
            }),
            Event::RetryDecided { reason, decision, .. } => ended.send_modify(|told| {
                told.decision.get_or_insert((*reason, *decision));
            }),
            _ => {}
        };
        // It decides nothing, but is asked only for what may be sent again at all.
        let policy = move |attempt: &RetryContext<'_>| {
            let looked_at = if attempt.result().is_ok() { Judged::Head } else { Judged::Failure };
            judged.send_modify(|told| {
                told.judged.get_or_insert(looked_at);
            });
            Verdict::Default
        };
        let outbound = Outbound::builder()
            .observer(observer)
            .retry(|retry| retry.max_retries(1).backoff(Duration::ZERO, Duration::ZERO).policy(policy));
        let outbound = (options.limits)(outbound).build();
        let tls = options.tls.unwrap_or_else(|| Certs::new("localhost").client_config(&[]));
        let client = outbound
            .client_builder()
            .http2_only(options.http2)
            .tls_config(tls)
            .tcp_connector((options.tcp)(outbound.http_connector()))
            .build();
        Caller { client, told }
    }

    /// Sends it and reads the answer to its end; `on_head` is called in between.
    pub(super) async fn send(&self, request: Request<Body>, on_head: impl FnOnce()) {
        if let Ok(response) = self.client.request(request).await {
            on_head();
            // What goes wrong is told.
            let _ = response.into_body().collect().await;
        }
    }

    pub(super) async fn get(&self, uri: &Uri) {
        self.send(Upload::None.request(uri, &Gate::new()).map(Body::new), || {}).await;
    }

    /// Returns once the retry layer has decided to send again.
    pub(super) async fn retried(&self) {
        let mut told = self.told.subscribe();
        // It cannot fail: `self` keeps the sender.
        let _ = told.wait_for(|told| matches!(told.decision, Some((_, Ok(_))))).await;
    }

    /// Forgets what was told.
    pub(super) fn forget(&self) {
        self.told.send_replace(Told::default());
    }

    /// What was told of the first attempt since then; waits for its end.
    pub(super) async fn told(&self) -> Told {
        let mut told = self.told.subscribe();
        let ended = told.wait_for(|told| told.outcome.is_some()).await;
        // It cannot fail: `self` keeps the sender.
        ended.map(|told| told.clone()).unwrap_or_default()
    }

    /// Returns once something more is read on any connection.
    pub(super) async fn first_byte(&self) {
        let read = || self.client.outbound().connections().iter().map(Connection::bytes_in).sum::<u64>();
        let before = read();
        while read() <= before {
            tokio::task::yield_now().await;
        }
    }
}

/// Sends a request that is given up when `when` is over.
pub(super) async fn cancelled(sent: impl Future<Output = ()>, when: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = sent => {}
        () = when => {}
    }
}
