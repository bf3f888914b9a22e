//! Log lines when a receiver becomes unreachable and when it returns.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use outbound_tests::otlp::Fault;
use tower_outbound_telemetry::OtlpProtocol;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::{drive, front, receiver};

type Fields = BTreeMap<String, String>;
type Events = Vec<(Level, Fields)>;

/// All log events of the pipelines, in order.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Events>, Condvar)>);

struct Collected(Fields);

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "tower_outbound_telemetry" {
            let mut fields = Collected(Fields::new());
            event.record(&mut fields);
            let mut events = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            events.push((*event.metadata().level(), fields.0));
            self.0.1.notify_all();
        }
    }
}

impl Log {
    /// Waits for `count` events of an endpoint. Returns their levels and messages.
    fn of(&self, endpoint: &str, count: usize) -> Vec<(Level, String)> {
        let of_endpoint = |events: &Events| -> Vec<_> {
            let matching =
                events.iter().filter(|(_, fields)| fields.values().any(|value| value.contains(endpoint)));
            matching.map(|(level, fields)| (*level, fields["message"].clone())).collect()
        };
        let (events, changed) = &*self.0;
        let events = events.lock().unwrap_or_else(PoisonError::into_inner);
        let too_few = |events: &mut Vec<_>| of_endpoint(events).len() < count;
        let (events, _) = changed.wait_timeout_while(events, Duration::from_secs(10), too_few).unwrap();
        of_endpoint(&events)
    }

    /// The field `cause` of an endpoint's first warning.
    fn cause(&self, endpoint: &str) -> String {
        let events = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |fields: &Fields| fields.get("endpoint").is_some_and(|value| value.contains(endpoint));
        events.iter().find(|(_, fields)| of(fields)).map(|(_, fields)| fields["cause"].clone()).unwrap()
    }
}

#[test]
fn otlp_restart_loses_nothing_and_logs_outage_and_return() {
    let log = Log::default();
    tracing_subscriber::registry().with(log.clone()).init();
    for protocol in [OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson, OtlpProtocol::Grpc] {
        let receiver = receiver();
        let front = front(&receiver, drive::front_protocol(protocol));
        let telemetry = drive::long_lived(&front, protocol);
        let endpoint = front.endpoint();
        let exported = (Level::INFO, "telemetry is exported".to_owned());
        assert_eq!(log.of(&endpoint, 1), std::slice::from_ref(&exported));

        drive::record(&telemetry, 600);
        let _ = telemetry.force_flush().unwrap();
        front.set(Fault::Refused);
        // A full batch is exported at once.
        drive::record(&telemetry, 600);
        let gone = (Level::WARN, "telemetry export failed, it is retried".to_owned());
        assert_eq!(log.of(&endpoint, 2), [exported.clone(), gone.clone()]);
        let cause = log.cause(&endpoint);
        let start = if protocol == OtlpProtocol::Grpc { "RPC failed: " } else { "POST http" };
        assert!(cause.starts_with(start), "{cause}");
        assert!(!cause.contains("Failure") && cause.len() < 400, "`Debug` output in the cause: {cause}");
        front.set(Fault::None);
        let back = (Level::INFO, "telemetry export works again".to_owned());
        assert_eq!(log.of(&endpoint, 3), [exported.clone(), gone.clone(), back.clone()]);

        let report = telemetry.shutdown_blocking();
        assert!(report.is_complete() && report.spans().delivered() == 1_200, "{report}");
        assert_eq!(receiver.span_ids().len(), 1_200);
        assert_eq!(log.of(&endpoint, 3), [exported, gone, back], "each once");
    }
}
