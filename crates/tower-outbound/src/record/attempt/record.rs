//! One request sent to the client and its response, body included.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use http::{Method, StatusCode, Uri, Version};
use tokio::time::Instant;

use super::grpc::GrpcStatus;
use super::marks::Marks;
use super::serving::Serving;
use super::wire::Wire;
use crate::event::Event;
use crate::record::{
    Call, Connection, ObserverStates, Origin, Registry, Reuse, Setup, Timings, UrlTemplate, Use,
};

/// One request sent to the client and its response, body included.
///
/// It starts when the request reaches the observe layer and ends when the response's body has ended, has
/// failed or was dropped. Clones are handles to one record.
#[derive(Clone)]
pub struct Attempt(pub(in crate::record) Arc<Inner>);

pub(in crate::record) struct Inner {
    pub(in crate::record) id: u64,
    pub(in crate::record) registry: Registry,
    pub(in crate::record) call: Call,
    /// The call is this attempt's own: no layer above has made it.
    pub(in crate::record) sole: bool,
    pub(in crate::record) ordinal: u32,
    pub(in crate::record) origin: Origin,
    pub(in crate::record) method: Method,
    pub(in crate::record) template: Option<UrlTemplate>,
    /// The request has asked for the connection to be closed.
    pub(in crate::record) asks_close: bool,
    /// Where the request's URI lies in memory: the same request seen twice has the same.
    pub(in crate::record) identity: usize,
    pub(in crate::record) start: Instant,
    pub(in crate::record) marks: Marks,
    pub(in crate::record) wire: Wire,
    pub(in crate::record) answered_early: AtomicBool,
    pub(in crate::record) first_byte_bound: AtomicBool,
    pub(in crate::record) silent: AtomicBool,
    /// The retry layer has dropped the rest of its response.
    pub(in crate::record) released: AtomicBool,
    pub(in crate::record) request_bytes: AtomicU64,
    pub(in crate::record) response_bytes: AtomicU64,
    pub(in crate::record) status: AtomicU16,
    pub(in crate::record) grpc: GrpcStatus,
    pub(in crate::record) version: OnceLock<Version>,
    pub(in crate::record) serving: Mutex<Serving>,
    pub(in crate::record) ended: AtomicBool,
    pub(in crate::record) slots: ObserverStates,
}

/// Clones of one request share their URI's memory, and no two live requests do.
pub(crate) fn identity(uri: &Uri) -> usize {
    uri.path_and_query().map_or(0, |path| path.as_str().as_ptr() as usize)
}

/// What an attempt is made from.
pub(crate) struct Start {
    pub(crate) registry: Registry,
    pub(crate) origin: Origin,
    pub(crate) method: Method,
    pub(crate) template: Option<UrlTemplate>,
    pub(crate) call: Option<Call>,
    pub(crate) identity: usize,
    pub(crate) asks_close: bool,
    pub(crate) is_grpc: bool,
}

impl Attempt {
    pub(crate) fn start(start: Start) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let sole = start.call.is_none();
        let call = start.call.unwrap_or_default();
        let ordinal = call.begin_attempt();
        if ordinal == 0 {
            start.origin.count_call();
        }
        start.registry.see_attempt();
        if sole {
            start.registry.emit(&Event::CallStarted { call: &call });
        }
        Self(Arc::new(Inner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            registry: start.registry,
            // One clock read serves both where the attempt is the whole call.
            start: if sole { call.start() } else { Instant::now() },
            call,
            sole,
            ordinal,
            origin: start.origin,
            method: start.method,
            template: start.template,
            identity: start.identity,
            asks_close: start.asks_close,
            marks: Marks::default(),
            wire: Wire::default(),
            answered_early: AtomicBool::new(false),
            first_byte_bound: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            released: AtomicBool::new(false),
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            status: AtomicU16::new(0),
            grpc: GrpcStatus::new(start.is_grpc),
            version: OnceLock::new(),
            serving: Mutex::default(),
            ended: AtomicBool::new(false),
            slots: ObserverStates::default(),
        }))
    }

    /// Unique within the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The call that it belongs to.
    #[must_use]
    pub fn call(&self) -> &Call {
        &self.0.call
    }

    /// 0 for the first attempt of its call, 1 for the first retry.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.0.ordinal
    }

    /// Where to.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The request's template, if it was given one.
    #[must_use]
    pub fn template(&self) -> Option<&UrlTemplate> {
        self.0.template.as_ref()
    }

    /// When it started.
    #[must_use]
    pub fn start_time(&self) -> Instant {
        self.0.start
    }

    /// When it ended; `None` while it goes on.
    #[must_use]
    pub fn end_time(&self) -> Option<Instant> {
        self.0.marks.end.get(self.0.start)
    }

    /// The response's status; `None` before the head.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.0.status.load(Ordering::Acquire)).ok()
    }

    /// The version that the response came in; `None` before the head.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.0.version.get().copied()
    }

    /// Bytes of the request's body that were handed to the client.
    #[must_use]
    pub fn request_body_bytes(&self) -> u64 {
        self.0.request_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of the response's body that were received.
    #[must_use]
    pub fn response_body_bytes(&self) -> u64 {
        self.0.response_bytes.load(Ordering::Relaxed)
    }

    /// The connection that serves it; `None` before one was had, or where connections are not tracked.
    #[must_use]
    pub fn connection(&self) -> Option<Connection> {
        self.serving().connection.clone()
    }

    /// Which use of its connection it is.
    #[must_use]
    pub fn usage(&self) -> Option<Use> {
        self.serving().usage.clone()
    }

    /// New or reused, by the identity of the serving connection.
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        self.serving().usage.as_ref().map_or(Reuse::Unknown, Use::reuse)
    }

    /// The setup of the serving connection, or, before a response, the last setup that this attempt started.
    ///
    /// `None` for a response of a connection that is not tracked: which one it was is not guessed.
    #[must_use]
    pub fn setup(&self) -> Option<Setup> {
        let serving = self.serving();
        match &serving.connection {
            Some(connection) => Some(connection.setup().clone()),
            None if self.status().is_some() => None,
            None => serving.setups.last().cloned(),
        }
    }

    /// Whether this attempt has started the setup of the connection that serves it.
    #[must_use]
    pub fn setup_paid(&self) -> bool {
        self.setup().is_some_and(|setup| setup.started_by() == Some(self.id()))
    }

    /// Whether the peer answered before the request was sent whole: an upload that it refuses, or does not
    /// need.
    #[must_use]
    pub fn answered_early(&self) -> bool {
        self.0.answered_early.load(Ordering::Acquire) && self.0.marks.first_byte.is_set()
    }

    /// Its timings, as far as they are known; complete when it has ended.
    #[must_use]
    pub fn timings(&self) -> Timings {
        Timings::new(self.clone())
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.0.marks.end.is_set()
    }

    /// Whether a timeout has ended it, and nothing at all was read on its connection since it started: then
    /// the connection is silent, and not only this attempt.
    ///
    /// On HTTP/2, where the connection is not known before a response, it is true only if it holds for every
    /// HTTP/2 connection to the origin. `false` also where that is not known.
    #[must_use]
    pub fn connection_was_silent(&self) -> bool {
        self.0.silent.load(Ordering::Acquire)
    }

    observer_state!();

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(crate) fn identity(&self) -> usize {
        self.0.identity
    }

    pub(crate) fn asks_close(&self) -> bool {
        self.0.asks_close
    }

    pub(in crate::record) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(in crate::record) fn first_byte_is_bound(&self) -> bool {
        self.0.first_byte_bound.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("id", &self.id())
            .field("call", &self.call().id())
            .field("method", self.method())
            .field("origin", self.origin())
            .field("template", &self.template())
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
