//! A client that is observed by a page, and what the page says.

use std::future::Future;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty, Full};
use serde_json::Value;
use tower::ServiceExt as _;
use tower_outbound::{BoxError, Outbound, OutboundClient};
use tower_outbound_page::Page;

pub(crate) fn get(uri: Uri) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

pub(crate) struct Rig {
    pub(crate) outbound: Outbound,
    client: OutboundClient,
    page: Page,
}

impl Rig {
    pub(crate) fn new(page: Page) -> Self {
        let outbound = Outbound::builder().observer(page.clone()).build();
        Self::of(page, outbound)
    }

    pub(crate) fn of(page: Page, outbound: Outbound) -> Self {
        Self { client: outbound.client(), outbound, page }
    }

    /// Sends a request and reads the whole response.
    pub(crate) fn send(
        &self,
        request: Request<Empty<Bytes>>,
    ) -> impl Future<Output = Result<(), BoxError>> + use<> {
        let client = self.client.clone();
        async move {
            client.oneshot(request).await?.into_body().collect().await?;
            Ok(())
        }
    }

    pub(crate) async fn ask<B>(&self, request: Request<B>) -> Response<Full<Bytes>> {
        self.page.service(&self.outbound).oneshot(request).await.unwrap()
    }

    async fn body(&self, query: &str) -> Bytes {
        let request = Request::get(format!("/debug/outbound{query}")).body(()).unwrap();
        self.ask(request).await.into_body().collect().await.unwrap().to_bytes()
    }

    /// The page as HTML.
    pub(crate) async fn page(&self) -> String {
        String::from_utf8(self.body("").await.to_vec()).unwrap()
    }

    /// A part of the page as JSON.
    pub(crate) async fn json(&self, part: &str) -> Value {
        serde_json::from_slice(&self.body(&format!("?json={part}")).await).unwrap()
    }

    /// The only origin, once this holds.
    pub(crate) async fn origin_when(&self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let origins = self.json("origins").await;
            if holds(&origins[0]) {
                return origins[0].clone();
            }
            tokio::task::yield_now().await;
        }
    }
}
