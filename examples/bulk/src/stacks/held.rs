//! A loop around the client, as often written: it sleeps while the refusal, and so its slot, is alive.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::sleep;
use tower::{Service, ServiceExt as _};
use tower_outbound::{Error, OutboundClient};

use super::{Answer, Observers, Post, RETRIES};

#[derive(Clone)]
pub(crate) struct Hold(OutboundClient);

pub(crate) fn client(observers: Observers) -> Hold {
    Hold(super::client(&super::outbound(observers).retry(|retry| retry.max_retries(0)).build()))
}

impl Service<Post> for Hold {
    type Response = Answer;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Service::<Post>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Post) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            for _ in 0..RETRIES {
                let response = client.clone().oneshot(request.clone()).await?;
                match super::asked(&response) {
                    Some(wait) => sleep(wait).await,
                    None => return Ok(response),
                }
                // The response is dropped here, after the sleep.
            }
            client.oneshot(request).await
        })
    }
}
