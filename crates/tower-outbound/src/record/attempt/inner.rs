use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use http::{Method, Uri, Version};
use tokio::time::Instant;

use super::Attempt;
use super::grpc::GrpcStatus;
use super::marks::Marks;
use super::scope::CallHandOver;
use super::serving::Serving;
use super::stream::StreamProgress;
use super::write_progress::WriteProgress;
use crate::event::Event;
use crate::record::{Call, ObserverStates, Origin, Registry, UrlTemplate};

/// The state of an attempt.
pub(in crate::record) struct AttemptInner {
    pub(in crate::record) id: u64,
    pub(in crate::record) registry: Registry,
    pub(in crate::record) call: Call,
    /// No layer above made the call: it has this attempt only.
    pub(in crate::record) sole: bool,
    pub(in crate::record) ordinal: u32,
    pub(in crate::record) origin: Origin,
    pub(in crate::record) method: Method,
    pub(in crate::record) template: Option<UrlTemplate>,
    /// The request has `Connection: close`.
    pub(in crate::record) asks_close: bool,
    /// See [`uri_address`].
    pub(in crate::record) uri_address: usize,
    pub(in crate::record) start: Instant,
    pub(in crate::record) marks: Marks,
    pub(in crate::record) write: WriteProgress,
    pub(in crate::record) stream: StreamProgress,
    pub(in crate::record) answered_early: AtomicBool,
    /// The mark of the first byte is that of the head: no earlier instant was observed.
    pub(in crate::record) first_byte_bound: AtomicBool,
    pub(in crate::record) silent: AtomicBool,
    /// The retry layer dropped the rest of the response.
    pub(in crate::record) released: AtomicBool,
    /// The connector was not ready for the attempt.
    pub(in crate::record) awaits_connector: AtomicBool,
    /// A pool of this crate has the request, and returns what no connection takes.
    pub(in crate::record) pooled: AtomicBool,
    /// How many connections the pool gave to the attempt that took nothing of the request.
    pub(in crate::record) stale: AtomicU32,
    /// The client dropped the request's body before its end.
    pub(in crate::record) body_dropped: AtomicBool,
    pub(in crate::record) request_bytes: AtomicU64,
    pub(in crate::record) response_bytes: AtomicU64,
    pub(in crate::record) status: AtomicU16,
    pub(in crate::record) grpc: GrpcStatus,
    pub(in crate::record) version: OnceLock<Version>,
    pub(in crate::record) serving: Mutex<Serving>,
    pub(in crate::record) ended: AtomicBool,
    pub(in crate::record) observer_states: ObserverStates,
}

impl AttemptInner {
    /// When the whole request was sent. On HTTP/2 no write shows the end of the body: then when the client has taken the
    /// body, and no earlier than the HEADERS.
    pub(in crate::record) fn sent(&self) -> Option<Instant> {
        self.sent_nanos().map(|nanos| self.start + Duration::from_nanos(nanos))
    }

    /// Whether an HTTP/1 connection has begun to write the request: then the writes show whether it is stuck.
    pub(in crate::record) fn is_written_by_turns(&self) -> bool {
        self.marks.send_start.is_set() && !self.stream.is_open() && self.write.has_turn()
    }

    /// The same in nanoseconds since the start of the attempt.
    pub(in crate::record) fn sent_nanos(&self) -> Option<u64> {
        let Marks { send_start, send_end, body_sent, .. } = &self.marks;
        send_end.nanos().or_else(|| {
            let headers = send_start.nanos().filter(|_| self.stream.is_open())?;
            Some(headers.max(body_sent.nanos()?))
        })
    }
}

/// What an attempt is made from.
pub(crate) struct AttemptStart<'a> {
    pub(crate) registry: Registry,
    pub(crate) origin: Origin,
    pub(crate) method: Method,
    pub(crate) uri: &'a Uri,
    pub(crate) template: Option<UrlTemplate>,
    pub(crate) call: Option<Call>,
    pub(crate) asks_close: bool,
    pub(crate) is_grpc: bool,
}

impl AttemptStart<'_> {
    /// Starts the attempt. Emits `CallStarted` if no layer above made the call.
    pub(crate) fn start(self) -> Attempt {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let call = self.call.or_else(CallHandOver::take);
        let sole = call.is_none();
        let call = call.unwrap_or_default();
        let ordinal = call.begin_attempt();
        if ordinal == 0 {
            self.origin.count_call();
        }
        self.registry.see_attempt();
        self.origin.attempt_started();
        if sole {
            self.registry.emit(&Event::CallStarted { call: &call });
        }
        Attempt(Arc::new(AttemptInner {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            registry: self.registry,
            // A sole attempt shares the clock read of its call.
            start: if sole { call.start() } else { Instant::now() },
            call,
            sole,
            ordinal,
            origin: self.origin,
            method: self.method,
            template: self.template,
            uri_address: uri_address(self.uri),
            asks_close: self.asks_close,
            marks: Marks::default(),
            write: WriteProgress::default(),
            stream: StreamProgress::default(),
            answered_early: AtomicBool::new(false),
            first_byte_bound: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            released: AtomicBool::new(false),
            awaits_connector: AtomicBool::new(false),
            pooled: AtomicBool::new(false),
            stale: AtomicU32::new(0),
            body_dropped: AtomicBool::new(false),
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            status: AtomicU16::new(0),
            grpc: GrpcStatus::new(self.is_grpc),
            version: OnceLock::new(),
            serving: Mutex::default(),
            ended: AtomicBool::new(false),
            observer_states: ObserverStates::default(),
        }))
    }
}

/// The address of the URI's bytes. Equal for one request that passes two layers, but also for clones of one `Uri` and for
/// all URIs without a path: equality alone proves nothing.
pub(super) fn uri_address(uri: &Uri) -> usize {
    uri.path_and_query().map_or(0, |path| path.as_str().as_ptr() as usize)
}
