use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::HOST;
use http::{Request, Response, Uri};
use http_body::Body;
use tower_service::Service;

use super::{ObserveBody, ObserveFuture, ObserveRequestBody};
use crate::error::{BoxError, Error};
use crate::event::{Event, RequestHead, StackWarning};
use crate::failure::Failure;
use crate::foreign::request_capture;
use crate::record::{Attempt, AttemptStart, Call, CallScope, Origin, Registry, Setup, UrlTemplate};
use crate::settings::{DeadlineHeaders, Silence, Streaming, Timeouts};
use crate::timeouts::AttemptTimers;
use crate::util::http::{NamedHeaders, announce_empty_body};
use crate::util::timeout_header::{GRPC_TIMEOUT, parse_grpc};
use crate::util::{inner_service_accessors, user_info};

/// A client whose attempts are observed. Created by [`ObserveLayer`](super::ObserveLayer).
#[derive(Clone, Debug)]
pub struct Observe<S> {
    pub(super) inner: S,
    pub(super) registry: Registry,
    pub(super) origin: Option<Origin>,
    /// Behind a pointer: each request of a retry layer takes a clone of the service.
    pub(super) timeouts: Option<Arc<Timeouts>>,
}

impl<S> Observe<S> {
    inner_service_accessors!();

    fn origin_of<B>(&self, request: &Request<B>) -> Origin {
        if let Some(origin) = self.registry.origin_of(request.uri()) {
            return origin;
        }
        if let Some(origin) = &self.origin {
            return origin.clone();
        }
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let uri = host.and_then(|host| host.parse::<Uri>().ok());
        self.registry.origin(uri.as_ref().unwrap_or_else(|| request.uri()))
    }

    fn start<B: Body>(&self, request: &mut Request<B>, facts: RequestFacts) -> Attempt {
        let origin = self.origin_of(request);
        // A middleware below may send requests of its own.
        let same = |outer: Attempt| *outer.origin() == origin && outer.is_of_request(request);
        if Attempt::current().is_some_and(same) && Setup::current().is_none() {
            self.registry.warn(StackWarning::ObservedTwice);
        }
        let attempt = AttemptStart {
            registry: self.registry.clone(),
            origin,
            method: request.method().clone(),
            template: request.extensions().get::<UrlTemplate>().cloned(),
            call: request.extensions().get::<Call>().cloned(),
            uri: request.uri(),
            asks_close: facts.asks_close,
            is_grpc: facts.is_grpc,
        }
        .start();
        let head = RequestHead {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
            body_size: request.body().size_hint().exact(),
        };
        self.registry.emit(&Event::AttemptStarted { attempt: &attempt, request: head });
        self.registry.observers().request(&attempt, request.headers_mut());
        attempt
    }
}

/// Gives the call the deadlines that are known when its first attempt begins.
fn set_deadlines<B>(attempt: &Attempt, request: &Request<B>, timeouts: &Timeouts) {
    if attempt.ordinal() > 0 {
        return;
    }
    let call = attempt.call();
    call.take_deadlines(request.extensions());
    let end = timeouts.of_call().and_then(|timeout| attempt.start_time().checked_add(timeout));
    if let Some(end) = end {
        call.end_by(end);
    }
}

/// The deadline that the client announces is that of the call, retries and waits included.
fn bound_by_grpc_timeout<B>(attempt: &Attempt, request: &Request<B>) {
    let value = if attempt.is_grpc() { request.headers().get(&GRPC_TIMEOUT) } else { None };
    let Some(value) = value else { return };
    match parse_grpc(value) {
        Some(timeout) => {
            let deadline = attempt.start_time().checked_add(timeout);
            deadline.into_iter().for_each(|deadline| attempt.call().end_by(deadline));
        }
        None => attempt.registry().warn(StackWarning::InvalidTimeout),
    }
}

/// Tells the peer what is left of the deadline.
fn hand_on_deadline<B>(attempt: &Attempt, request: &mut Request<B>, headers: &DeadlineHeaders) {
    if let Some(deadline) = attempt.call().deadline() {
        let left = deadline.saturating_duration_since(attempt.start_time());
        headers.write(attempt.is_grpc(), request.headers_mut(), left);
    }
}

/// What the head of a request says of its attempt.
#[derive(Clone, Copy)]
struct RequestFacts {
    asks_close: bool,
    is_grpc: bool,
    /// What it means if the peer does not answer for long.
    silence: Silence,
    /// Of the body.
    length: Option<u64>,
}

impl RequestFacts {
    fn of<B: Body>(request: &Request<B>, timeouts: Timeouts) -> Self {
        let headers = request.headers();
        let named = NamedHeaders::of(headers);
        let is_grpc = named.is_grpc();
        let normal =
            || is_grpc || request.extensions().get::<Streaming>().is_some() || named.accepts_event_stream();
        let normal = timeouts.depend_on_silence() && normal();
        Self {
            asks_close: named.has_connection_option(headers, "close"),
            is_grpc,
            silence: if normal { Silence::Normal } else { Silence::Fault },
            length: named.body_length(request.body()),
        }
    }
}

impl<S, B, R> Service<Request<B>> for Observe<S>
where
    S: Service<Request<ObserveRequestBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body,
    R: Body,
    R::Error: Into<BoxError>,
{
    type Response = Response<ObserveBody<R>>;
    type Error = Error;
    type Future = ObserveFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(|error| {
            let error = error.into();
            Error::new(Failure::of(&*error), None, error)
        })
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let settings = self.registry.settings();
        let timeouts = self.timeouts.as_deref().unwrap_or(&settings.timeouts);
        let own = request.extensions().get::<Timeouts>();
        let timeouts = own.map_or(*timeouts, |own| own.or(*timeouts));
        announce_empty_body(&mut request);
        let facts = RequestFacts::of(&request, timeouts);
        let attempt = self.start(&mut request, facts);
        set_deadlines(&attempt, &request, &timeouts);
        bound_by_grpc_timeout(&attempt, &request);
        if let Some(headers) = &settings.deadline_headers {
            hand_on_deadline(&attempt, &mut request, headers);
        }
        let watch = AttemptTimers::new(timeouts, facts.silence, &attempt);
        if !attempt.origin().is_named_by(request.uri()) {
            user_info::move_to_header(&mut request);
        }
        request_capture(&attempt, &mut request);
        let watched = watch.as_ref().is_some_and(AttemptTimers::watch_writes);
        let request =
            request.map(|body| ObserveRequestBody::new(body, attempt.clone(), facts.length, watched));
        let guard = super::future::Guard::new(attempt);
        // Past the deadline, the client does not get the request.
        let in_time = !watch.as_ref().is_some_and(AttemptTimers::is_past_deadline);
        let inner = in_time.then(|| {
            let _scope = CallScope::enter(guard.attempt());
            self.inner.call(request)
        });
        ObserveFuture::new(inner, guard, watch)
    }
}
