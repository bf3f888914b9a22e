//! `OutboundClient`.

use tower_outbound::OutboundClient;

use super::tls;
use crate::load::{Job, Run, Spans, Worker, read};
use crate::settings::Traffic;
use crate::telemetry;

pub(super) async fn run(run: &Run) -> Spans {
    let (outbound, flush) = telemetry::outbound(run.setting.observe, run.to.receiver);
    let client = outbound
        .client_builder()
        .tls_config(tls::config(&run.to))
        .http2_only(run.setting.traffic == Traffic::H2)
        .build();
    run.drive(Requests { client, job: run.job() }, flush).await
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
