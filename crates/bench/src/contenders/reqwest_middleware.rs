//! reqwest-middleware with its layers for retries and tracing. It propagates nothing: its layer knows an older version of
//! OpenTelemetry only.

use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CONTENT_TYPE};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use reqwest_tracing::TracingMiddleware;

use crate::load::{Outcome, Run, Worker};
use crate::telemetry::Peer;

const RETRIES: u32 = 3;

pub(super) async fn run(run: &Run) -> Outcome {
    let peer = Peer::install(run.setting.observe, run.to.receiver);
    let client = reqwest::Client::builder().tcp_nodelay(true).build().expect("a client");
    let retry = ExponentialBackoff::builder().build_with_max_retries(RETRIES);
    let client = ClientBuilder::new(client)
        .with(TracingMiddleware::default())
        .with(RetryTransientMiddleware::new_with_policy(retry))
        .build();
    let job = run.job();
    let url: reqwest::Url = job.uri().to_string().parse().expect("a URL");
    let make = || Requests { client: client.clone(), url: url.clone(), body: job.frame() };
    run.drive(make, peer.flush).await
}

struct Requests {
    client: ClientWithMiddleware,
    url: reqwest::Url,
    body: Bytes,
}

impl Worker for Requests {
    async fn call(&mut self) -> usize {
        let request = self.client.post(self.url.clone()).body(self.body.clone());
        let request = request.header(CONTENT_TYPE, "application/json").header(ACCEPT, "*/*");
        let response = request.send().await.expect("a response");
        assert_eq!(response.status(), StatusCode::OK);
        response.bytes().await.expect("the whole body").len()
    }
}
