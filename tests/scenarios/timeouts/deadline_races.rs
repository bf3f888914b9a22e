//! A reset against the deadline, in random order: the peer's log decides what the outcome has to be.

use std::net::Ipv4Addr;

use futures_util::StreamExt as _;
use outbound_tests::gate::Gate;
use outbound_tests::server::Script;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower_outbound::{Deadline, Kind, RequestExt as _};

use super::*;

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok";

/// How many races: `RACES=10000` for many.
fn races() -> usize {
    std::env::var("RACES").ok().and_then(|races| races.parse().ok()).unwrap_or(300)
}

/// A linear congruential generator: the same races in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Exact on the paused clock: the earlier of the two is the outcome.
#[tokio::test(start_paused = true)]
async fn earlier_of_reset_and_deadline_is_outcome() {
    let mut random = Random(7);
    let mut outcomes = [0; 2];
    for _ in 0..races() {
        let (limit, reset) = (ms(10 + random.below(30)), ms(10 + random.below(30)));
        let head = if random.below(2) == 0 { "" } else { HALF };
        let script = Script::new().read_request().write(head).sleep(reset).reset();
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) = with(Timeouts::new());
        let client = stack(&outbound, outbound.connector(peer), false);
        let (error, took) = fail(&client, get(&server).deadline(Deadline::after(limit))).await;
        let kind = error.failure().kind();
        let expected = if reset < limit { Kind::ConnectionReset } else { Kind::DeadlineExceeded };
        assert!(kind == expected || reset == limit, "reset after {reset:?}, limit {limit:?}: {kind}");
        assert_eq!(took, reset.min(limit));
        let phase = if head.is_empty() { "wait" } else { "body" };
        assert_eq!(recorder.outcomes(), [format!("{kind} in {phase}")]);
        outcomes[usize::from(kind == Kind::DeadlineExceeded)] += 1;
    }
    println!("{} races on the paused clock: {} resets, {} deadlines", races(), outcomes[0], outcomes[1]);
    assert!(outcomes.iter().all(|times| *times > 0), "both happen: {outcomes:?}");
}

/// What the peer saw of a connection.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// It reset the connection.
    Reset,
    /// The client ended the connection before.
    ClientFirst,
}

/// Reads a request, answers with this, and resets the connection at that instant, unless the client closes it before.
async fn resetting(listener: &TcpListener, answer: &str, at: Instant) -> Peer {
    // On a busy machine the deadline may strike before the connect, or before the request.
    let Ok(accepted) = tokio::time::timeout(SECOND, listener.accept()).await else {
        return Peer::ClientFirst;
    };
    let (mut stream, mut buffer) = (accepted.unwrap().0, [0; 1024]);
    if !matches!(stream.read(&mut buffer).await, Ok(1..)) {
        return Peer::ClientFirst;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
    tokio::select! {
        biased;
        read = stream.read(&mut buffer) => {
            assert!(!matches!(read, Ok(1..)), "the client sends nothing more");
            Peer::ClientFirst
        }
        () = tokio::time::sleep_until(at) => {
            reset(stream);
            Peer::Reset
        }
    }
}

fn reset(stream: TcpStream) {
    // Closing with unsent data thrown away is a reset.
    stream.set_zero_linger().unwrap();
    drop(stream);
}

/// One race over a real socket: what the peer saw, and the outcome.
async fn race(seed: u64) -> (Peer, Kind) {
    let mut random = Random(seed);
    let answer = if random.below(2) == 0 { "" } else { HALF };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let uri: http::Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let deadline = Deadline::after(ms(50 + random.below(10)));
    // From 40 ms before the deadline to 10 ms after it.
    let at = deadline.instant() - ms(40) + Duration::from_micros(random.below(50_000));
    let peer = tokio::spawn(async move { resetting(&listener, answer, at).await });
    let (outbound, recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(outbound.http_connector()), false);
    let (error, _) = fail(&client, secret::request(&uri, nothing()).deadline(deadline)).await;
    // A connect that the client goes on with is over, too.
    drop((client, outbound));
    let kind = error.failure().kind();
    assert_eq!(recorder.outcomes().len(), 1);
    assert!(recorder.outcomes()[0].starts_with(kind.as_str()), "the span says the same");
    (peer.await.unwrap(), kind)
}

/// The time of the reset does not decide: a busy system takes its time to hand it to the client.
#[tokio::test]
async fn cut_at_deadline_is_never_reset() {
    let mut outcomes = [0; 3];
    let mut raced = stream::iter(0..races() as u64).map(race).buffer_unordered(20);
    while let Some((peer, kind)) = raced.next().await {
        match (peer, kind) {
            (Peer::Reset, Kind::ConnectionReset) => outcomes[0] += 1,
            (Peer::ClientFirst, Kind::DeadlineExceeded) => outcomes[1] += 1,
            // On its way at the deadline.
            (Peer::Reset, Kind::DeadlineExceeded) => outcomes[2] += 1,
            (peer, kind) => panic!("the peer saw {peer:?}, the client {kind}"),
        }
    }
    let [reset, cut, crossed] = outcomes;
    println!("{} races on sockets: {reset} resets, {cut} deadlines, {crossed} crossed at the limit", races());
    assert!(reset > 0 && cut > 0, "both happen: {outcomes:?}");
}

/// Whether the system has reset the client's end.
#[cfg(target_os = "linux")]
fn has_arrived(stream: [u16; 2]) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let [client, peer] = stream.map(|port| format!(":{port:04X}"));
    let mut ends = table.lines().map(|line| line.split_whitespace().skip(1).take(2));
    !ends.any(|mut ends| {
        ends.next().is_some_and(|end| end.ends_with(&client)) && ends.next().unwrap().ends_with(&peer)
    })
}

/// The reset is there before the deadline, and the runtime is busy until after it: then it sees both at once.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn reset_that_arrived_before_deadline_is_reset() {
    for (answer, phase) in [("", "wait"), (HALF, "body")] {
        // Again if the system was busier than the deadline is long.
        let mut outcome = None;
        for _ in 0..20 {
            outcome = both_at_once(answer).await;
            if outcome.is_some() {
                break;
            }
        }
        assert_eq!(outcome.unwrap(), [format!("connection_reset in {phase}")]);
    }
}

/// The outcome of a call whose peer resets the connection before the deadline, which is seen after it; `None` if the reset
/// came too late.
#[cfg(target_os = "linux")]
async fn both_at_once(answer: &str) -> Option<Vec<String>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let uri: http::Uri = format!("http://127.0.0.1:{port}/").parse().unwrap();
    let (outbound, recorder) = with(Timeouts::new());
    let client = stack(&outbound, outbound.connector(outbound.http_connector()), false);
    let (limit, answered) = (Deadline::after(ms(100)), Gate::new());
    let call = async {
        let sent = send(&client, secret::request(&uri, nothing()).deadline(limit)).await;
        answered.open();
        match sent {
            Ok(response) => drop(response.into_body().collect().await.map(drop).unwrap_err()),
            Err(error) => drop(error),
        }
    };
    let peer = async {
        let (mut stream, mut buffer) = (listener.accept().await.unwrap().0, [0; 1024]);
        if !matches!(stream.read(&mut buffer).await, Ok(1..)) {
            return false;
        }
        let _ = stream.write_all(answer.as_bytes()).await;
        if !answer.is_empty() {
            answered.wait().await;
        }
        let ends = [stream.peer_addr().unwrap().port(), port];
        reset(stream);
        while !has_arrived(ends) {
            std::hint::spin_loop();
        }
        let in_time = !limit.has_passed();
        // No task and no timer of this runtime goes on meanwhile.
        while limit.instant() + ms(5) > Instant::now() {
            std::hint::spin_loop();
        }
        in_time
    };
    let ((), in_time) =
        tokio::join!(call, async { tokio::time::timeout(SECOND, peer).await.unwrap_or(false) });
    in_time.then(|| recorder.outcomes())
}
