//! What was sent against what arrived.

use std::collections::BTreeMap;

use crate::model::{Metric, Metrics, Point, Span};

/// The pipeline's own metrics are not in the copy.
pub(crate) const OWN: &str = "tower-outbound-telemetry";

/// Fails unless each sent span arrived once, and equal, and no other did.
#[track_caller]
pub(crate) fn same_spans(sent: Vec<Span>, arrived: Vec<Span>) {
    let (sent_count, arrived_count) = (sent.len(), arrived.len());
    let (sent, mut arrived) = (by_id(sent), by_id(arrived));
    assert_eq!((sent.len(), arrived.len()), (sent_count, arrived_count), "a span twice");
    for (id, span) in sent {
        let other = arrived.remove(&id).unwrap_or_else(|| panic!("did not arrive: {span:#?}"));
        // The whole first, so that no field is forgotten.
        assert!(span == other, "sent {span:#?}\narrived {other:#?}");
    }
    assert!(arrived.is_empty(), "never sent: {arrived:#?}");
}

fn by_id(spans: Vec<Span>) -> BTreeMap<String, Span> {
    spans.into_iter().map(|span| (span.context.span_id.clone(), span)).collect()
}

/// Fails unless each metric arrived with its description, unit, type, temporality and all its points. The pipeline's
/// own metrics must be there too.
#[track_caller]
pub(crate) fn same_metrics(sent: Metrics, mut arrived: Metrics) {
    for (name, metric) in sent {
        let other = arrived.remove(&name).unwrap_or_else(|| panic!("did not arrive: {metric:#?}"));
        let mut points = other.points.clone();
        for (series, (_, sent)) in &metric.points {
            let Some((_, point)) = points.remove(series) else { panic!("{name:?}: no {series}") };
            assert!(same_point(sent, &point), "{name:?} {series}: sent {sent:?}\narrived {point:?}");
        }
        assert!(points.is_empty(), "{name:?}: never sent: {points:#?}");
        let [sent, arrived] = [metric, other].map(|metric| Metric { points: BTreeMap::new(), ..metric });
        assert_eq!(sent, arrived, "{name:?}");
    }
    let (own, others): (Vec<_>, Vec<_>) = arrived.into_keys().partition(|(scope, _)| scope == OWN);
    assert!(others.is_empty(), "never sent: {others:?}");
    assert!(own.iter().all(|(_, name)| name.starts_with("otel.sdk.")) && !own.is_empty(), "{own:?}");
}

/// The two observers may add in different orders: a sum may differ in its last digits.
fn same_point(sent: &Point, arrived: &Point) -> bool {
    let near = |sum: f64, of: f64| (sum - of).abs() <= 1e-12 * sum.abs();
    let mut arrived = arrived.clone();
    match (sent, &mut arrived) {
        (Point::Histogram { sum, .. }, Point::Histogram { sum: other, .. })
        | (Point::Exponential { sum, .. }, Point::Exponential { sum: other, .. })
            if near(*sum, *other) =>
        {
            *other = *sum;
        }
        _ => {}
    }
    *sent == arrived
}
