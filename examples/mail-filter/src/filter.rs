//! The way of a message: storage if it is large, then the webhook.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;
use tower_outbound::connect::TcpConnector;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::reload::Reloadable;
use tower_outbound::{BoxError, Outbound, OutboundClient};

use crate::config::{Config, ConfigError, ConfigSource};
use crate::failure::{chain, error_type};
use crate::metrics::Metrics;
use crate::webhook::{self, Answer, Flaw};
use crate::{Decision, Message, Snapshot, Verdict};

/// The filter. Clones share everything.
#[derive(Clone)]
pub struct Filter(Arc<Shared>);

struct Shared {
    source: ConfigSource,
    outbound: Outbound,
    client: OutboundClient,
    current: Reloadable<Arc<Snapshot>>,
    metrics: Metrics,
}

impl Filter {
    /// A filter with these settings. `builder` has the observers; `tcp` replaces the connector, such as for another resolver.
    /// Reads the sources, and blocks meanwhile.
    ///
    /// # Errors
    /// There are no settings, or no client of the storage can be made of them.
    pub fn new(
        source: ConfigSource,
        builder: OutboundBuilder,
        metrics: Metrics,
        tcp: impl FnOnce(&Outbound) -> TcpConnector,
    ) -> Result<Self, BoxError> {
        let (config, sources) = source.load()?;
        let outbound = builder.settings(sources.load()).build();
        let client = outbound.client_builder().tcp_connector(tcp(&outbound)).build();
        let current = Reloadable::new(Arc::new(Snapshot::new(config, &client)?));
        Ok(Self(Arc::new(Shared { source, outbound, client, current, metrics })))
    }

    /// The client's handle.
    #[must_use]
    pub fn outbound(&self) -> &Outbound {
        &self.0.outbound
    }

    /// The settings of the next message.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.current.current()
    }

    /// Decides on a message. Every failure is a verdict: try later.
    ///
    /// # Cancel safety
    /// A drop cuts the request that is under way. Whether the webhook has decided is not known then.
    pub async fn decide(&self, message: &Message) -> Decision {
        let start = Instant::now();
        // One for all of it: a reload meanwhile is for later messages.
        let snapshot = self.snapshot();
        let decision = self.decide_by(&snapshot, message).await;
        tracing::info!(
            id = message.id(),
            verdict = decision.verdict.as_str(),
            error_type = decision.error_type,
            size = message.body().len(),
            ms = start.elapsed().as_millis(),
            "message",
        );
        decision
    }

    async fn decide_by(&self, Snapshot { config, storage }: &Snapshot, message: &Message) -> Decision {
        let mut location = None;
        if config.uploads(message.body().len()) {
            let start = Instant::now();
            let uploaded = storage.upload(message).await;
            self.0.metrics.uploaded(start, uploaded.is_ok());
            match uploaded {
                Ok(url) => location = Some(url),
                Err(error) => return self.later(message, "storage", &*error),
            }
        }
        let start = Instant::now();
        let answer = webhook::ask(&self.0.client, config, message, location.as_deref()).await;
        let verdict = answer.as_ref().map_or(Verdict::TryLater, |answer| Verdict::of(answer.status));
        self.0.metrics.asked(start, verdict);
        match answer {
            Ok(answer) => self.answered(message, verdict, answer),
            Err(error) => self.later(message, "webhook", &*error),
        }
    }

    /// The status decides, whatever else is wrong with the answer.
    fn answered(&self, message: &Message, verdict: Verdict, answer: Answer) -> Decision {
        let (id, status) = (message.id(), answer.status.as_u16());
        match &answer.flaw {
            None => {}
            Some(Flaw::Unreadable(what)) => {
                tracing::warn!(id, status, verdict = verdict.as_str(), "the webhook's answer is {what}");
            }
            Some(Flaw::CutOff(error)) => {
                let error_type = error_type(&**error);
                self.0.metrics.failed(error_type);
                let error = chain(&**error);
                let verdict = verdict.as_str();
                tracing::warn!(id, status, verdict, error_type, error, "the webhook's answer is cut off");
            }
        }
        Decision { id: id.to_owned(), verdict, reason: answer.reason, error_type: None }
    }

    fn later(&self, message: &Message, peer: &'static str, error: &(dyn Error + 'static)) -> Decision {
        let error_type = error_type(error);
        self.0.metrics.failed(error_type);
        let kind = tower_outbound::Failure::of(error).kind().as_str();
        tracing::warn!(id = message.id(), peer, error_type, kind, error = chain(error), "a call has failed");
        let verdict = Verdict::TryLater;
        Decision { id: message.id().to_owned(), verdict, reason: None, error_type: Some(error_type) }
    }

    /// Reads the sources again. Messages from now on follow them; those under way end with what they began with, and their
    /// clients are dropped after the last one. Every pooled connection is dropped, and names are resolved anew. Blocks while
    /// it reads.
    ///
    /// # Errors
    /// The settings cannot be used as a whole: those in force stay.
    pub fn reload(&self) -> Result<(), BoxError> {
        let start = Instant::now();
        let result = self.try_reload();
        match &result {
            Ok(config) => tracing::info!(
                webhook = config.webhook_url,
                storage = config.storage.url(),
                threshold = config.storage_upload_threshold,
                pool_maxsize = config.pool_maxsize,
                us = start.elapsed().as_micros(),
                "reloaded",
            ),
            Err(error) => tracing::warn!(error = chain(&**error), "not reloaded: the settings in force stay"),
        }
        result.map(drop)
    }

    fn try_reload(&self) -> Result<Config, BoxError> {
        let Shared { source, outbound, client, current, .. } = &*self.0;
        let (config, sources) =
            source.reload(current.current().config()).map_err(Box::<ConfigError>::from)?;
        let snapshot = Snapshot::new(config.clone(), client)?;
        outbound.reload(&sources)?;
        current.replace(Arc::new(snapshot));
        outbound.reset();
        Ok(config)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").field("current", &self.snapshot()).finish_non_exhaustive()
    }
}
