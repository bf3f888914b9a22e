//! One task that sends requests.

use std::fmt::Debug;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};

use super::{Job, Up};

/// Sends requests one after the other.
pub(crate) trait Worker: Send + 'static {
    /// Sends one request, reads the response to its end and returns the length of its body.
    fn call(&mut self) -> impl Future<Output = usize> + Send;
}

/// The worker of a Tower service.
#[derive(Clone, Debug)]
pub(crate) struct Svc<S> {
    service: S,
    job: Job,
}

impl<S> Svc<S> {
    pub(crate) fn new(service: S, job: Job) -> Self {
        Self { service, job }
    }
}

impl<S, B> Worker for Svc<S>
where
    S: Service<Request<Up>, Response = Response<B>, Error: Debug + Send, Future: Send> + Send + 'static,
    B: Body<Data = Bytes, Error: Debug + Send> + Send + 'static,
{
    async fn call(&mut self) -> usize {
        let request = self.job.request();
        let service = self.service.ready().await.expect("a service that is ready");
        read(service.call(request).await.expect("a response")).await
    }
}

/// Reads a successful response to its end.
pub(crate) async fn read<B>(response: Response<B>) -> usize
where
    B: Body<Data = Bytes, Error: Debug>,
{
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.expect("the whole body").to_bytes().len()
}
