//! The storage over S3: the server of the crates `s3s` and `s3s-fs`, which checks signatures and stores files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use hyper::header::AUTHORIZATION;
use hyper::service::Service as _;
use hyper::{Method, Response, StatusCode};
use s3s::auth::{S3Auth, SecretKey};
use s3s::service::S3ServiceBuilder;
use s3s::{Body, S3Result};
use s3s_fs::FileSystem;

use super::super::ledger::{Ledger, Upload};
use super::peer::Handler;

/// The keys of each generation.
struct Keys;

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(format!("secret-of-{access_key}")))
    }
}

/// `PUT /BUCKET/GENERATION/ID`.
pub(super) fn handler(ledger: Arc<Ledger>, directory: &Path) -> io::Result<Handler> {
    let files = FileSystem::new(directory).map_err(|error| io::Error::other(format!("{error:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(Keys);
    let service = builder.build().into_shared();
    Ok(Arc::new(move |_, request| {
        let (ledger, service) = (ledger.clone(), service.clone());
        Box::pin(async move {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let size = request.headers().get(hyper::header::CONTENT_LENGTH).cloned();
            let signature = request.headers().get(AUTHORIZATION).cloned();
            let Ok(response) = service.call(request).await else { return failed() };
            if method == Method::PUT && response.status().is_success() {
                let mut parts = path.rsplit('/');
                let (id, generation) = (parts.next().unwrap_or_default(), parts.next());
                let signature = signature.as_ref().and_then(|value| value.to_str().ok());
                // `AWS4-HMAC-SHA256 Credential=key-7/20261129/us-east-1/s3/aws4_request, …`
                let key = signature.and_then(|text| text.split_once("Credential=key-")?.1.split('/').next());
                ledger.uploaded(
                    id,
                    Upload {
                        size: size.and_then(|size| size.to_str().ok()?.parse().ok()).unwrap_or_default(),
                        generation: generation.and_then(|number| number.parse().ok()),
                        of_token: key.and_then(|number| number.parse().ok()),
                    },
                );
            }
            response
        })
    }))
}

fn failed() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
