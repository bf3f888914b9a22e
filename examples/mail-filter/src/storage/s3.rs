//! S3 through `object_store`, over our client: its connections, timeouts, retries and telemetry.

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload, RetryConfig};
use tower_outbound::{BoxError, Class, Error, OutboundClient, RequestExt as _};

use crate::Message;
use crate::config::S3Config;

#[derive(Debug)]
pub(crate) struct S3 {
    store: AmazonS3,
    bucket: String,
    prefix: Path,
}

impl S3 {
    pub(super) fn new(client: OutboundClient, config: &S3Config) -> Result<Self, BoxError> {
        let mut builder = AmazonS3Builder::new()
            .with_http_connector(Connector(client))
            // Ours retries, and two multiply.
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_allow_http(true);
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        // The signature is made of them for each request.
        if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret.expose());
        }
        let prefix = Path::parse(&config.prefix)?;
        Ok(Self { store: builder.build()?, bucket: config.bucket.clone(), prefix })
    }

    pub(super) async fn upload(&self, message: &Message) -> Result<String, BoxError> {
        let key = self.prefix.clone().join(message.id());
        self.store.put(&key, PutPayload::from_bytes(message.body().clone())).await?;
        Ok(format!("s3://{}/{key}", self.bucket))
    }
}

/// Gives `object_store` our client instead of reqwest's.
#[derive(Debug)]
struct Connector(OutboundClient);

impl HttpConnector for Connector {
    // The options are those of the `Outbound`.
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.0.clone())))
    }
}

#[derive(Debug)]
struct Service(OutboundClient);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = self.0.request(request.url_template("{storage}/{id}")).await.map_err(error)?;
        Ok(response.map(|body| HttpResponseBody::new(body.map_err(error))))
    }
}

/// The error stays inside, for whoever asks what failed.
fn error(error: Error) -> HttpError {
    let kind = match error.failure().class() {
        Some(Class::Timeout) => HttpErrorKind::Timeout,
        Some(Class::ConnectionRefused) => HttpErrorKind::Connect,
        Some(Class::ConnectionReset) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
