//! Instruments bound to their attributes: OpenTelemetry's own with the feature `bound`, plain `add` and `record` without.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};

/// Binds an instrument to attributes; `None` for a metric that is off.
pub(super) trait Bind {
    type Bound;

    fn bound(&self, attributes: &[KeyValue]) -> Option<Self::Bound>;
}

macro_rules! bound {
    ($($instrument:ident => $bound:ident, $record:ident;)+) => {$(
        #[derive(Debug)]
        pub(super) struct $bound<T> {
            #[cfg(feature = "bound")]
            instrument: opentelemetry::metrics::$bound<T>,
            #[cfg(not(feature = "bound"))]
            instrument: $instrument<T>,
            #[cfg(not(feature = "bound"))]
            attributes: Box<[KeyValue]>,
        }

        impl<T> $bound<T> {
            pub(super) fn $record(&self, value: T) {
                #[cfg(feature = "bound")]
                self.instrument.$record(value);
                #[cfg(not(feature = "bound"))]
                self.instrument.$record(value, &self.attributes);
            }
        }

        impl<T: Clone> Bind for Option<$instrument<T>> {
            type Bound = $bound<T>;

            fn bound(&self, attributes: &[KeyValue]) -> Option<Self::Bound> {
                let instrument = self.as_ref()?;
                Some($bound {
                    #[cfg(feature = "bound")]
                    instrument: instrument.bind(attributes),
                    #[cfg(not(feature = "bound"))]
                    instrument: instrument.clone(),
                    #[cfg(not(feature = "bound"))]
                    attributes: attributes.into(),
                })
            }
        }
    )+};
}

bound! {
    Counter => BoundCounter, add;
    Histogram => BoundHistogram, record;
    UpDownCounter => BoundUpDownCounter, add;
}

#[cfg(all(test, feature = "bound"))]
mod tests {
    use opentelemetry::metrics::MeterProvider;
    use opentelemetry_sdk::metrics::data::{Metric, ResourceMetrics, ScopeMetrics};
    use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};

    use super::*;

    /// Without the SDK's feature, the API returns handles that record nothing.
    #[test]
    fn bound_instruments_sdk_feature_is_enabled() {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()).build();
        let meter = provider.meter("bound");
        let label = [KeyValue::new("key", "value")];
        meter.u64_counter("counter").build().bind(&label).add(1);
        meter.i64_up_down_counter("gauge").build().bind(&label).add(1);
        meter.f64_histogram("histogram").build().bind(&label).record(1.0);
        provider.force_flush().unwrap();

        let exported = exporter.get_finished_metrics().unwrap();
        let scopes = exported.iter().flat_map(ResourceMetrics::scope_metrics);
        let bound = scopes.filter(|scope| scope.scope().name() == "bound").flat_map(ScopeMetrics::metrics);
        let mut names: Vec<_> = bound.map(Metric::name).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["counter", "gauge", "histogram"],
            "records of bound instruments are lost: add the feature `experimental_metrics_bound_instruments` to \
             `opentelemetry_sdk` in Cargo.toml"
        );
    }
}
