//! What our layers report to.

use std::time::Duration;

use http::HeaderName;
use tower_outbound::Outbound;
use tower_outbound::deadline::DeadlineHeaders;
use tower_outbound::timeouts::Timeouts;
use tower_outbound_otel::{Metrics, OtelObserver, Phases};
use tower_outbound_telemetry::{OtlpProtocol, Telemetry};

use super::{Flush, null};
use crate::load::Spans;
use crate::server::Addresses;
use crate::settings::Observe;

/// Our layers, observed as the setting says.
pub(crate) fn outbound(observe: Observe, to: &Addresses) -> (Outbound, Flush) {
    let (observer, flush) = match observe {
        Observe::Nothing => return (Outbound::new(), Flush::nothing()),
        Observe::NothingOnce => {
            return (Outbound::builder().retry(|retry| retry.max_retries(0)).build(), Flush::nothing());
        }
        Observe::Deadline { header } => {
            let outbound = Outbound::builder().timeouts(Timeouts::new().call(Duration::from_secs(10)));
            let headers = DeadlineHeaders::new().http(HeaderName::from_static("x-timeout-ms"));
            let outbound = if header { outbound.deadline_headers(headers) } else { outbound };
            return (outbound.build(), Flush::nothing());
        }
        Observe::Metrics | Observe::CoreMetrics => {
            let metrics = if observe == Observe::Metrics { Metrics::All } else { Metrics::Core };
            let observer = OtelObserver::builder().meter_provider(&null::metrics()).metrics(metrics);
            (observer.build(), Flush::nothing())
        }
        Observe::Traces { share, phases } => {
            let (traces, flush) = null::traces(share);
            let observer = OtelObserver::builder().meter_provider(&null::metrics()).tracer_provider(&traces);
            (observer.phases(if phases { Phases::Spans } else { Phases::Off }).build(), flush)
        }
        Observe::Pipeline { protocol, gzip } => {
            let telemetry = pipeline(to, protocol, gzip);
            let observer = telemetry.observer().build();
            (observer, Flush::new(move || delivered(&telemetry)))
        }
        Observe::Otlp => unreachable!("ours export by their own pipeline"),
    };
    (Outbound::builder().observer(observer).build(), flush)
}

fn pipeline(to: &Addresses, protocol: OtlpProtocol, gzip: bool) -> Telemetry {
    let receiver = if protocol == OtlpProtocol::Grpc { to.receiver } else { to.http_receiver };
    let telemetry = Telemetry::builder("bench")
        .lookup(move |key| (gzip && key == "OTEL_EXPORTER_OTLP_COMPRESSION").then(|| "gzip".into()))
        .protocol(protocol)
        .endpoint(format!("http://{receiver}"))
        .build()
        .expect("a pipeline");
    assert!(telemetry.warnings().is_empty(), "{:?}", telemetry.warnings());
    telemetry
}

fn delivered(telemetry: &Telemetry) -> Spans {
    let report = telemetry.force_flush().expect("an export in time");
    let spans = report.spans();
    Spans { made: spans.delivered() + spans.lost(), exported: spans.delivered() }
}
