//! Uploads that the peer takes no further once their call is over, on a connection that serves others.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt as _, stream};
use http::{Method, Uri};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Full, StreamBody};
use outbound_tests::faults::frames::{DATA, RST_STREAM, rst_stream};
use outbound_tests::gate::Gate;
use outbound_tests::server::{DuplexConnector, Script};
use tower_outbound::pool::Pool;
use tower_outbound::{BoxError, Outbound};

use super::*;

/// The window of a stream, and of a connection (RFC 9113, section 6.9.2).
const WINDOW: usize = 65_535;
/// SETTINGS_MAX_CONCURRENT_STREAMS of the peer: with the upload, none is free.
const STREAMS: u32 = 2;

type Upload = UnsyncBoxBody<Bytes, BoxError>;
type Sends = Box<dyn Fn(Request<Upload>, Reads) -> LocalBoxFuture<'static, Result<(), BoxError>>>;

/// What the caller reads of the response.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    Everything,
    Head,
}

fn by_pool(outbound: &Outbound, peer: DuplexConnector) -> Sends {
    let pool = Pool::builder().http2_only(true).max_connections_per_origin(1);
    sends(outbound.attempt_layer().layer(pool.build(outbound.connector(peer))))
}

fn by_hyper_util(outbound: &Outbound, peer: DuplexConnector) -> Sends {
    sends(outbound.attempt_layer().layer(http2(outbound.connector(peer))))
}

fn by_driven_hyper_util(outbound: &Outbound, peer: DuplexConnector) -> Sends {
    let executor = DriveExecutor::new(TokioExecutor::new());
    let connector = outbound.track_layer().executor(&executor).layer(peer);
    sends(outbound.attempt_layer().layer(Client::builder(executor).http2_only(true).build(connector)))
}

fn sends<S, B>(service: S) -> Sends
where
    S: Service<Request<Upload>, Response = http::Response<B>, Error = Error> + Clone + 'static,
    S::Future: 'static,
    B: http_body::Body<Error = Error> + 'static,
{
    Box::new(move |request, reads| {
        let sent = service.clone().oneshot(request);
        async move {
            let body = sent.await?.into_body();
            match reads {
                Reads::Everything => body.collect().await.map(drop).map_err(Into::into),
                Reads::Head => Ok(()),
            }
        }
        .boxed_local()
    })
}

/// h2 has all of it.
fn whole() -> Upload {
    Full::new(Bytes::from(vec![b'u'; 3 * WINDOW])).map_err(|never| match never {}).boxed_unsync()
}

/// hyper has the second frame, for which there is no window.
fn frames() -> Upload {
    let frame = || Ok(Frame::data(Bytes::from(vec![b'u'; WINDOW])));
    UnsyncBoxBody::new(StreamBody::new(stream::iter([frame(), frame(), frame()])))
}

fn request(method: Method, body: Upload) -> Request<Upload> {
    let mut request = Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (method, Uri::from_static("http://example.test/"));
    request
}

/// The peer takes a window of the second stream, and answers with this. The third stream finds no place before the second
/// is reset.
async fn upload_is_reset(
    client: fn(&Outbound, DuplexConnector) -> Sends,
    upload: Upload,
    answer: &[u8],
    late: &[u8],
    reads: Reads,
) {
    let gate = Gate::new();
    let begun = [&frame(HEADERS, END_HEADERS, 1, OK), answer].concat();
    let answered = Script::new().write(settings(STREAMS)).read_exact(WINDOW).write(begun);
    let rest = [late, &ok(5)].concat();
    let script = answered.sleep(ms(1_100)).write(rest).wait(&gate).write(frame(DATA, END_STREAM, 1, b""));
    let (server, peer) = ScriptedServer::duplex(script.read_to_end());
    let outbound = Outbound::new();
    let send = client(&outbound, peer);
    let nothing = || request(Method::GET, whole_of(b""));
    let mut held = send(nothing(), Reads::Everything);
    assert!(futures_util::poll!(&mut held).is_pending());
    let others = async {
        send(request(Method::POST, upload), reads).await.unwrap();
        // It gets the upload's place: the connection allows two streams.
        send(nothing(), Reads::Everything).await.unwrap();
        gate.open();
    };
    tokio::join!(others, async { held.await.unwrap() });
    drop((send, outbound));
    server.wait_until(|log| log.iter().all(|connection| connection.ended.is_some())).await;
    let raw = &server.log()[0].raw;
    let reset = rst_stream(3, 8);
    assert_eq!(reset[3], RST_STREAM);
    let resets = raw.windows(reset.len()).filter(|bytes| *bytes == reset).count();
    assert_eq!((resets, server.accepted()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn upload_stuck_after_answer_is_reset_beside_others() {
    for client in [by_pool, by_hyper_util] {
        for upload in [whole, frames] {
            upload_is_reset(client, upload(), &ok(3), b"", Reads::Everything).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn upload_stuck_after_dropped_response_is_reset() {
    for client in [by_pool, by_driven_hyper_util] {
        for upload in [whole, frames] {
            // The peer has not read the reset when it goes on with the response.
            let (begins, goes_on) = (frame(HEADERS, END_HEADERS, 3, OK), frame(DATA, 0, 3, b"late"));
            upload_is_reset(client, upload(), &begins, &goes_on, Reads::Head).await;
        }
    }
}

fn whole_of(bytes: &'static [u8]) -> Upload {
    Full::new(Bytes::from_static(bytes)).map_err(|never| match never {}).boxed_unsync()
}
