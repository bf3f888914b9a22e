//! reqwest: its IO cannot be wrapped, so a connection is identified by its pair of socket addresses.

mod failures;
mod http2;
mod identity;
mod parity;
mod parts;
mod proxies;
mod redirects;
mod retries;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower_outbound::reqwest::ReqwestClient;
use tower_outbound::{BoxError, Outbound, Timings};

use super::checks::ANSWER;

/// A resolver with the test's answers.
#[derive(Clone)]
struct Hosts(Arc<dyn Fn(String) -> BoxFuture<'static, Result<IpAddr, BoxError>> + Send + Sync>);

impl Hosts {
    /// Resolves every name but `unknown.test` to this machine.
    fn loopback() -> Self {
        Self::answering(|name| match name {
            "unknown.test" => Err("no such host".into()),
            _ => Ok(Ipv4Addr::LOCALHOST.into()),
        })
    }

    fn answering(answer: impl Fn(&str) -> Result<IpAddr, BoxError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |name| Box::pin(std::future::ready(answer(&name)))))
    }

    /// Resolves to this machine when the gate of the lookup is open; lookups are counted from 0.
    fn waiting(gates: impl Fn(usize) -> Option<Gate> + Send + Sync + 'static) -> Self {
        let lookups = std::sync::atomic::AtomicUsize::new(0);
        Self(Arc::new(move |_| {
            let gate = gates(lookups.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Box::pin(async move {
                if let Some(gate) = gate {
                    gate.wait().await;
                }
                Ok(Ipv4Addr::LOCALHOST.into())
            })
        }))
    }
}

impl Resolve for Hosts {
    fn resolve(&self, name: Name) -> Resolving {
        let answer = (self.0)(name.as_str().to_owned());
        Box::pin(async move {
            let address = answer.await?;
            Ok(Box::new(std::iter::once(SocketAddr::from((address, 0)))) as Addrs)
        })
    }
}

/// TLS without trusted roots, and no proxy from the environment.
pub(super) fn builder() -> reqwest::ClientBuilder {
    builder_trusting(&Certs::new("peer.test"))
}

fn builder_trusting(certs: &Certs) -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(certs.client_config(&[]))
}

fn client(outbound: &Outbound) -> ReqwestClient {
    outbound.reqwest_with_resolver(builder(), Hosts::loopback()).unwrap()
}

/// Sends a request without a body, reads the response, and returns its timings.
async fn get(client: &ReqwestClient, uri: &http::Uri) -> Timings {
    let request = http::Request::get(uri.clone()).body(reqwest::Body::default()).unwrap();
    let response = client.request(request).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), ANSWER);
    timings
}
