//! A connection that this side gives up: why it closed, and what became of the requests on it.

use futures_util::future::join_all;
use outbound_tests::faults::frames::{DATA, header};
use outbound_tests::recorder::Recorder;
use outbound_tests::server::Script;
use tower_outbound::event::Event;
use tower_outbound::{Kind, Phase, SendState};

use super::*;

/// Frames that break the protocol while stream 1 is open.
fn faults() -> [(&'static str, Vec<u8>); 5] {
    [
        ("DATA on an idle stream", frame(DATA, 0, 7, b"x")),
        ("oversized frame", frame(DATA, 0, 1, &[0; 20_000])),
        ("PUSH_PROMISE", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x88])),
        ("bad HPACK", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 5])),
        ("WINDOW_UPDATE of 0", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
    ]
}

/// Allows this many streams, writes the frames 1 s after the start, and reads to the end.
fn hostile(streams: u32, frames: Vec<u8>) -> Script {
    Script::new().write(settings(streams)).sleep(ms(1000)).write(frames).read_to_end()
}

/// Answers two requests, one after the other.
fn sound() -> Script {
    Script::new().write(settings(1)).sleep(ms(10)).write(ok(1)).sleep(ms(10)).write(ok(3)).read_to_end()
}

/// Expects that every connection but the last one closes with this kind of error.
fn expecting(kind: Kind) -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    let closed = move |event: &Event<'_>| {
        if let Event::ConnectionClosed { closed, .. } = event {
            assert!(closed.error() == Some(kind) || closed.reason().as_str() == "dropped", "{closed:?}");
        }
    };
    (Outbound::builder().observer(recorder.clone()).observer(closed).build(), recorder)
}

async fn gave_up<C: Connect + Clone + Send + Sync + 'static>(
    name: &str,
    server: &ScriptedServer,
    outbound: &Outbound,
    connector: C,
) {
    let client = foreign(outbound, connector);
    let three = join_all((0..3).map(|_| read(&client, get(server)))).await;
    let expected = [
        (Phase::Wait, SendState::Unknown),
        // One waits for a stream in h2, the other one is not accepted yet.
        (Phase::Acquire, SendState::NotSent),
        (Phase::Acquire, SendState::NotSent),
    ];
    let failures = three.into_iter().map(|result| result.unwrap_err().failure().clone());
    for (failure, (phase, state)) in failures.zip(expected) {
        assert_eq!((failure.phase(), failure.send_state()), (Some(phase), Some(state)), "{name}");
        let kinds = if phase == Phase::Wait {
            vec![Kind::Protocol]
        } else {
            vec![Kind::Protocol, Kind::ResponseEnded]
        };
        assert!(kinds.contains(&failure.kind()), "{name}: {failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn gave_up_closes_as_protocol_error_and_waiting_are_unsent() {
    for (name, frames) in faults() {
        let (server, peer) = ScriptedServer::duplex(hostile(1, frames));
        let (outbound, recorder) = expecting(Kind::Protocol);
        gave_up(name, &server, &outbound, outbound.connector(peer)).await;
        recorder.settled().await;
        assert_eq!(recorder.close_reasons(), ["protocol_error"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn gave_up_requests_that_waited_for_stream_are_retried() {
    for (name, frames) in faults() {
        let (server, peer) = ScriptedServer::duplex([hostile(1, frames), sound()]);
        let (outbound, recorder) = expecting(Kind::Protocol);
        let client = outbound.layer().layer(http2(outbound.connector(peer)));
        let three = join_all((0..3).map(|_| read(&client, get(&server)))).await;
        let ok: Vec<_> = three.iter().map(Result::is_ok).collect();
        assert_eq!(ok, [false, true, true], "{name}");
        drop(client);
        recorder.settled().await;
        assert_eq!(recorder.close_reasons(), ["protocol_error", "dropped"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn gave_up_after_too_many_own_resets_closes_as_error() {
    // h2 resets 1,024 streams whose responses have a forbidden header, then gives up.
    let block = [OK, &header("connection", "close")].concat();
    let malformed = |number: u32| frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &block);
    let (server, peer) = ScriptedServer::duplex(hostile(2000, (0..1030).flat_map(malformed).collect()));
    let (outbound, recorder) = expecting(Kind::LimitExceeded);
    let client = foreign(&outbound, outbound.connector(peer));
    let all = join_all((0..1040).map(|_| read(&client, get(&server)))).await;
    let kinds: Vec<_> = all.into_iter().map(|result| result.unwrap_err().failure().kind()).collect();
    assert_eq!(kinds[..1024], [Kind::Protocol; 1024]);
    assert_eq!(kinds[1024..], [Kind::LimitExceeded; 16]);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["error"]);
}
