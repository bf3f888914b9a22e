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

const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";
pub(crate) const BAGGAGE: &str = "baggage";

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
            headers.remove(BAGGAGE);
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
        if key.eq_ignore_ascii_case(BAGGAGE) && !self.baggage {
            return;
        }
        let name = match key {
            TRACEPARENT => Ok(HeaderName::from_static(TRACEPARENT)),
            TRACESTATE => Ok(HeaderName::from_static(TRACESTATE)),
            BAGGAGE => Ok(HeaderName::from_static(BAGGAGE)),
            other => HeaderName::from_bytes(other.as_bytes()),
        };
        match (name, HeaderValue::try_from(value)) {
            // The SDK's propagator writes an empty `tracestate` if there is none. Remove that of another trace.
            (Ok(name), Ok(value)) if value.is_empty() => drop(self.headers.remove(name)),
            (Ok(name), Ok(value)) => drop(self.headers.insert(name, value)),
            _ => {}
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
    headers.contains_key(TRACEPARENT)
        || global::get_text_map_propagator(|propagator| {
            propagator.fields().any(|field| field != BAGGAGE && headers.contains_key(field))
        })
}
