//! One sending of a request, and its response to the end of the body.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::{Method, Request, StatusCode, Version};
use tokio::time::Instant;

use super::inner::{AttemptInner, uri_address};
use super::{AttemptIo, AttemptQueue, AttemptRequestBody, AttemptResponse, AttemptScope, CallScope};
use crate::failure::Failure;
use crate::record::{
    Call, Connection, ObserverStates, Origin, Registry, Reuse, Setup, Timings, UrlTemplate, Use,
};

/// One sending of a request, and its response to the end of the body.
///
/// An attempt starts when the request reaches the observe layer: below a retry layer, at the first poll of the call's
/// future or after the backoff. It ends when the body of the response has ended, has
/// failed or was dropped. Clones are handles to one record.
#[derive(Clone)]
pub struct Attempt(pub(in crate::record) Arc<AttemptInner>);

impl Attempt {
    /// The attempt whose future or body is being polled on this thread.
    #[must_use]
    pub fn current() -> Option<Self> {
        AttemptScope::current()
    }

    /// Whether this is the attempt whose future or body is being polled on this thread.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        AttemptScope::with_current(|current| current.id() == self.id()).unwrap_or(false)
    }

    /// Unique within the process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The call that this attempt belongs to.
    #[must_use]
    #[inline]
    pub fn call(&self) -> &Call {
        &self.0.call
    }

    /// 0 for the first attempt of its call, 1 for the first retry.
    #[must_use]
    pub fn ordinal(&self) -> u32 {
        self.0.ordinal
    }

    /// The origin that the request is sent to.
    #[must_use]
    #[inline]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// The URL template of the request, if it has one.
    #[must_use]
    pub fn template(&self) -> Option<&UrlTemplate> {
        self.0.template.as_ref()
    }

    /// When the attempt started.
    #[must_use]
    #[inline]
    pub fn start_time(&self) -> Instant {
        self.0.start
    }

    /// When the attempt ended; `None` before that.
    #[must_use]
    #[inline]
    pub fn end_time(&self) -> Option<Instant> {
        self.0.marks.end.get(self.0.start)
    }

    /// The status of the response; `None` before its head.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.0.status.load(Ordering::Acquire)).ok()
    }

    /// The HTTP version of the response; `None` before its head.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.0.version.get().copied()
    }

    /// Bytes of the request's body that the client has taken.
    #[must_use]
    pub fn request_body_bytes(&self) -> u64 {
        self.0.request_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of the response's body that were received so far.
    #[must_use]
    pub fn response_body_bytes(&self) -> u64 {
        self.0.response_bytes.load(Ordering::Relaxed)
    }

    /// The connection that serves the attempt.
    ///
    /// `None` before a connection is known, and where connections are not tracked.
    #[must_use]
    pub fn connection(&self) -> Option<Connection> {
        self.0.serving().connection.clone()
    }

    /// Which use of the connection this attempt is.
    #[must_use]
    pub fn usage(&self) -> Option<Use> {
        self.0.serving().usage.clone()
    }

    /// Whether the serving connection is new or reused.
    #[must_use]
    pub fn reuse(&self) -> Reuse {
        self.0.serving().usage.as_ref().map_or(Reuse::Unknown, Use::reuse)
    }

    /// The setup of the serving connection or, before a response, the last setup that this attempt started.
    ///
    /// `None` for a response from a connection that is not tracked.
    #[must_use]
    pub fn setup(&self) -> Option<Setup> {
        let serving = self.0.serving();
        match &serving.connection {
            Some(connection) => Some(connection.setup().clone()),
            None if self.status().is_some() => None,
            None => serving.setups.last().cloned(),
        }
    }

    /// Whether this attempt started the setup of the connection that serves it.
    #[must_use]
    pub fn setup_paid(&self) -> bool {
        self.setup().is_some_and(|setup| setup.started_by() == Some(self.id()))
    }

    /// Whether the peer answered before the whole request was sent: for example, it refuses the upload.
    #[must_use]
    pub fn answered_early(&self) -> bool {
        self.0.answered_early.load(Ordering::Acquire) && self.0.marks.first_byte.is_set()
    }

    /// The timings known so far; complete when the attempt has ended.
    #[must_use]
    pub fn timings(&self) -> Timings {
        Timings::new(self.clone())
    }

    /// Whether the attempt has ended.
    #[must_use]
    #[inline]
    pub fn is_ended(&self) -> bool {
        self.0.marks.end.is_set()
    }

    /// Whether a timeout ended the attempt and no byte was read on its connection since the attempt started: the whole
    /// connection is silent, not only this attempt.
    ///
    /// On HTTP/2 the connection may be unknown before a response. Then `true` means that every HTTP/2 connection to the
    /// origin is silent. `false` also if this is not known.
    #[must_use]
    pub fn connection_was_silent(&self) -> bool {
        self.0.silent.load(Ordering::Acquire)
    }

    pub(in crate::record) fn states(&self) -> &ObserverStates {
        &self.0.observer_states
    }

    observer_state!();

    /// Whether the request is gRPC: its `content-type` is `application/grpc`, alone, with a suffix (`+proto`) or with
    /// parameters. `application/grpc-web` is another protocol.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        self.0.grpc.is_grpc()
    }

    /// The gRPC status code of the response, 0 (`OK`) to 16: from the trailers, or from the head of a trailers-only response.
    ///
    /// `None` before the status arrives, if it is missing or not a code, and if the request [is not gRPC](Self::is_grpc).
    ///
    /// # Example
    /// ```
    /// # use tower_outbound::{Event, Observer};
    /// struct Unavailable;
    ///
    /// impl Observer for Unavailable {
    ///     fn on_event(&self, event: &Event<'_>) {
    ///         match event {
    ///             Event::AttemptEnded { attempt, .. } if attempt.grpc_status() == Some(14) => {
    ///                 eprintln!("{} is not available", attempt.origin());
    ///             }
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn grpc_status(&self) -> Option<i32> {
        self.0.grpc.code()
    }

    #[inline]
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// What the limit of requests in flight may do.
    #[inline]
    pub(crate) fn queue(&self) -> AttemptQueue<'_> {
        AttemptQueue(self)
    }

    /// What the body of the request may do.
    #[inline]
    pub(crate) fn request_body(&self) -> AttemptRequestBody<'_> {
        AttemptRequestBody(self)
    }

    /// What the IO of a connection may do.
    #[inline]
    pub(crate) fn io(&self) -> AttemptIo<'_> {
        AttemptIo(self)
    }

    /// What the layer that waits for the response may do.
    #[inline]
    pub(crate) fn response(&self) -> AttemptResponse<'_> {
        AttemptResponse(self)
    }

    /// Completes a failure that ended this attempt: how much of the request was sent. From here on, a request that is
    /// reported as unsent is never written.
    pub(crate) fn attribute(&self, failure: Failure) -> Failure {
        super::attribution::attribute(self, failure)
    }

    /// Whether this is the type of an attempt's body.
    pub(crate) fn is_body<B>() -> bool {
        std::any::type_name::<B>().contains("::ObserveRequestBody<")
    }

    /// Whether the service below is being called with the request: it has started just now.
    #[inline]
    pub(crate) fn is_starting(&self) -> bool {
        CallScope::is_calling(self)
    }

    /// Whether this connection serves the [current](Self::current) attempt.
    pub(crate) fn is_current_served_by(connection: &Connection) -> bool {
        let served = |current: &Self| current.0.serving().connection.as_ref() == Some(connection);
        AttemptScope::with_current(served).unwrap_or(false)
    }

    /// Whether a request is the one of this attempt, which passes a second layer. A request that is sent from inside this
    /// attempt (by a connector or a middleware) is another one, even if it is sent to a clone of the same URI.
    pub(crate) fn is_of_request<B>(&self, request: &Request<B>) -> bool {
        // The body still has the observe layer's type; else the URI is the same and either the call is still in the
        // extensions, or the layers between the two have called each other at once.
        let same_call =
            || request.extensions().get::<Call>().is_some_and(|call| call.id() == self.call().id());
        let same_uri = || uri_address(request.uri()) == self.0.uri_address;
        Self::is_body::<B>() || (same_uri() && (same_call() || CallScope::is_calling(self)))
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
