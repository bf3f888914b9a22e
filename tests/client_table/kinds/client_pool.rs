//! hyper-util's composable pools, put together by hand.

use std::sync::{Arc, Mutex};

use ::hyper_util::client::pool::{cache, map, singleton};
use http::{Request, Uri};
use tower::{BoxError, Service as _, ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::connect::Protocol;
use tower_outbound::hyper::HandshakeLayer;
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::retry::LeasedBody;

use super::{Kind, NO_REFUSAL, TCP, cloned};
use crate::cell::{Body, Parts, Send};
use crate::resolver::resolver;

pub(crate) const HTTP_1: Kind = Kind {
    name: "`client::pool`, HTTP/1",
    protocol: Protocol::Http1,
    tls: false,
    setup: TCP,
    pays: true,
    tracked: true,
    build: |parts| Box::pin(async move { http1(&parts) }),
    cannot: &[NO_REFUSAL],
};

pub(crate) const HTTP_2: Kind = Kind {
    name: "`client::pool`, HTTP/2",
    protocol: Protocol::Http2,
    build: |parts| Box::pin(async move { http2(&parts) }),
    cannot: &[],
    ..HTTP_1
};

type Sent = ObserveRequestBody<LeasedBody<Body>>;

/// A cache of connections for each origin.
fn http1(Parts { outbound, .. }: &Parts) -> Send {
    let tcp = outbound.http_connector().resolver(resolver());
    let connect = HandshakeLayer::<_, Sent>::http1().layer(outbound.connector(tcp));
    let pool = map::Map::builder::<Uri>()
        .keys(|uri: &Uri| uri.authority().cloned())
        .values(move |_: &Uri| cache::builder().build(connect.clone()))
        .build();
    let pool = Arc::new(Mutex::new(pool));
    let client = service_fn(move |request: Request<Sent>| {
        let mut cache = pool.lock().unwrap().service(request.uri()).clone();
        async move {
            loop {
                let mut connection = cache.ready().await?.call(request.uri().clone()).await?;
                // A closed connection is not returned to the cache.
                if connection.ready().await.is_ok() {
                    return Ok::<_, BoxError>(connection.call(request).await?);
                }
            }
        }
    });
    cloned(outbound.layer().layer(client))
}

/// One connection, shared by all requests.
fn http2(Parts { outbound, .. }: &Parts) -> Send {
    let tcp = outbound.http_connector().resolver(resolver());
    let connect = HandshakeLayer::<_, Sent>::http2().layer(outbound.connector(tcp));
    let pool = singleton::Singleton::new(connect);
    let client = service_fn(move |request: Request<Sent>| {
        let mut pool = pool.clone();
        async move {
            loop {
                let mut connection = pool.ready().await?.call(request.uri().clone()).await?;
                if connection.ready().await.is_ok() {
                    return Ok::<_, BoxError>(connection.call(request).await?);
                }
            }
        }
    });
    cloned(outbound.layer().layer(client))
}
