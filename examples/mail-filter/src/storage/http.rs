//! Plain HTTP: `PUT {url}/{id}`.

use std::fmt;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, StatusCode};
use http_body_util::Full;
use tower_outbound::{BoxError, OutboundClient, RequestExt as _};

use crate::Message;
use crate::config::Secret;

#[derive(Debug)]
pub(crate) struct Http {
    client: OutboundClient,
    /// Without a slash at its end.
    url: String,
    token: Option<Secret>,
}

/// The storage has answered, and did not take the message.
#[derive(Debug)]
struct Refused(StatusCode);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the storage has answered {}", self.0)
    }
}

impl std::error::Error for Refused {}

impl Http {
    pub(super) fn new(client: OutboundClient, url: String, token: Option<Secret>) -> Self {
        Self { client, url, token }
    }

    pub(super) async fn upload(&self, message: &Message) -> Result<String, BoxError> {
        let location = format!("{}/{}", self.url, message.id());
        let mut request = Request::put(&location).header(CONTENT_TYPE, "message/rfc822");
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token.bearer());
        }
        // One series, not one for each message.
        let request = request.body(Full::new(message.body().clone()))?.url_template("{storage}/{id}");
        let response = self.client.request(request).await?;
        let status = response.status();
        // Read to its end, so that the connection is kept; a stored message stays stored if this fails.
        let rest = response.into_body().bytes().await;
        if !status.is_success() {
            return Err(Refused(status).into());
        }
        rest?;
        Ok(location)
    }
}
