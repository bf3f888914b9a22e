//! The gRPC code of a failed call is that of tonic alone, however many calls fail together.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::join_all;
use http::uri::PathAndQuery;
use http_body::Body;
use outbound_tests::server::closed_port;
use tokio::net::TcpListener;
use tonic::client::{Grpc, GrpcService};
use tonic::transport::Endpoint;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tower_outbound::{BoxError, Outbound};

use super::tonic_server::without_backoff;

/// As a generated client calls.
async fn unary<S>(service: S) -> Code
where
    S: GrpcService<tonic::body::Body>,
    S::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as Body>::Error: Into<BoxError>,
{
    let mut client = Grpc::new(service);
    if let Err(error) = client.ready().await {
        let error: BoxError = error.into();
        return Status::unknown(format!("Service was not ready: {error}")).code();
    }
    let path = PathAndQuery::from_static("/test.Echo/Unary");
    let codec = ProstCodec::<String, String>::default();
    match client.unary(Request::new("hello".to_owned()), path, codec).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

/// How often each code was returned to calls that began together.
async fn codes<S>(service: S, calls: usize) -> BTreeMap<i32, usize>
where
    S: GrpcService<tonic::body::Body> + Clone,
    S::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as Body>::Error: Into<BoxError>,
{
    let mut codes = BTreeMap::new();
    for code in join_all((0..calls).map(|_| unary(service.clone()))).await {
        *codes.entry(code as i32).or_default() += 1;
    }
    codes
}

/// What the server does with each request.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Reset(u32),
    GoAway(u32),
    Drop,
}

async fn server(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await.unwrap().0;
            tokio::spawn(async move {
                let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    match fault {
                        Fault::Reset(code) => respond.send_reset(code.into()),
                        Fault::GoAway(code) => connection.abrupt_shutdown(code.into()),
                        Fault::Drop => return,
                    }
                    drop(request);
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn tonic_codes_are_those_of_tonic_alone() {
    let faults = [Fault::Drop].into_iter();
    let faults = faults.chain((0..=0xd).map(Fault::Reset)).chain((0..=0xd).map(Fault::GoAway));
    let mut urls = vec![format!("http://{}", closed_port().unwrap())];
    for fault in faults {
        urls.push(server(fault).await);
    }
    for (number, url) in urls.into_iter().enumerate() {
        for calls in [1, 8] {
            let endpoint = Endpoint::from_shared(url.clone()).unwrap();
            let alone = codes(endpoint.connect_lazy(), calls).await;
            let ours = Outbound::new().tonic(endpoint).retry(without_backoff).connect_lazy();
            assert_eq!(codes(ours, calls).await, alone, "fault {number}, {calls} calls");
        }
    }
}
