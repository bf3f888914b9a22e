//! The context that a request carries.

use http::HeaderMap;
use http::header::HeaderName;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, global};

use crate::propagate::{BAGGAGE, TRACESTATE, has_any};

/// The span and baggage of the request's headers, in the caller's context. `None` if the global propagator reads no valid
/// span from them.
pub(crate) fn carried(caller: &Context, headers: &HeaderMap) -> Option<Context> {
    global::get_text_map_propagator(|propagator| {
        // Most requests carry none: nothing is parsed.
        if !has_any(headers, propagator.fields()) {
            return None;
        }
        let context = propagator.extract_with_context(caller, &Carried::new(headers));
        let valid = context.span().span_context().is_valid();
        valid.then_some(context)
    })
}

/// Headers, of which a list may be in several lines.
struct Carried<'a> {
    headers: &'a HeaderMap,
    joined: Vec<(&'static str, String)>,
}

impl<'a> Carried<'a> {
    fn new(headers: &'a HeaderMap) -> Self {
        let lists = [&TRACESTATE, &BAGGAGE]
            .into_iter()
            .filter_map(|name| Some((name.as_str(), joined(headers, name)?)));
        Self { headers, joined: lists.collect() }
    }
}

/// The lines of a header as one; `None` if there are not several.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    let (first, second) = (lines.next()?, lines.next()?);
    let rest = std::iter::once(second).chain(lines);
    Some(rest.fold(first.to_owned(), |list, line| list + "," + line))
}

impl Extractor for Carried<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match self.joined.iter().find(|(name, _)| *name == key) {
            Some((_, list)) => Some(list),
            None => self.headers.get(key)?.to_str().ok(),
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.headers.keys().map(HeaderName::as_str).collect()
    }
}
