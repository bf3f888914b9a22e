//! For a service whose body is made of bytes only.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::Request;
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::error::BoxError;
use crate::util::inner_service_accessors;

/// Middleware that reads the request's body whole before it calls the service: see
/// [`FixedBodyLayer::collect`](super::FixedBodyLayer::collect).
///
/// # Errors
/// The body's error, boxed, and those of the inner service.
#[derive(Clone, Debug)]
pub struct CollectBody<S, M> {
    inner: S,
    convert: M,
}

impl<S, M> CollectBody<S, M> {
    pub(super) const fn new(inner: S, convert: M) -> Self {
        Self { inner, convert }
    }

    inner_service_accessors!();
}

impl<S, M, Q, B> Service<Request<Q>> for CollectBody<S, M>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
    M: Fn(Bytes) -> B + Clone,
    Q: Body,
    Q::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = CollectBodyFuture<S, M, Q, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let unready = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, unready);
        let rest = Rest { request: Request::from_parts(parts, ()), inner, convert: self.convert.clone() };
        CollectBodyFuture { state: State::Reading { body, read: Read::default(), rest: Some(rest) } }
    }
}

/// What the call is made of once the body is there.
struct Rest<S, M> {
    inner: S,
    convert: M,
    request: Request<()>,
}

/// The bytes that were read so far. A body of one frame is not copied.
#[derive(Default)]
struct Read {
    first: Bytes,
    all: Option<BytesMut>,
}

impl Read {
    fn push(&mut self, mut data: impl Buf) {
        let data = data.copy_to_bytes(data.remaining());
        match &mut self.all {
            Some(all) => all.extend_from_slice(&data),
            None if self.first.is_empty() => self.first = data,
            None => {
                let mut all = BytesMut::from(&*self.first);
                all.extend_from_slice(&data);
                self.all = Some(all);
            }
        }
    }

    fn take(&mut self) -> Bytes {
        match self.all.take() {
            Some(all) => all.freeze(),
            None => std::mem::take(&mut self.first),
        }
    }
}

pin_project! {
    /// The future of a [`CollectBody`]: reads the body, then waits for the response.
    ///
    /// # Cancel safety
    /// Dropping it while the body is read sends nothing. Later, dropping it drops the service's future.
    #[must_use = "futures do nothing unless polled"]
    pub struct CollectBodyFuture<S, M, Q, F> {
        #[pin]
        state: State<S, M, Q, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, M, Q, F> {
        Reading { #[pin] body: Q, read: Read, rest: Option<Rest<S, M>> },
        Called { #[pin] future: F },
    }
}

impl<S, M, Q, B> Future for CollectBodyFuture<S, M, Q, S::Future>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
    M: Fn(Bytes) -> B,
    Q: Body,
    Q::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProj::Reading { mut body, read, rest } => {
                    while !body.is_end_stream() {
                        match ready!(body.as_mut().poll_frame(cx)) {
                            Some(Ok(frame)) => frame.into_data().into_iter().for_each(|data| read.push(data)),
                            Some(Err(error)) => return Poll::Ready(Err(error.into())),
                            None => break,
                        }
                    }
                    let Rest { mut inner, convert, request } = rest.take().expect("called once");
                    inner.call(request.map(|()| convert(read.take())))
                }
                StateProj::Called { future } => return future.poll(cx).map_err(Into::into),
            };
            // Drops the body, whose record ends.
            state.set(State::Called { future });
        }
    }
}

impl<S, M, Q, F> fmt::Debug for CollectBodyFuture<S, M, Q, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CollectBodyFuture")
    }
}
