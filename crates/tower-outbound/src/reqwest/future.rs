use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use hyper_util::client::legacy::connect::HttpInfo;
use reqwest::{ResponseBuilderExt as _, Url};
use tokio::time::Instant;
use tower_service::Service;

use super::error::without_secrets;
use crate::foreign::{SocketPairs, pair};
use crate::record::{Attempt, Connection, Protocol};

type Pending = <reqwest::Client as Service<reqwest::Request>>::Future;

/// The future of a [`ReqwestService`](crate::reqwest::ReqwestService)'s request, until the response's head.
///
/// # Cancel safety
/// On HTTP/1, dropping the future closes the connection on which the request is being sent or answered. On HTTP/2, it
/// resets the stream. A connect that has begun may go on in the background and serve another request.
#[must_use = "futures do nothing unless polled"]
pub struct ReqwestFuture(State);

enum State {
    Sending { pending: Pending, sent: Sent },
    Failed(Option<reqwest::Error>),
    Done,
}

struct Sent {
    url: Url,
    sockets: SocketPairs,
    attempt: Option<Attempt>,
}

impl ReqwestFuture {
    pub(super) const fn sent(
        pending: Pending,
        url: Url,
        sockets: SocketPairs,
        attempt: Option<Attempt>,
    ) -> Self {
        Self(State::Sending { pending, sent: Sent { url, sockets, attempt } })
    }

    pub(super) const fn failed(error: reqwest::Error) -> Self {
        Self(State::Failed(Some(error)))
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<reqwest::Body>, reqwest::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.0 {
            State::Sending { pending, sent } => {
                let result = ready!(Pin::new(pending).poll(cx));
                if let Err(error) = &result {
                    sent.on_no_response();
                    sent.on_error(error);
                }
                result.map(|response| sent.identify(response))
            }
            State::Failed(error) => Err(error.take().expect("polled after it was ready")),
            State::Done => panic!("polled after it was ready"),
        };
        self.0 = State::Done;
        Poll::Ready(result.map_err(without_secrets))
    }
}

impl Drop for ReqwestFuture {
    fn drop(&mut self) {
        if let State::Sending { sent, .. } = &self.0 {
            sent.on_no_response();
        }
    }
}

impl Sent {
    /// Without a response, the connections that served the request are unknown.
    fn on_no_response(&self) {
        if !self.attempt.as_ref().is_some_and(|attempt| attempt.request_body().is_untouched()) {
            self.sockets.forget_unused();
        }
    }

    /// A timeout that the application has set in reqwest bounds its call, not an attempt. One of a connect may be retried.
    fn on_error(&self, error: &reqwest::Error) {
        let Some(attempt) = &self.attempt else { return };
        if error.is_timeout() && !error.is_connect() {
            attempt.call().end_retries_by(Instant::now());
        }
    }

    /// Puts the final URL and the connection into the response's extensions.
    fn identify(&self, response: reqwest::Response) -> Response<reqwest::Body> {
        let url = response.url().clone();
        let connection = if url == self.url {
            self.serving(&response)
        } else {
            // The connections of the requests before the last redirect are unknown.
            self.sockets.forget_unused();
            None
        };
        with_extensions(response, url, connection)
    }

    fn serving(&self, response: &reqwest::Response) -> Option<Connection> {
        let connection = self.sockets.find(pair(response.extensions().get::<HttpInfo>()?))?;
        if connection.is_first_use_unknown() {
            return None;
        }
        // A connection that a redirect opened is recorded with the wrong origin.
        if connection.origin() != self.attempt.as_ref()?.origin() {
            return None;
        }
        if connection.protocol().is_none() {
            let http2 = response.version() == http::Version::HTTP_2;
            connection.io().set_protocol(if http2 { Protocol::Http2 } else { Protocol::Http1 });
        }
        Some(connection)
    }
}

fn with_extensions(
    response: reqwest::Response,
    url: Url,
    connection: Option<Connection>,
) -> Response<reqwest::Body> {
    let (mut head, body) = Response::<reqwest::Body>::from(response).into_parts();
    if let Some(connection) = connection {
        head.extensions.insert(connection);
    }
    // The type in which reqwest keeps the URL is private: only its builder can make one.
    let mut with_url = Response::builder();
    if let Some(extensions) = with_url.extensions_mut() {
        *extensions = std::mem::take(&mut head.extensions);
    }
    if let Ok(with_url) = with_url.url(url).body(()) {
        head.extensions = with_url.into_parts().0.extensions;
    }
    Response::from_parts(head, body)
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReqwestFuture")
    }
}
