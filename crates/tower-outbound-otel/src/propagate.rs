//! Writes the trace context into requests.

use std::task::{Context as TaskContext, Poll};

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request};
use opentelemetry::propagation::Injector;
use opentelemetry::{Context, global};
use tower_layer::Layer;
use tower_outbound::attempt::NoPropagation;
use tower_service::Service;

use crate::target::Target;

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
pub(crate) static BAGGAGE: HeaderName = HeaderName::from_static("baggage");

/// The header of a propagator's field; `None` for a field of another propagator, whose name has to be parsed.
fn known(field: &str) -> Option<&'static HeaderName> {
    [&TRACEPARENT, &TRACESTATE, &BAGGAGE].into_iter().find(|name| name.as_str() == field)
}

/// Few names are compared sooner than one is hashed.
const FEW: usize = 8;

fn has(headers: &HeaderMap, name: &HeaderName) -> bool {
    match headers.len() {
        0..FEW => headers.keys().any(|header| header == name),
        _ => headers.contains_key(name),
    }
}

/// Whether a request has any of a propagator's fields other than baggage.
pub(crate) fn has_any<'a>(headers: &HeaderMap, fields: impl IntoIterator<Item = &'a str>) -> bool {
    let fields = fields.into_iter().filter(|field| *field != BAGGAGE.as_str());
    fields.into_iter().any(|field| match known(field) {
        Some(name) => has(headers, name),
        None => headers.contains_key(field),
    })
}

/// Which requests carry the trace context.
///
/// The headers are written by the global propagator, looked up for each request. `baggage` carries user data and is sent
/// only to listed hosts. Hosts are listed as `host`, `host:port` or `scheme://host:port`.
///
/// A request that carries a context already, of a proxy that forwards headers, gets that of its attempt instead: a child
/// of the current span, or without one of the span that the request carries, whose `tracestate` stays. The `baggage` of the
/// context that it carries then goes to listed hosts only, too.
#[derive(Clone, Debug)]
pub struct Propagate {
    to: To,
    baggage: Vec<String>,
}

#[derive(Clone, Debug)]
enum To {
    Everywhere,
    Listed(Vec<String>),
}

impl Propagate {
    /// Requests to all hosts, without baggage.
    #[must_use]
    pub fn everywhere() -> Self {
        Self { to: To::Everywhere, baggage: Vec::new() }
    }

    /// Requests to these hosts, with baggage.
    #[must_use]
    pub fn only<I>(hosts: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let hosts: Vec<String> = hosts.into_iter().map(Into::into).collect();
        Self { to: To::Listed(hosts.clone()), baggage: hosts }
    }

    /// No requests.
    #[must_use]
    pub fn off() -> Self {
        Self { to: To::Listed(Vec::new()), baggage: Vec::new() }
    }

    /// Sends baggage to these hosts, in addition to the trace context. Replaces the list of [`only`](Self::only).
    #[must_use]
    pub fn baggage_to<I>(mut self, hosts: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.baggage = hosts.into_iter().map(Into::into).collect();
        self
    }

    fn goes_to(&self, target: Target<'_>) -> bool {
        match &self.to {
            To::Everywhere => true,
            To::Listed(hosts) => target.is_in(hosts),
        }
    }

    /// Writes the headers of a context. `carried`: the context is that of the headers.
    pub(crate) fn inject(
        &self,
        target: Target<'_>,
        context: &Context,
        carried: bool,
        headers: &mut HeaderMap,
    ) {
        if !self.goes_to(target) {
            return;
        }
        let baggage = !self.baggage.is_empty() && target.is_in(&self.baggage);
        if carried && !baggage {
            headers.remove(&BAGGAGE);
        }
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(context, &mut Headers { headers, baggage });
        });
    }
}

impl Default for Propagate {
    fn default() -> Self {
        Self::everywhere()
    }
}

struct Headers<'a> {
    headers: &'a mut HeaderMap,
    baggage: bool,
}

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        if key.eq_ignore_ascii_case(BAGGAGE.as_str()) && !self.baggage {
            return;
        }
        let name = match known(key) {
            Some(name) => name.clone(),
            None => match HeaderName::from_bytes(key.as_bytes()) {
                Ok(name) => name,
                Err(_) => return,
            },
        };
        // The SDK's propagator writes an empty `tracestate` if there is none. Remove that of another trace.
        if value.is_empty() {
            if has(self.headers, &name) {
                self.headers.remove(name);
            }
        } else if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(name, value);
        }
    }
}

/// Writes the current trace context into requests, for stacks without an
/// [`OtelObserver`](crate::OtelObserver).
///
/// Requests that have the propagator's headers already are not changed: in a stack with both, the headers name the
/// attempt's span.
///
/// # Example
/// ```
/// use http::Request;
/// use tower::{ServiceBuilder, service_fn};
/// use tower_outbound_otel::PropagateLayer;
///
/// let client = service_fn(async |_: Request<()>| Ok::<_, std::io::Error>(()));
/// let client = ServiceBuilder::new().layer(PropagateLayer::new()).service(client);
/// # let _ = client;
/// ```
#[derive(Clone, Debug, Default)]
pub struct PropagateLayer {
    propagate: Propagate,
}

impl PropagateLayer {
    /// For requests to all hosts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Which requests carry the trace context. Default: [`Propagate::everywhere`].
    #[must_use]
    pub fn propagate(mut self, propagate: Propagate) -> Self {
        self.propagate = propagate;
        self
    }
}

impl<S> Layer<S> for PropagateLayer {
    type Service = PropagateService<S>;

    fn layer(&self, inner: S) -> PropagateService<S> {
        PropagateService { inner, propagate: self.propagate.clone() }
    }
}

/// The service of a [`PropagateLayer`].
#[derive(Clone, Debug)]
pub struct PropagateService<S> {
    inner: S,
    propagate: Propagate,
}

impl<S> PropagateService<S> {
    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B> Service<Request<B>> for PropagateService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let context = Context::current();
        let wanted = !context.is_telemetry_suppressed()
            && request.extensions().get::<NoPropagation>().is_none()
            && !has_context(request.headers());
        if wanted {
            let uri = request.uri().clone();
            self.propagate.inject(Target::from(&uri), &context, false, request.headers_mut());
        }
        self.inner.call(request)
    }
}

fn has_context(headers: &HeaderMap) -> bool {
    headers.contains_key(&TRACEPARENT)
        || global::get_text_map_propagator(|propagator| has_any(headers, propagator.fields()))
}
