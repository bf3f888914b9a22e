//! The attributes of one origin's metrics.

use std::sync::Arc;

use opentelemetry::{KeyValue, Value};
use tower_outbound::Kind;

use super::instruments::Instruments;
use crate::labels::Labels;
use crate::options::{MetricLabel, Options};
use crate::semconv::attribute as a;

/// Shared by the metrics of one origin.
#[derive(Debug)]
pub(super) struct Attributes {
    pub(super) instruments: Arc<Instruments>,
    pub(super) options: Arc<Options>,
    pub(super) labels: Labels,
}

/// A key and its value, if any.
pub(super) type Pair = (&'static str, Option<Value>);

impl Attributes {
    /// The attributes of one of the convention's metrics.
    pub(super) fn http<const N: usize>(&self, further: [Pair; N]) -> Vec<KeyValue> {
        let scheme = self.options.has(MetricLabel::UrlScheme).then(|| self.labels.scheme.into());
        sorted(further.into_iter().chain([
            (a::SERVER_ADDRESS, Some(self.labels.address.clone().into())),
            (a::SERVER_PORT, Some(self.labels.port.into())),
            (a::URL_SCHEME, scheme),
        ]))
    }

    /// The attributes of an `outbound.*` metric.
    pub(super) fn outbound<const N: usize>(&self, further: [Pair; N]) -> Vec<KeyValue> {
        let port = self.options.has(MetricLabel::OutboundPort).then(|| self.labels.port.into());
        sorted(further.into_iter().chain([
            (a::SERVER_ADDRESS, Some(self.labels.address.clone().into())),
            (a::SERVER_PORT, port),
            (a::URL_SCHEME, text(self.labels.scheme)),
        ]))
    }
}

pub(super) fn text(value: &'static str) -> Option<Value> {
    Some(value.into())
}

pub(super) fn kind(kind: Option<Kind>) -> Option<Value> {
    kind.map(|kind| kind.as_str().into())
}

/// The pairs that have a value, in the order in which the SDK stores them: by key.
pub(super) fn sorted(pairs: impl IntoIterator<Item = Pair>) -> Vec<KeyValue> {
    let present = pairs.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?)));
    let mut attributes: Vec<_> = present.collect();
    attributes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    attributes
}
