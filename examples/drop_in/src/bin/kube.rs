//! kube's client with the layers around it: `cargo run -p drop-in --bin kube -- http://API_SERVER`.

use bytes::Bytes;
use futures_util::TryStreamExt;
use http::{Request, Response, Uri};
use http_body::Body as HttpBody;
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::api::{Api, ListParams, WatchEvent, WatchParams};
use kube_client::client::{Body, Client, ClientBuilder};
use kube_client::{Config, ResourceExt};
use tower::layer::layer_fn;
use tower::util::{BoxService, MapRequest};
use tower_outbound::{BoxError, Outbound, RequestExt};

/// A watch is silent for as long as nothing changes: the timeouts of silence do not apply to it.
fn mark_watch(request: Request<Body>) -> Request<Body> {
    let watches =
        request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
    if watches { request.streaming() } else { request }
}

/// The layers around the service that the builder has made; kube's requests have no host, so `uri` names it.
pub(crate) fn layered<R>(
    builder: ClientBuilder<BoxService<Request<Body>, Response<R>, BoxError>>,
    outbound: &Outbound,
    uri: &Uri,
) -> Client
where
    R: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let layer = outbound.layer_with_bytes(Body::from).origin(uri);
    builder.with_layer(&layer).with_layer(&layer_fn(|inner| MapRequest::new(inner, mark_watch))).build()
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let uri: Uri = std::env::args().nth(1).expect("a URI as argument").parse()?;
    let config = Config::new(uri.clone()); // a service has `Config::infer().await?`; kube 4: with `default_retry = false`
    let client = layered(ClientBuilder::try_from(config)?, &Outbound::new(), &uri);
    let maps: Api<ConfigMap> = Api::namespaced(client, "shop");

    let list = maps.list(&ListParams::default()).await?;
    for map in &list {
        println!("listed {}", map.name_any());
    }
    let version = list.metadata.resource_version.unwrap_or_default();
    let events = maps.watch(&WatchParams::default(), &version).await?;
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Added(map) | WatchEvent::Modified(map) = event {
            println!("watched {}", map.name_any());
        }
    }
    Ok(())
}
