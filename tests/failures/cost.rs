//! The cost of `Failure::of`: no allocation, and little time.

use std::io;

use outbound_tests::server::{Script, closed_port};
use tower_outbound::connect::PhaseLayer;
use tower_outbound::{BoxError, Error, Failure, Kind};

use crate::chains::failed_in;
use crate::pipe::{Then, http1_error, http2_error};
use crate::stack::failing;
use outbound_tests::faults::frames::rst_stream;

const TIMES: u32 = 10_000;

fn assert_no_allocation(what: &str, error: &(dyn std::error::Error + 'static), kind: Kind) {
    assert_eq!(Failure::of(error).kind(), kind, "{what}");
    let start = tokio::time::Instant::now();
    let counted = allocation_counter::measure(|| {
        for _ in 0..TIMES {
            std::hint::black_box(Failure::of(std::hint::black_box(error)));
        }
    });
    let each = start.elapsed() / TIMES;
    println!("{what}: {each:?}, {} allocations in {TIMES} times", counted.count_total);
    assert_eq!(counted.count_total, 0, "{what}");
}

#[tokio::test]
async fn failure_classification_allocates_nothing() {
    let refused = failing(&format!("http://{}/", closed_port().unwrap()).parse().unwrap()).await;
    assert_no_allocation("our own error", &refused, Kind::ConnectionRefused);
    let client: BoxError = Error::into_source(refused).unwrap();
    assert_no_allocation("hyper-util, around our connect error", &*client, Kind::ConnectionRefused);
    let bare = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Empty<bytes::Bytes>>();
    let uri = format!("http://{}/", closed_port().unwrap()).parse().unwrap();
    let bare = bare.get(uri).await.unwrap_err();
    assert_no_allocation("hyper-util, connect refused", &bare, Kind::ConnectionRefused);
    let reset = http1_error(Script::new().read_request().reset()).await;
    assert_no_allocation("hyper, reset", &*reset, Kind::ConnectionReset);
    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
    let chunk = http1_error(Script::new().read_request().write(chunk).hang()).await;
    assert_no_allocation("hyper, bad chunk (by message)", &*chunk, Kind::InvalidResponse);
    let stream = http2_error(rst_stream(1, 7), Then::Stay).await;
    assert_no_allocation("hyper and h2, stream refused", &*stream, Kind::StreamRefused);
    let name = rustls::CertificateError::NotValidForNameContext {
        expected: "localhost".try_into().unwrap(),
        presented: vec!["example.test".to_owned()],
    };
    let name = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(name));
    let name = failed_in(&PhaseLayer::tls(), name.into());
    assert_no_allocation("rustls, wrong name", &*name, Kind::SecureConnection);
    let unknown = BoxError::from("what");
    assert_no_allocation("an unknown error", &*unknown, Kind::Other);
}
