//! A process that has switched OpenTelemetry off. One test: providers are per process.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use tower::{Layer as _, ServiceExt as _};
use tower_outbound::{BoxError, Outbound};
use tower_outbound_otel::OtelObserver;
use tower_outbound_telemetry::Telemetry;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Visit for Warnings {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        self.0.lock().unwrap().push(format!("{value:?}"));
    }
}

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            event.record(&mut self.clone());
        }
    }
}

#[tokio::test]
async fn disabled_telemetry_leaves_the_observer_silent() {
    let warnings = Warnings::default();
    tracing_subscriber::registry().with(warnings.clone()).init();
    let disabled = |key: &str| (key == "OTEL_SDK_DISABLED").then(|| "true".to_owned());
    let _telemetry = Telemetry::builder("shop").lookup(disabled).build().unwrap();
    let outbound = Outbound::builder().observer(OtelObserver::new()).build();
    let answer = tower::service_fn(async |_| Ok::<_, BoxError>(Response::new(String::new())));
    let request = Request::get("http://a.example/").body(String::new()).unwrap();
    outbound.attempt_layer().layer(answer).oneshot(request).await.unwrap();
    let warnings = warnings.0.lock().unwrap();
    // That of a connector that is not tracked shows that warnings arrive.
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(!warnings[0].contains("provider"), "{warnings:?}");
}
