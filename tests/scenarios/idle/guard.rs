//! A peer that takes no bytes keeps no connection that nobody uses.

use outbound_tests::server::Script;
use tower_outbound::timeouts::Timeouts;

use super::*;
use crate::timeouts::http2::{frame, settings};

/// After this long nothing may be left. It includes the timers' tasks.
const LATER: Duration = Duration::from_secs(300);

pub(super) async fn nothing_left(recorder: &Recorder) {
    recorder.settled().await;
    tokio::time::sleep(LATER).await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

/// Nothing more of a request is written that was reported as sent in part.
#[tokio::test(start_paused = true)]
async fn upload_that_peer_never_reads_closes_at_its_timeout() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_head().hang());
    let (outbound, recorder) = recorded(|builder| builder.timeouts(Timeouts::new().write_idle(SECOND)));
    let client = stack(&outbound, outbound.connector(peer), false);
    post(&client, &server, 8 << 20).await.unwrap_err();
    assert_eq!(recorder.outcomes(), ["write_timeout in send"]);
    assert_eq!(time_to_close(&recorder, 1).await, Duration::ZERO);
    assert_eq!(recorder.close_reasons(), ["silent"]);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn guard_closes_after_upload_that_peer_never_reads() {
    for keep_client in [false, true] {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let (server, peer) = ScriptedServer::duplex(Script::new().read_head().write(answer).hang());
        let (outbound, recorder) = recorded(|builder| builder);
        let client = stack(&outbound, outbound.connector(peer), false);
        post(&client, &server, 8 << 20).await.unwrap();
        let client = keep_client.then_some(client);
        let closed = time_to_close(&recorder, 1).await;
        match keep_client {
            true => assert_eq!(closed, 10 * SECOND),
            false => assert!(closed <= 2 * SECOND, "{closed:?}"),
        }
        assert_eq!(recorder.close_reasons(), ["silent"]);
        drop((client, outbound, server));
        nothing_left(&recorder).await;
    }
}

#[tokio::test(start_paused = true)]
async fn guard_waits_while_attempt_uses_connection() {
    let script = Script::new().read_head().sleep(45 * SECOND).read_exact(8 << 20);
    let script = script.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded(|builder| builder);
    let client = stack(&outbound, outbound.connector(peer), false);
    post(&client, &server, 8 << 20).await.unwrap();
    assert_eq!(recorder.outcomes(), ["ok"]);
}

#[tokio::test(start_paused = true)]
async fn guard_closes_http2_whose_acknowledgements_stay_unread() {
    for (kind, payload) in [(6, &[0; 8][..]), (4, &[])] {
        let many = (0..20_000).flat_map(|_| frame(kind, 0, 0, payload)).collect::<Vec<u8>>();
        let script = Script::new().write(settings()).sleep(ms(10)).write(frame(1, 5, 1, &[0x88]));
        let (server, peer) = ScriptedServer::duplex(script.write(many).hang());
        let (outbound, recorder) = recorded(|builder| builder);
        let client = stack(&outbound, outbound.connector(peer), true);
        post(&client, &server, 0).await.unwrap();
        assert_eq!(time_to_close(&recorder, 1).await, 10 * SECOND);
        assert_eq!(recorder.close_reasons(), ["silent"]);
        drop((client, outbound, server));
        nothing_left(&recorder).await;
    }
}

/// The upload that timed out fills the way to the peer, so neither RST_STREAM nor GOAWAY goes out.
#[tokio::test(start_paused = true)]
async fn guard_closes_http2_soon_after_client_is_gone() {
    for keep_client in [true, false] {
        // A window that lets the whole upload go.
        let size = (1u32 << 30).to_be_bytes();
        let stream = frame(4, 0, 0, &[&[0, 4], &size[..]].concat());
        let windows = [stream, frame(8, 0, 0, &size), frame(4, 1, 0, &[])].concat();
        let (server, peer) = ScriptedServer::duplex(Script::new().write(windows).hang());
        let (outbound, recorder) = recorded(|builder| builder.timeouts(Timeouts::new().attempt(SECOND)));
        let client = stack(&outbound, outbound.connector(peer), true);
        post(&client, &server, 8 << 20).await.unwrap_err();
        let client = keep_client.then_some(client);
        let closed = time_to_close(&recorder, 1).await;
        match keep_client {
            true => assert!(closed >= 9 * SECOND && closed <= 11 * SECOND, "{closed:?}"),
            false => assert!(closed <= 2 * SECOND, "{closed:?}"),
        }
        assert_eq!(recorder.close_reasons(), ["silent"]);
        drop((client, outbound, server));
        nothing_left(&recorder).await;
    }
}

#[tokio::test(start_paused = true)]
async fn guard_leaves_nothing_where_peer_allows_no_stream() {
    let none = frame(4, 0, 0, &[0, 3, 0, 0, 0, 0]);
    let (server, peer) =
        ScriptedServer::duplex(Script::new().write(none).write(frame(4, 1, 0, &[])).read_to_end());
    let (outbound, recorder) = recorded(|builder| builder.timeouts(Timeouts::new().attempt(SECOND)));
    let client = stack(&outbound, outbound.connector(peer), true);
    // The first request goes out before the peer's settings arrive.
    post(&client, &server, 0).await.unwrap_err();
    post(&client, &server, 0).await.unwrap_err();
    drop(client);
    let left = time_to_close(&recorder, 1).await;
    assert!(left <= 30 * SECOND, "{left:?}");
    drop((outbound, server));
    nothing_left(&recorder).await;
}
