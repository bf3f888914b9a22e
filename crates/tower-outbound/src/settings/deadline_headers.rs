//! [`DeadlineHeaders`]: how the deadline of a call goes from one service to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::util::timeout_header::{GRPC_TIMEOUT, grpc_value, millis_value, parse_grpc, parse_millis};

/// The headers in which the time that is left of a call goes from one service to the next: the client writes them
/// ([`OutboundBuilder::deadline_headers`](crate::outbound::OutboundBuilder::deadline_headers)), the service reads them
/// ([`IncomingDeadlineLayer`](crate::deadline::IncomingDeadlineLayer)).
///
/// The headers say how much time is left, not when it ends: the clocks of two machines differ.
///
/// | request | header | format |
/// | --- | --- | --- |
/// | gRPC (by its `content-type`) | `grpc-timeout` | at most 8 digits and a unit: `H`, `M`, `S`, `m`, `u`, `n` |
/// | other | that of [`http`](Self::http), if it is set | whole milliseconds, 1 to 9,999,999,999 |
///
/// HTTP has no standard header for a deadline. Envoy sends `x-envoy-expected-rq-timeout-ms` to the service, and reads
/// `x-envoy-upstream-rq-timeout-ms` from the client; both are whole milliseconds. grpc-gateway takes `grpc-timeout` in gRPC's format on any
/// request: with that name, the format is gRPC's here too.
///
/// # Example
/// ```
/// use http::HeaderName;
/// use tower_outbound::Outbound;
/// use tower_outbound::deadline::{DeadlineHeaders, IncomingDeadlineLayer};
///
/// let headers = DeadlineHeaders::new().http(HeaderName::from_static("x-envoy-expected-rq-timeout-ms"));
/// let outbound = Outbound::builder().deadline_headers(headers.clone()).build();
/// let service = IncomingDeadlineLayer::new(headers);
/// # let _ = (outbound, service);
/// ```
#[derive(Clone, Debug, Default)]
pub struct DeadlineHeaders {
    http: Option<HeaderName>,
    margin: Option<Duration>,
    /// Clones share one warning.
    warned: Arc<AtomicBool>,
}

impl DeadlineHeaders {
    /// `grpc-timeout` on gRPC requests.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// This header on requests that are not gRPC. Default: none.
    #[must_use]
    pub fn http(mut self, name: HeaderName) -> Self {
        self.http = Some(name);
        self
    }

    /// What is taken off the time that is left, for the way of the response; never more than half of the time. Defaults: 0 in
    /// what the client writes, 5 ms of what the service reads.
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = Some(margin);
        self
    }

    fn name(&self, is_grpc: bool) -> Option<&HeaderName> {
        if is_grpc { Some(&GRPC_TIMEOUT) } else { self.http.as_ref() }
    }

    /// Writes the time that is left. A shorter time that the headers have stays.
    pub(crate) fn write(&self, is_grpc: bool, headers: &mut HeaderMap, left: Duration) {
        let Some(name) = self.name(is_grpc) else { return };
        let (parse, format) = format_of(name);
        let left = less(left, self.margin.unwrap_or_default());
        if headers.get(name).and_then(parse).is_none_or(|has| left < has) {
            headers.insert(name, format(left));
        }
    }

    /// The time that these headers give; `None` if there is none.
    ///
    /// # Errors
    /// The name of the header whose value is no time; once, later ones are `None`.
    pub(crate) fn read(&self, is_grpc: bool, headers: &HeaderMap) -> Result<Option<Duration>, &HeaderName> {
        let Some((name, value)) = self.name(is_grpc).and_then(|name| Some((name, headers.get(name)?))) else {
            return Ok(None);
        };
        match format_of(name).0(value) {
            Some(time) => Ok(Some(less(time, self.margin.unwrap_or(INCOMING_MARGIN)))),
            None if self.warned.swap(true, Ordering::Relaxed) => Ok(None),
            None => Err(name),
        }
    }
}

/// For the way back of a service's response: some hops of a data centre.
const INCOMING_MARGIN: Duration = Duration::from_millis(5);

fn less(time: Duration, margin: Duration) -> Duration {
    time - margin.min(time / 2)
}

type Format = (fn(&HeaderValue) -> Option<Duration>, fn(Duration) -> HeaderValue);

fn format_of(name: &HeaderName) -> Format {
    if *name == GRPC_TIMEOUT { (parse_grpc, grpc_value) } else { (parse_millis, millis_value) }
}
