//! The client's process.

use std::time::Duration;

use http::Uri;

use super::clients::{bare, bare_tls, ours};
use super::plan::{Among, Client, Plan};
use crate::contenders::Transport;
use crate::load::{Job, Worker, batch, read};
use crate::server::Addresses;
use crate::settings::Traffic;
use crate::telemetry::Flush;

/// Sent first, beside what the plan asks for.
const WARM_UP: usize = 64;
/// Requests between two exports, so that no queue of spans overflows.
const EXPORT: usize = 256;
/// Until requests that are not answered are all out, under valgrind.
const OUT: Duration = Duration::from_secs(8);

/// Carries a plan out.
pub(crate) async fn run(plan: Plan, to: &Addresses) {
    match plan.client {
        Client::Bare => drive(bare(), plan, to, Flush::nothing()).await,
        Client::BareTls => drive(bare_tls(to), plan, to, Flush::nothing()).await,
        Client::None | Client::Metrics | Client::Traces => {
            let ours = ours(plan, to);
            drive(ours.client.clone(), plan, to, ours.flush.clone()).await;
        }
    }
}

async fn drive<T: Transport>(client: T, plan: Plan, to: &Addresses, flush: Flush) {
    let job = Job::new(Traffic::Warm, to);
    let one: [Uri; 1] = [job.uri().clone()];
    match plan.among {
        Among::Origins => {
            let port = to.plain.port();
            let uri = |origin| format!("http://origin-{origin}.test:{port}/v1/items").parse();
            let uris: Vec<Uri> = (0..plan.size).map(|origin| uri(origin).expect("a URI")).collect();
            in_turn(&client, &job, &uris, plan.size.max(WARM_UP), &flush).await;
            in_turn(&client, &job, &uris, plan.requests, &flush).await;
        }
        Among::Pooled => {
            open(&client, &Job::new(Traffic::FramesDown, to), plan.size, &flush).await;
            in_turn(&client, &job, &one, plan.requests, &flush).await;
        }
        Among::Observers => {
            in_turn(&client, &job, &one, WARM_UP, &flush).await;
            in_turn(&client, &job, &one, plan.requests, &flush).await;
        }
        Among::Waiting => {
            in_turn(&client, &job, &one, WARM_UP, &flush).await;
            let worker = |_| Requests { client: client.clone(), job: job.clone() };
            let workers = (0..plan.size).map(worker).collect();
            batch(workers, plan.requests, job.expected, false).await;
            flush.now().await;
        }
        Among::InFlight => {
            let uri: Uri = format!("http://{}/held", to.plain).parse().expect("a URI");
            for _ in 0..plan.size {
                let (client, request) = (client.clone(), job.request_to(uri.clone()));
                tokio::spawn(async move { drop(client.send(request).await) });
            }
            tokio::time::sleep(OUT).await;
        }
    }
    // Its connections are alive until the process ends.
    std::mem::forget(client);
}

/// One request after the other, to these in turn.
async fn in_turn<T: Transport>(client: &T, job: &Job, uris: &[Uri], requests: usize, flush: &Flush) {
    for (at, uri) in uris.iter().cycle().take(requests).enumerate() {
        assert_eq!(read(client.send(job.request_to(uri.clone())).await).await, job.expected);
        if at % EXPORT == EXPORT - 1 {
            flush.now().await;
        }
    }
}

/// Opens so many connections: no response is read before each has its head.
async fn open<T: Transport>(client: &T, job: &Job, connections: usize, flush: &Flush) {
    let mut responses = Vec::with_capacity(connections);
    for at in 0..connections {
        responses.push(client.send(job.request()).await);
        if at % EXPORT == EXPORT - 1 {
            flush.now().await;
        }
    }
    for (at, response) in responses.into_iter().enumerate() {
        assert_eq!(read(response).await, job.expected);
        if at % EXPORT == EXPORT - 1 {
            flush.now().await;
        }
    }
}

struct Requests<T> {
    client: T,
    job: Job,
}

impl<T: Transport> Worker for Requests<T> {
    async fn call(&mut self) -> usize {
        read(self.client.send(self.job.request()).await).await
    }
}
