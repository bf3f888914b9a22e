//! rotel behind every fault of the front: the reported losses are the items that rotel did not receive.

use std::time::Duration;

use outbound_tests::otlp::{Front, FrontProtocol};
use outbound_tests::peers::Rotel;
use tower_outbound_telemetry::OtlpProtocol;

#[path = "../telemetry_faults/drive.rs"]
mod drive;

use drive::{BEFORE, UNDER, front_protocol};

const RECEIVED_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn over_grpc() {
    check(OtlpProtocol::Grpc).await;
}

pub(crate) async fn over_http() {
    check(OtlpProtocol::HttpProtobuf).await;
}

async fn check(protocol: OtlpProtocol) {
    for (fault, reasons) in drive::faults(front_protocol(protocol)) {
        let rotel = Rotel::start().await.unwrap();
        let front = front(&rotel, front_protocol(protocol));
        let run = tokio::task::spawn_blocking(move || drive::run(&front, protocol, fault));
        let outcome = run.await.unwrap();
        let delivered = outcome.report.spans().delivered();
        let arrived = |rotel: &Rotel| rotel.span_ids().len() as u64 >= delivered;
        rotel.wait_for(arrived, RECEIVED_WITHIN).await;
        let got = rotel.span_ids().len() as u64;
        println!(
            "    {protocol:?} {fault:?}: {}; not received {}; shutdown {:.2?}",
            outcome.report,
            BEFORE + UNDER - got,
            outcome.shutdown
        );
        drive::assert_exact(&outcome, got, fault, reasons);
    }
}

/// A paused rotel never answers; the port of a stopped rotel refuses; a restart loses nothing.
pub(crate) async fn comes_back() {
    let mut rotel = Rotel::start().await.unwrap();
    let front = front(&rotel, FrontProtocol::Http);
    let telemetry = drive::long_lived(&front, OtlpProtocol::HttpProtobuf);
    drive::record(&telemetry, 600);
    rotel.pause().await.unwrap();
    drive::record(&telemetry, 600);
    rotel.resume().unwrap();
    drive::record(&telemetry, 100);
    rotel.restart().await.unwrap();
    let report = telemetry.shutdown().await;
    assert!(report.is_complete() && report.spans().delivered() == 1_300, "{report}");
    assert!(rotel.wait_for(|rotel| rotel.span_ids().len() == 1_300, RECEIVED_WITHIN).await);
}

fn front(rotel: &Rotel, protocol: FrontProtocol) -> Front {
    let upstream = match protocol {
        FrontProtocol::Http => rotel.http_address(),
        FrontProtocol::Grpc => rotel.grpc_address(),
    };
    Front::start(upstream, protocol).unwrap()
}
