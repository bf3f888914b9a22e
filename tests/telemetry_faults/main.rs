//! For each fault of a receiver, the losses in the pipeline's report equal the spans that the receiver did not get.
//!
//! `cargo test -p outbound-tests --test telemetry_faults -- --nocapture` prints a line for each fault.

mod drive;
mod log;

use outbound_tests::otlp::{Fault, Front, FrontProtocol, Receiver};
use tower_outbound_telemetry::OtlpProtocol;

use drive::{BEFORE, Outcome, UNDER, front_protocol};

fn receiver() -> Receiver {
    // The start only binds the ports. The receiver runs on its own thread.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Receiver::start()).unwrap()
}

fn front(receiver: &Receiver, protocol: FrontProtocol) -> Front {
    let upstream = match protocol {
        FrontProtocol::Http => receiver.http_address(),
        FrontProtocol::Grpc => receiver.grpc_address(),
    };
    Front::start(upstream, protocol).unwrap()
}

fn check(protocol: OtlpProtocol) {
    check_some(protocol, |_| true);
}

fn check_some(protocol: OtlpProtocol, is_checked: impl Fn(&Fault) -> bool) {
    let faults = drive::faults(front_protocol(protocol));
    let faults = faults.into_iter().filter(|(fault, _)| is_checked(fault));
    std::thread::scope(|scope| {
        for (fault, reasons) in faults {
            scope.spawn(move || {
                let receiver = receiver();
                let front = front(&receiver, front_protocol(protocol));
                let outcome = drive::run(&front, protocol, fault);
                let got = receiver.span_ids().len() as u64;
                let Outcome { report, shutdown, .. } = &outcome;
                let not_got = BEFORE + UNDER - got;
                println!("{protocol:?} {fault:?}: {report}; not received {not_got}; shutdown {shutdown:.2?}");
                drive::assert_exact(&outcome, got, fault, reasons);
                let exports = report.metric_exports();
                if fault != (Fault::Partial(3)) {
                    assert_eq!(exports.delivered(), receiver.requests().1 as u64, "{fault:?}: {report}");
                }
                assert_eq!(
                    exports.delivered() + exports.lost(),
                    2,
                    "{fault:?}: one export of the flush, one of the shutdown"
                );
            });
        }
    });
}

#[test]
fn otlp_http_reported_losses_match_receiver() {
    check(OtlpProtocol::HttpProtobuf);
}

#[test]
fn otlp_json_reported_losses_match_receiver() {
    // Slower than protobuf in an unoptimized build; what differs is the body and its answer.
    let differs = |fault: &Fault| {
        matches!(fault, Fault::None | Fault::Rejects | Fault::Partial(_) | Fault::CutBody | Fault::Refused)
    };
    check_some(OtlpProtocol::HttpJson, differs);
}

#[test]
fn otlp_grpc_reported_losses_match_receiver() {
    check(OtlpProtocol::Grpc);
}
