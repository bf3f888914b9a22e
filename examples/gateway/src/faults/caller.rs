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
use tower_outbound_otel::{MetricLabel, OtelObserver};

use super::reported::{Judged, Reported};

/// The timeout in faults that only a timeout ends.
pub(super) const LIMIT: Duration = Duration::from_millis(400);

/// The options that differ from the defaults.
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

/// A timeout for the head, the request's body and the response's body.
pub(super) fn in_time() -> Options {
    const LIMITS: Timeouts = Timeouts::new().first_byte(LIMIT).write_idle(LIMIT).body_idle(LIMIT);
    Options { limits: |builder| builder.timeouts(LIMITS), ..Options::new(false) }
}

/// A client that reports its first attempt.
pub(super) struct Caller {
    client: OutboundClient,
    reported: watch::Sender<Reported>,
}

impl Caller {
    /// A client that retries once, without a backoff.
    pub(super) fn new(options: Options) -> Caller {
        let reported = watch::Sender::new(Reported::default());
        let (ended, judged) = (reported.clone(), reported.clone());
        let observer = move |event: &Event<'_>| match event {
            Event::AttemptEnded { outcome, .. } => ended.send_modify(|reported| {
                reported.outcome.get_or_insert_with(|| (*outcome).clone());
            }),
            Event::RetryDecided { reason, decision, .. } => ended.send_modify(|reported| {
                reported.decision.get_or_insert((*reason, *decision));
            }),
            _ => {}
        };
        // Decides nothing: the retry layer calls the policy only if a retry is possible.
        let policy = move |attempt: &RetryContext<'_>| {
            let looked_at = if attempt.result().is_ok() { Judged::Head } else { Judged::Failure };
            judged.send_modify(|reported| {
                reported.judged.get_or_insert(looked_at);
            });
            Verdict::Default
        };
        let outbound = Outbound::builder()
            .observer(observer)
            // Records nothing unless the telemetry is exported.
            .observer(OtelObserver::builder().metric_label(MetricLabel::OutboundPort).build())
            .retry(|retry| retry.max_retries(1).backoff(Duration::ZERO, Duration::ZERO).policy(policy));
        let outbound = (options.limits)(outbound).build();
        let tls = options.tls.unwrap_or_else(|| Certs::new("localhost").client_config(&[]));
        let client = outbound
            .client_builder()
            .http2_only(options.http2)
            .tls_config(tls)
            .tcp_connector((options.tcp)(outbound.http_connector()))
            .build();
        Caller { client, reported }
    }

    /// Sends a request and reads the response to its end; calls `on_head` in between.
    pub(super) async fn send(&self, request: Request<Body>, on_head: impl FnOnce()) {
        if let Ok(response) = self.client.request(request).await {
            on_head();
            // The observer records the failure.
            let _ = response.into_body().collect().await;
        }
    }

    pub(super) async fn get(&self, uri: &Uri) {
        self.send(Upload::None.request(uri, &Gate::new()).map(Body::new), || {}).await;
    }

    /// Waits until the retry layer has decided to retry.
    pub(super) async fn retried(&self) {
        let mut reported = self.reported.subscribe();
        // Cannot fail: `self` holds the sender.
        let _ = reported.wait_for(|reported| matches!(reported.decision, Some((_, Ok(_))))).await;
    }

    /// Clears the report.
    pub(super) fn forget(&self) {
        self.reported.send_replace(Reported::default());
    }

    /// Waits for the end of the first attempt since `forget`, and returns its report.
    pub(super) async fn reported(&self) -> Reported {
        let mut reported = self.reported.subscribe();
        let ended = reported.wait_for(|reported| reported.outcome.is_some()).await;
        // Cannot fail: `self` holds the sender.
        ended.map(|reported| reported.clone()).unwrap_or_default()
    }

    /// Waits until any connection has read more bytes.
    pub(super) async fn first_byte(&self) {
        let read = || self.client.outbound().connections().iter().map(Connection::bytes_in).sum::<u64>();
        let before = read();
        while read() <= before {
            tokio::task::yield_now().await;
        }
    }
}

/// Sends a request and drops it when `when` completes.
pub(super) async fn cancelled(sent: impl Future<Output = ()>, when: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = sent => {}
        () = when => {}
    }
}
