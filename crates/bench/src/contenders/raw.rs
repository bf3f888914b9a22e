//! hyper's connection, one for each worker: what no pool can undercut.

use http::header::HOST;
use http::{HeaderValue, Uri};
use hyper::client::conn::http1::SendRequest;

use super::lean::connect;
use crate::load::{Job, Outcome, Run, Up, Worker, read};
use crate::telemetry::Flush;

pub(super) async fn run(run: &Run) -> Outcome {
    let (job, address) = (run.job(), run.to.plain.to_string());
    let host: HeaderValue = address.parse().expect("an address");
    let make = || Raw { job: job.clone(), address: address.clone(), host: host.clone(), connection: None };
    run.drive(make, Flush::nothing()).await
}

struct Raw {
    job: Job,
    address: String,
    host: HeaderValue,
    connection: Option<SendRequest<Up>>,
}

impl Worker for Raw {
    async fn call(&mut self) -> usize {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.address).await.expect("a connection"),
        };
        connection.ready().await.expect("a connection that is ready");
        let mut request = self.job.request();
        *request.uri_mut() = Uri::from_static("/v1/items");
        request.headers_mut().insert(HOST, self.host.clone());
        let length = read(connection.send_request(request).await.expect("a response")).await;
        self.connection = Some(connection);
        length
    }
}
