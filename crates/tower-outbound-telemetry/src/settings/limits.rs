//! Span limits.

use opentelemetry_sdk::trace::SpanLimits;

use super::reader::{MAX, Reader};

const GENERAL: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";

impl Reader<'_> {
    pub(super) fn limits(&mut self) -> SpanLimits {
        SpanLimits {
            max_attributes_per_span: self.limit(&["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", GENERAL]),
            max_events_per_span: self.limit(&["OTEL_SPAN_EVENT_COUNT_LIMIT"]),
            max_links_per_span: self.limit(&["OTEL_SPAN_LINK_COUNT_LIMIT"]),
            max_attributes_per_event: self.limit(&["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", GENERAL]),
            max_attributes_per_link: self.limit(&["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", GENERAL]),
        }
    }

    /// Zero is valid: no attributes, events or links.
    fn limit(&mut self, keys: &[&'static str]) -> u32 {
        self.number(keys, 128, 0..=MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{resolve, warned};

    /// Attributes, events, links, attributes of an event, and of a link.
    fn limits(variables: &[(&'static str, &'static str)]) -> ([u32; 5], Vec<(String, String)>) {
        let settings = resolve(variables);
        let warned =
            warned(&settings).iter().map(|(key, _, used)| ((*key).to_owned(), (*used).to_owned())).collect();
        let limits = settings.limits;
        let all = [
            limits.max_attributes_per_span,
            limits.max_events_per_span,
            limits.max_links_per_span,
            limits.max_attributes_per_event,
            limits.max_attributes_per_link,
        ];
        (all, warned)
    }

    #[test]
    fn span_limits_from_own_or_general_variable() {
        let own = [
            ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1"),
            ("OTEL_SPAN_EVENT_COUNT_LIMIT", "2"),
            ("OTEL_SPAN_LINK_COUNT_LIMIT", "0"),
            ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "4"),
            ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "5"),
        ];
        let general = [("OTEL_ATTRIBUTE_COUNT_LIMIT", "9")];
        assert_eq!(limits(&[]), ([128; 5], vec![]));
        assert_eq!(limits(&own), ([1, 2, 0, 4, 5], vec![]));
        assert_eq!(limits(&general), ([9, 128, 128, 9, 9], vec![]));
        assert_eq!(limits(&[own.as_slice(), &general].concat()), ([1, 2, 0, 4, 5], vec![]));
    }

    #[test]
    fn span_limits_invalid_falls_back_to_general() {
        let own = ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "many");
        let warned = |used: &str| vec![(own.0.to_owned(), used.to_owned())];
        assert_eq!(limits(&[own]), ([128; 5], warned("128")));
        let general = ("OTEL_ATTRIBUTE_COUNT_LIMIT", "9");
        assert_eq!(limits(&[own, general]), ([9, 128, 128, 9, 9], warned("9")));
    }
}
