//! reqwest's errors: what they may say, and the way back to them.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame};

use crate::error::{BoxError, Error};

/// Keeps of the error's URL what shows where a request went. reqwest prints the URL, and the rest may contain secrets.
pub(super) fn without_secrets(mut error: reqwest::Error) -> reqwest::Error {
    if let Some(url) = error.url_mut() {
        url.set_query(None);
        url.set_fragment(None);
        // A URL without a host has no user info.
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    error
}

impl Error {
    /// reqwest's own error, for code that asks it: `is_connect()`, `is_timeout()`, `status()`.
    ///
    /// A failure that a layer found, and not reqwest, becomes a reqwest error of the kind `is_body()` whose source is this
    /// error. `is_timeout()` is true for a timeout of a layer, too. The [history](Error::history) and a request to take back
    /// are lost.
    ///
    /// # Example
    /// ```
    /// # async fn run(client: tower_outbound::reqwest::ReqwestClient) -> Result<(), reqwest::Error> {
    /// let sent = client.get("https://inventory.example/stock").send().await;
    /// let response = sent.map_err(tower_outbound::Error::into_reqwest)?;
    /// # let _ = response;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
    #[must_use]
    pub fn into_reqwest(self) -> reqwest::Error {
        let source = std::error::Error::source(&self);
        if !source.is_some_and(<dyn std::error::Error>::is::<reqwest::Error>) {
            return from_layer(self);
        }
        let source =
            self.into_source().map(<dyn std::error::Error + Send + Sync>::downcast::<reqwest::Error>);
        match source {
            Some(Ok(error)) => *error,
            _ => unreachable!("checked above"),
        }
    }
}

/// reqwest has no constructor for its errors: one of a body that fails is the only way.
fn from_layer(error: Error) -> reqwest::Error {
    let error = match error.failure().is_timeout() {
        true => io::Error::new(io::ErrorKind::TimedOut, error).into(),
        false => BoxError::from(error),
    };
    let body = pin!(reqwest::Body::wrap(Failing(Some(error))));
    match body.poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(Err(error))) => error,
        _ => unreachable!("the body fails at once"),
    }
}

struct Failing(Option<BoxError>);

impl Body for Failing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.take().map(Err))
    }
}
