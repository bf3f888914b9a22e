//! [`Resolver`]: any resolver service behind one type, which keeps it out of the client's type.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use crate::error::BoxError;

/// Further addresses of an answer are ignored.
const MAX_ADDRESSES: usize = 64;

type Lookup = Pin<Box<dyn Future<Output = Result<Vec<SocketAddr>, BoxError>> + Send>>;

#[derive(Clone)]
pub(super) struct Resolver(Arc<dyn Fn(Name) -> Lookup + Send + Sync>);

impl Resolver {
    pub(super) fn new<R>(resolver: R) -> Self
    where
        R: Service<Name> + Clone + Send + Sync + 'static,
        R::Response: Iterator<Item = SocketAddr>,
        R::Error: Into<BoxError>,
        R::Future: Send,
    {
        Self(Arc::new(move |name| {
            let mut resolver = resolver.clone();
            Box::pin(async move {
                poll_fn(|cx| resolver.poll_ready(cx)).await.map_err(Into::into)?;
                let answer = resolver.call(name).await.map_err(Into::into)?;
                Ok(answer.take(MAX_ADDRESSES).collect())
            })
        }))
    }

    /// Resolves a host to at most [`MAX_ADDRESSES`] addresses.
    pub(super) async fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, BoxError> {
        let name: Name = host.parse()?;
        (self.0)(name).await
    }
}

/// Removes duplicates; the first occurrence stays.
pub(super) fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut kept = Vec::new();
    for item in items {
        if !kept.contains(&item) {
            kept.push(item);
        }
    }
    kept
}
