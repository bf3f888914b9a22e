use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name as HyperName};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower_layer::Layer;
use tower_service::Service;

use crate::connect::{PhaseLayer, PhaseTimer};
use crate::error::BoxError;
use crate::record::Setup;

/// A resolver for reqwest's `dns_resolver`: it times another resolver and records the answers
/// ([`Setup::dns_answers`]).
///
/// reqwest does not ask it for names that are set by `ClientBuilder::resolve`.
///
/// # Example
/// ```
/// use tower_outbound::reqwest::ReqwestResolver;
///
/// let builder = reqwest::Client::builder().dns_resolver(ReqwestResolver::system());
/// # let _ = builder;
/// ```
#[derive(Clone)]
pub struct ReqwestResolver(PhaseTimer<Lookup>);

impl ReqwestResolver {
    /// Times the system's resolver.
    #[must_use]
    pub fn system() -> Self {
        Self::new(System)
    }

    /// Times a resolver of your own.
    #[must_use]
    pub fn new(resolver: impl Resolve + 'static) -> Self {
        Self(PhaseLayer::dns().layer(Lookup(Arc::new(resolver))))
    }
}

impl Resolve for ReqwestResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.0.clone().call(name))
    }
}

impl fmt::Debug for ReqwestResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestResolver")
    }
}

/// The system's resolver.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name: HyperName = name.as_str().parse()?;
            let addresses = GaiResolver::new().call(name).await?;
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// A resolver as the service that [`PhaseTimer`] times.
#[derive(Clone)]
struct Lookup(Arc<dyn Resolve>);

impl Service<Name> for Lookup {
    type Response = Addrs;
    type Error = BoxError;
    type Future = Resolving;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Resolving {
        let resolving = self.0.resolve(name);
        let Some(setup) = Setup::current() else { return resolving };
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = resolving.await?.collect();
            setup.set_dns_answers(addresses.iter().map(SocketAddr::ip).collect());
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
