//! Optional attributes of attempt spans.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, HeaderName, PROXY_AUTHORIZATION, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue};
use opentelemetry::{Array, Key, KeyValue, StringValue, Value};
use tower_outbound::Attempt;
use tower_outbound::event::RequestHead;

use crate::redact::REDACTED;
use crate::semconv::{attribute as a, outbound as o};
use crate::server_timing;

/// Headers whose values are always hidden.
const SECRET: [HeaderName; 4] = [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE];

/// An optional attribute of attempt spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpanAttribute {
    /// `http.request.body.size`: bytes that the client took.
    RequestBodySize,
    /// `http.response.body.size`: bytes received, if there was a response.
    ResponseBodySize,
    /// `url.scheme`.
    UrlScheme,
    /// `user_agent.original`: the request's `User-Agent`, if any.
    UserAgent,
}

/// The configured attributes and headers, without duplicates.
#[derive(Debug, Default)]
pub(crate) struct OptIn {
    attributes: Vec<SpanAttribute>,
    request_headers: Vec<(HeaderName, Key)>,
    response_headers: Vec<(HeaderName, Key)>,
    /// The metric of `Server-Timing`.
    server_timing: Option<Box<str>>,
}

impl OptIn {
    pub(crate) fn attribute(&mut self, attribute: SpanAttribute) {
        if !self.has(attribute) {
            self.attributes.push(attribute);
        }
    }

    pub(crate) fn request_header(&mut self, name: HeaderName) {
        add(&mut self.request_headers, "http.request.header", name);
    }

    pub(crate) fn response_header(&mut self, name: HeaderName) {
        add(&mut self.response_headers, "http.response.header", name);
    }

    pub(crate) fn server_timing(&mut self, metric: &str) {
        self.server_timing = Some(metric.into());
    }

    /// Whether the duration that a server says of itself is recorded.
    pub(crate) fn wants_server_duration(&self) -> bool {
        self.server_timing.is_some()
    }

    /// That duration, if it is to be recorded and the server says it.
    pub(crate) fn server_duration(&self, response: &HeaderMap) -> Option<Duration> {
        server_timing::duration_of(self.server_timing.as_deref()?, response)
    }

    fn has(&self, attribute: SpanAttribute) -> bool {
        self.attributes.contains(&attribute)
    }

    /// Attributes known at the start.
    pub(crate) fn at_start(&self, attempt: &Attempt, request: &RequestHead<'_>) -> Vec<KeyValue> {
        let mut attributes = headers(&self.request_headers, request.headers);
        if self.has(SpanAttribute::UrlScheme) {
            attributes.push(KeyValue::new(a::URL_SCHEME, attempt.origin().scheme().to_owned()));
        }
        let agent = request.headers.get(USER_AGENT).filter(|_| self.has(SpanAttribute::UserAgent));
        attributes.extend(agent.map(|agent| KeyValue::new(a::USER_AGENT_ORIGINAL, text(agent))));
        attributes
    }

    /// Whether the response's head has anything to record.
    pub(crate) fn wants_head(&self) -> bool {
        !self.response_headers.is_empty() || self.wants_server_duration()
    }

    /// Attributes of the response's head.
    pub(crate) fn at_head(&self, response: &HeaderMap) -> Vec<KeyValue> {
        let mut attributes = headers(&self.response_headers, response);
        let server = self.server_duration(response);
        attributes.extend(server.map(|server| KeyValue::new(o::SERVER_DURATION, server.as_secs_f64())));
        attributes
    }

    /// Attributes known at the end.
    pub(crate) fn at_end(&self, attempt: &Attempt) -> impl Iterator<Item = KeyValue> {
        let sent = self.has(SpanAttribute::RequestBodySize).then(|| attempt.request_body_bytes());
        let answered = self.has(SpanAttribute::ResponseBodySize) && attempt.status().is_some();
        let received = answered.then(|| attempt.response_body_bytes());
        [(a::HTTP_REQUEST_BODY_SIZE, sent), (a::HTTP_RESPONSE_BODY_SIZE, received)]
            .into_iter()
            .filter_map(|(key, bytes)| Some(KeyValue::new(key, i64::try_from(bytes?).unwrap_or(i64::MAX))))
    }
}

fn add(names: &mut Vec<(HeaderName, Key)>, prefix: &str, name: HeaderName) {
    if names.iter().all(|(known, _)| *known != name) {
        let key: Arc<str> = format!("{prefix}.{name}").into();
        names.push((name, key.into()));
    }
}

/// The headers that are present, with all their values.
fn headers(names: &[(HeaderName, Key)], map: &HeaderMap) -> Vec<KeyValue> {
    let there = names.iter().filter(|(name, _)| map.contains_key(name));
    let value = |name: &HeaderName, value: &HeaderValue| match value.is_sensitive() || SECRET.contains(name) {
        true => REDACTED.into(),
        false => text(value),
    };
    let values =
        |name| Value::Array(Array::String(map.get_all(name).iter().map(|v| value(name, v)).collect()));
    there.map(|(name, key)| KeyValue::new(key.clone(), values(name))).collect()
}

fn text(value: &HeaderValue) -> StringValue {
    String::from_utf8_lossy(value.as_bytes()).into_owned().into()
}
