//! Uploads that the peer answers and takes no further, on a connection that serves others.

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
type Sends = Box<dyn Fn(Request<Upload>) -> LocalBoxFuture<'static, Result<(), BoxError>>>;

fn by_pool(outbound: &Outbound, peer: DuplexConnector) -> Sends {
    let pool = Pool::builder().http2_only(true).max_connections_per_origin(1);
    sends(outbound.attempt_layer().layer(pool.build(outbound.connector(peer))))
}

fn by_hyper_util(outbound: &Outbound, peer: DuplexConnector) -> Sends {
    sends(outbound.attempt_layer().layer(http2(outbound.connector(peer))))
}

fn sends<S, B>(service: S) -> Sends
where
    S: Service<Request<Upload>, Response = http::Response<B>, Error = Error> + Clone + 'static,
    S::Future: 'static,
    B: http_body::Body<Error = Error> + 'static,
{
    Box::new(move |request| {
        let sent = service.clone().oneshot(request);
        async { sent.await?.into_body().collect().await.map(drop).map_err(Into::into) }.boxed_local()
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

#[tokio::test(start_paused = true)]
async fn upload_stuck_after_answer_is_reset_beside_others() {
    for client in [by_pool, by_hyper_util] {
        for upload in [whole, frames] {
            let gate = Gate::new();
            let begun = [frame(HEADERS, END_HEADERS, 1, OK), ok(3)].concat();
            let answered = Script::new().write(settings(STREAMS)).read_exact(WINDOW).write(begun);
            let script =
                answered.sleep(ms(1_100)).write(ok(5)).wait(&gate).write(frame(DATA, END_STREAM, 1, b""));
            let (server, peer) = ScriptedServer::duplex(script.read_to_end());
            let outbound = Outbound::new();
            let send = client(&outbound, peer);
            let nothing = || request(Method::GET, whole_of(b""));
            let mut held = send(nothing());
            assert!(futures_util::poll!(&mut held).is_pending());
            let others = async {
                send(request(Method::POST, upload())).await.unwrap();
                // It gets the upload's place: the connection allows two streams.
                send(nothing()).await.unwrap();
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
    }
}

fn whole_of(bytes: &'static [u8]) -> Upload {
    Full::new(Bytes::from_static(bytes)).map_err(|never| match never {}).boxed_unsync()
}
