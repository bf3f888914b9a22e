//! One connection of hyper, made by hand.

use std::sync::Arc;

use http::Request;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use tokio::sync::Mutex;
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::connect::{Protocol, TcpIo, TrackedIo};
use tower_outbound::hyper::HyperService;

use super::{Kind, NO_REFUSAL, TCP, cloned};
use crate::cell::{Body, Parts, Send};
use crate::resolver::resolver;

const BY_HAND: &str =
    "the application opens the connection before it builds the client, and must reconnect itself";
const ONE_AT_A_TIME: &str =
    "hyper's HTTP/1 sender is one connection and cannot be cloned, as the limit and the retry layer require";

pub(crate) const HTTP_1: Kind = Kind {
    name: "`hyper::client::conn::http1`",
    protocol: Protocol::Http1,
    tls: false,
    setup: TCP,
    pays: false,
    tracked: true,
    build: |parts| Box::pin(http1(parts)),
    cannot: &[
        NO_REFUSAL,
        ("requests_at_once_share_http_2_or_have_a_connection_each", ONE_AT_A_TIME),
        ("connection_closed_while_idle_is_replaced", BY_HAND),
        ("connect_refused_is_classified_and_not_sent", BY_HAND),
        ("dns_unknown_name_fails_in_dns", BY_HAND),
        ("limit_slot_is_held_until_body_ends", ONE_AT_A_TIME),
        ("limit_acquire_timeout_is_pool_timeout_not_sent", ONE_AT_A_TIME),
        ("retry_of_unsent_request_is_made", BY_HAND),
        ("retry_of_unpolled_stream_body_sends_whole_body", BY_HAND),
        ("retry_response_is_released_before_backoff", ONE_AT_A_TIME),
        ("retry_off_for_request_is_respected", BY_HAND),
        ("propagation_each_attempt_carries_own_span", ONE_AT_A_TIME),
    ],
};

pub(crate) const HTTP_2: Kind = Kind {
    name: "`hyper::client::conn::http2`",
    protocol: Protocol::Http2,
    build: |parts| Box::pin(http2(parts)),
    cannot: &[
        ("connection_closed_while_idle_is_replaced", BY_HAND),
        ("connect_refused_is_classified_and_not_sent", BY_HAND),
        ("dns_unknown_name_fails_in_dns", BY_HAND),
        ("retry_of_unsent_request_is_made", BY_HAND),
        ("retry_of_unpolled_stream_body_sends_whole_body", BY_HAND),
        ("retry_off_for_request_is_respected", BY_HAND),
    ],
    ..HTTP_1
};

async fn connect(Parts { outbound, to, .. }: &Parts) -> TrackedIo<TcpIo> {
    let tcp = outbound.http_connector().resolver(resolver());
    outbound.connector(tcp).oneshot(to.clone()).await.expect("the peer accepts")
}

async fn http1(parts: Parts) -> Send {
    let (sender, driver) = http1::handshake(connect(&parts).await).await.expect("the peer accepts");
    tokio::spawn(driver);
    let layer = parts.outbound.observe_layer();
    let service = Arc::new(Mutex::new(layer.layer(HyperService::new(sender))));
    Arc::new(move |request: Request<Body>| {
        let service = Arc::clone(&service);
        Box::pin(async move {
            let mut service = service.lock().await;
            let response = service.ready().await?.call(request).await?;
            Ok(response.map(http_body_util::BodyExt::boxed_unsync))
        })
    })
}

async fn http2(parts: Parts) -> Send {
    let io = connect(&parts).await;
    let connection = io.connection().clone();
    let (sender, driver) = http2::handshake(TokioExecutor::new(), io).await.expect("the peer accepts");
    tokio::spawn(connection.drive(driver));
    cloned(parts.outbound.layer().layer(HyperService::new(sender)))
}
