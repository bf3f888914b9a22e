//! `OutboundClient`.

use tower_outbound::OutboundClient;

use super::tls;
use crate::load::{Job, Outcome, Run, Worker, read};
use crate::settings::Traffic;
use crate::telemetry;

pub(super) async fn run(run: &Run) -> Outcome {
    let (outbound, flush) = telemetry::outbound(run.setting.observe, &run.to);
    let builder = outbound
        .client_builder()
        .tls_config(tls::config(&run.to))
        .http2_only(run.setting.traffic == Traffic::H2);
    let client = match run.max_idle() {
        Some(max_idle) => builder.max_idle_per_origin(max_idle).build(),
        None => builder.build(),
    };
    let job = run.job();
    run.drive(|| Requests { client: client.clone(), job: job.clone() }, flush).await
}

struct Requests {
    client: OutboundClient,
    job: Job,
}

impl Worker for Requests {
    async fn call(&mut self) -> usize {
        read(self.client.request(self.job.request()).await.expect("a response")).await
    }
}
