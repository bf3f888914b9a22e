//! Makes one call.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout};
use tower_outbound::client::RequestBody;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Error, OutboundClient, RequestExt as _};

use super::peers::Addresses;
use super::plan::{Act, Call, Caller, Upload};
use super::tally::End;

/// The timeouts of a call to a peer that stalls.
const STALLED: Duration = Duration::from_millis(50);

/// The clients of a storm, which share one stack.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) http1: OutboundClient,
    pub(super) http2: OutboundClient,
    pub(super) peers: Addresses,
}

impl Clients {
    /// Makes a call. The watchdog drops it after `watchdog`.
    pub(super) async fn call(&self, call: Call, watchdog: Duration) -> End {
        let start = Instant::now();
        let end = match call.caller {
            Caller::Cancels(after) => timeout(watchdog, timeout(after, self.send(call))).await.map(flatten),
            Caller::Waits | Caller::DropsBody => timeout(watchdog, self.send(call)).await,
        };
        // A call that was woken by the watchdog only had no end either.
        match end {
            Ok(end) if start.elapsed() < watchdog => end,
            _ => End::None,
        }
    }

    async fn send(&self, call: Call) -> End {
        match self.answer(call).await {
            Ok(()) => End::Answered,
            Err(error) => End::Failed(error.failure().kind().as_str()),
        }
    }

    async fn answer(&self, call: Call) -> Result<(), Error> {
        let client = if call.http2 { &self.http2 } else { &self.http1 };
        let response = client.request(self.request(call)).await?;
        if call.caller != Caller::DropsBody {
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                frame?;
            }
        }
        Ok(())
    }

    fn request(&self, call: Call) -> Request<RequestBody> {
        let body = match call.upload {
            Upload::None => RequestBody::empty(),
            Upload::Bytes(length) => RequestBody::from(vec![b'x'; length]),
            Upload::Endless => RequestBody::new(Endless { begun: false }),
        };
        let mut request = Request::new(body);
        *request.uri_mut() = self.uri(call);
        if call.upload != Upload::None {
            *request.method_mut() = Method::POST;
        }
        if call.times_out {
            request =
                request.timeouts(Timeouts::new().first_byte(STALLED).write_idle(STALLED).body_idle(STALLED));
        }
        request
    }

    fn uri(&self, call: Call) -> Uri {
        let address = match (call.act, call.http2) {
            (Act::Accept, _) => self.peers.accept,
            // The other calls on its connection could not end without a timeout either.
            (Act::TakeNothing, true) => self.peers.http2_alone,
            (_, true) => self.peers.http2,
            (_, false) => self.peers.http1,
        };
        format!("http://{address}/{}?{}", call.act.name(), call.number).parse().expect("a URI")
    }
}

fn flatten(end: Result<End, tokio::time::error::Elapsed>) -> End {
    end.unwrap_or(End::Cancelled)
}

/// 16 KiB, and then nothing for ever.
struct Endless {
    begun: bool,
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match std::mem::replace(&mut self.begun, true) {
            false => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 << 10]))))),
            true => Poll::Pending,
        }
    }
}
