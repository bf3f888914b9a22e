//! A process whose providers are those of another version of OpenTelemetry, which are as good as none. One test: the warning
//! comes once per process.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tower::{Layer as _, ServiceExt as _};
use tower_outbound::{BoxError, Outbound};
use tower_outbound_otel::OtelObserver;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The warnings of providers.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Visit for Warnings {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" && text.contains("provider") {
            self.0.lock().unwrap().push(text);
        }
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            event.record(&mut self.clone());
        }
    }
}

async fn attempts(observer: OtelObserver) {
    let outbound = Outbound::builder().observer(observer).build();
    let answer = tower::service_fn(async |_| Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new())));
    let service = outbound.attempt_layer().layer(answer);
    for _ in 0..2 {
        let request = Request::get("http://a.example/").body(Empty::<Bytes>::new()).unwrap();
        service.clone().oneshot(request).await.unwrap();
    }
}

#[tokio::test]
async fn missing_provider_is_said_once_with_both_reasons() {
    let warnings = Warnings::default();
    let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(warnings.clone()));
    let meters = SdkMeterProvider::builder().build();
    attempts(OtelObserver::builder().meter_provider(&meters).build()).await;
    assert!(warnings.0.lock().unwrap().is_empty(), "a provider of this version was given");
    attempts(OtelObserver::new()).await;
    attempts(OtelObserver::new()).await;
    let said = warnings.0.lock().unwrap();
    let [said] = &said[..] else { panic!("one warning: {said:?}") };
    assert!(said.contains("no provider of OpenTelemetry 0.33 was set"), "{said}");
    assert!(said.contains("another version of the crate `opentelemetry`"), "{said}");
}
