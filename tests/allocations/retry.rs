//! Allocations of the retry layer: per request, and for a body that must not be held in memory.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::connect::{TcpConnector, TcpIo};
use tower_outbound::{BoxError, Call, Error, Outbound, Timings};

const WARM_UP: u64 = 50;
const REQUESTS: u64 = 1_000;

/// Allocations of a GET above the observed client: three for the call in the request's extensions, which are empty
/// otherwise (their box, their table, the handle in it). The call itself adds none: the retry layer makes it instead of
/// the observe layer, and stores the request in it.
const GET: u64 = 3;

/// Allocations of a POST of 1 KiB: one more, to share `Bytes` that were made from a `Vec`.
const POST: u64 = GET + 1;

/// Allocations of a GET whose call a layer above has made: three for a copy of the extensions (box, table, handle), one
/// for the storage, which such a call lacks.
const CALL_ABOVE: u64 = 3 + 1;

/// Allocations per request on this thread.
fn per_request<S, R>(make: impl FnOnce() -> S, request: impl Fn() -> Request<Full<Bytes>>) -> f64
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<R>, Error = Error> + Clone,
    R: http_body::Body,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = {
        let _guard = runtime.enter();
        make()
    };
    let send = |requests| {
        runtime.block_on(async {
            for _ in 0..requests {
                let response = client.clone().oneshot(request()).await.unwrap();
                let mut body = std::pin::pin!(response.into_body());
                while let Some(frame) = body.frame().await {
                    assert!(frame.is_ok());
                }
            }
        });
    };
    send(WARM_UP);
    allocation_counter::measure(|| send(REQUESTS)).count_total as f64 / REQUESTS as f64
}

/// Allocations that the retry layer adds to the observed client.
fn added(request: impl Fn() -> Request<Full<Bytes>>) -> f64 {
    added_by(&Outbound::new(), request)
}

fn added_by(outbound: &Outbound, request: impl Fn() -> Request<Full<Bytes>>) -> f64 {
    let connector = || outbound.connector(outbound.http_connector());
    let without = per_request(
        || outbound.attempt_layer().layer(Client::builder(TokioExecutor::new()).build(connector())),
        &request,
    );
    let with = per_request(
        || {
            let client = Client::builder(TokioExecutor::new()).build(connector());
            outbound.layer().layer(client)
        },
        &request,
    );
    with - without
}

#[test]
fn allocations_retry_get_adds_three() {
    let uri: http::Uri = format!("http://{}/", crate::serve(b"response", 1)).parse().unwrap();
    let added = added(|| Request::get(&uri).header("accept", "*/*").body(Full::default()).unwrap());
    println!("allocations that the retry layer adds to a GET: {added:.2}");
    assert!((added - GET as f64).abs() < 0.05, "{added}");
}

#[test]
fn allocations_retry_post_of_1_kib_adds_four() {
    let uri: http::Uri = format!("http://{}/", crate::serve(b"response", 1)).parse().unwrap();
    let body = || Full::new(Bytes::from(vec![b'x'; 1024]));
    let added = added(|| Request::post(&uri).header("content-type", "text/plain").body(body()).unwrap());
    println!("allocations that the retry layer adds to a POST of 1 KiB: {added:.2}");
    assert!((added - POST as f64).abs() < 0.05, "{added}");
}

#[test]
fn allocations_retry_head_over_256_bytes_adds_one_more() {
    let uri: http::Uri = format!("http://{}/", crate::serve(b"response", 1)).parse().unwrap();
    let get = |length: usize| {
        Request::get(&uri).header("accept", "x".repeat(length)).body(Full::default()).unwrap()
    };
    // Each header takes nine bytes, its name and its value; 256 bytes are stored inline.
    let (fits, longer) = (added(|| get(256 - 9 - 6)), added(|| get(256 - 9 - 6 + 1)));
    assert!((fits - GET as f64).abs() < 0.05, "{fits}");
    assert!((longer - GET as f64 - 1.0).abs() < 0.05, "{longer}");
}

#[test]
fn allocations_retry_under_call_of_layer_above_adds_four() {
    let uri: http::Uri = format!("http://{}/", crate::serve(b"response", 1)).parse().unwrap();
    let get = || {
        let request = Request::get(&uri).header("accept", "*/*").extension(Call::new());
        request.body(Full::default()).unwrap()
    };
    let added = added(get);
    println!("allocations that the retry layer adds to a GET whose call a layer above has made: {added:.2}");
    assert!((added - CALL_ABOVE as f64).abs() < 0.05, "{added}");
}

#[test]
fn allocations_retry_with_zero_retries_adds_none() {
    let uri: http::Uri = format!("http://{}/", crate::serve(b"response", 1)).parse().unwrap();
    let body = || Full::new(Bytes::from(vec![b'x'; 1024]));
    let outbound = Outbound::builder().retry(|layer| layer.max_retries(0)).build();
    let added = added_by(&outbound, || Request::post(&uri).header("accept", "*/*").body(body()).unwrap());
    assert!(added.abs() < 0.05, "{added}");
}

#[test]
fn timings_do_not_hold_request_headers() {
    let outbound = Outbound::new();
    let client =
        tower::service_fn(|_| async { Ok::<_, BoxError>(http::Response::new(Full::<Bytes>::default())) });
    let client = outbound.retry_layer().layer(outbound.attempt_layer().layer(client));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answered = || {
        let secret = "s".repeat(100 * 1024);
        let request = Request::get("http://peer.test/").header("authorization", secret);
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let response = runtime.block_on(client.clone().oneshot(request)).unwrap();
        response.extensions().get::<Timings>().unwrap().clone()
    };
    let _warm = answered();
    let mut timings = None;
    let memory = allocation_counter::measure(|| timings = Some(answered()));
    // The request's headers, and the snapshot of them.
    assert!(memory.bytes_max > 2 * 100 * 1024, "{}", memory.bytes_max);
    assert!(memory.bytes_current < 10 * 1024, "{}", memory.bytes_current);
    drop(timings);
}

/// A body of 1 GiB, made frame by frame.
struct GibibyteBody {
    frames: u32,
}

const FRAME: &[u8] = &[b'x'; 64 * 1024];
const FRAMES: u32 = 16 * 1024;

impl http_body::Body for GibibyteBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.frames == 0 {
            return Poll::Ready(None);
        }
        self.frames -= 1;
        // A new allocation each time, so that a stored frame shows.
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(FRAME)))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(u64::from(self.frames) * FRAME.len() as u64)
    }
}

/// A server that reads the whole request and responds 503.
fn busy_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = vec![0; 1024 * 1024];
        let (mut read, mut head) = (0, Vec::new());
        let whole = loop {
            let count = stream.read(&mut buffer).unwrap();
            read += count;
            head.extend_from_slice(&buffer[..count.min(4096 - head.len().min(4096))]);
            if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4 + FRAMES as usize * FRAME.len();
            }
        };
        while read < whole {
            read += stream.read(&mut buffer).unwrap();
        }
        stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").unwrap();
        // Wait until the client closes the connection.
        let _ = stream.read(&mut buffer);
    });
    address
}

/// A connector that refuses the first connect.
#[derive(Clone)]
struct RefuseFirst(TcpConnector, Arc<AtomicBool>);

impl Service<http::Uri> for RefuseFirst {
    type Response = TcpIo;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TcpIo, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let refuse = !self.1.swap(true, Ordering::Relaxed);
        let tcp = self.0.clone();
        Box::pin(async move {
            if refuse {
                return Err(io::Error::from(ErrorKind::ConnectionRefused).into());
            }
            Ok(tcp.oneshot(uri).await?)
        })
    }
}

#[test]
fn retry_gibibyte_body_is_not_held_in_memory() {
    let uri: http::Uri = format!("http://{}/", busy_server()).parse().unwrap();
    let refused = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let events = Arc::new(std::sync::Mutex::new(Vec::new()));
    let lines = events.clone();
    let outbound = Outbound::builder().observer(move |event: &tower_outbound::Event<'_>| {
        if let tower_outbound::Event::RetryDecided { reason, decision, .. } = event {
            lines.lock().unwrap().push(match decision {
                Ok(_) => reason.to_string(),
                Err(limit) => format!("{reason}: {limit}"),
            });
        }
    });
    let outbound = outbound.build();
    let connector = outbound.connector(RefuseFirst(TcpConnector::new(), refused));
    let layer = outbound.retry_layer().status([StatusCode::SERVICE_UNAVAILABLE]);
    let client =
        layer.layer(outbound.attempt_layer().layer(Client::builder(TokioExecutor::new()).build(connector)));
    let memory = allocation_counter::measure(|| {
        runtime.block_on(async {
            let request = Request::post(&uri).body(GibibyteBody { frames: FRAMES }).unwrap();
            assert_eq!(client.oneshot(request).await.unwrap().status(), 503);
        });
    });
    assert_eq!(*events.lock().unwrap(), ["connect", "status: body"]);
    println!("1 GiB sent, {} KiB held at most", memory.bytes_max / 1024);
    assert!(memory.bytes_max < 2 * 1024 * 1024, "{}", memory.bytes_max);
}
