//! Faults of a peer that speaks HTTP/1, or should.

use std::io;

use axum::body::Body;
use axum::http::{Request, Uri};
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use super::caller::{Caller, Options, cancelled, in_time};
use super::request::{endless, get, unfinished};
use super::told::Told;
use super::{Fault, fault};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const BAD_LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n";
const TWO_LENGTHS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab";

/// What the peer does with the request; after it, it holds the connection.
type Harm = fn(Script, &Gate) -> Script;

/// What the caller does while it waits.
#[derive(Clone, Copy)]
enum Meanwhile {
    Nothing,
    OpensGateAtFirstByte,
    OpensGateAtHead,
    GivesUpAtGate,
    GivesUpAtFirstByte,
    GivesUpAtHead,
}

pub(super) fn faults() -> Vec<Fault> {
    use Meanwhile::{
        GivesUpAtFirstByte, GivesUpAtGate, GivesUpAtHead, Nothing, OpensGateAtFirstByte, OpensGateAtHead,
    };
    let sent = |name, meanwhile, harm: Harm| fault(name, one(get, Options::new(false), meanwhile, harm));
    let upload =
        |name, meanwhile, harm: Harm| fault(name, one(unfinished, Options::new(false), meanwhile, harm));
    let slow = |name, harm: Harm| fault(name, one(get, in_time(), Nothing, harm));
    vec![
        sent("reset-at-accept", Nothing, |peer, _| peer.reset()),
        sent("fin-at-accept", Nothing, |peer, _| peer.close()),
        fault("reset-idle-reused", reused(|peer, gate| peer.wait(gate).reset())),
        fault("fin-idle-reused", reused(|peer, gate| peer.wait(gate).close())),
        upload("reset-mid-request-body", Nothing, |peer, _| peer.read_head().read_exact(500).reset()),
        upload("fin-mid-request-body", Nothing, |peer, _| peer.read_head().read_exact(1_000).close()),
        sent("reset-after-request", Nothing, |peer, _| peer.read_request().reset()),
        sent("fin-after-request", Nothing, |peer, _| peer.read_request().close()),
        sent("reset-mid-head", OpensGateAtFirstByte, |peer, gate| {
            peer.read_request().write("HTTP/1.1 20").wait(gate).reset()
        }),
        sent("fin-mid-head", Nothing, |peer, _| peer.read_request().write("HTTP/1.1 20").close()),
        sent("reset-mid-body", OpensGateAtHead, |peer, gate| {
            peer.read_request().write(HEAD).write("abc").wait(gate).reset()
        }),
        sent("fin-mid-body", Nothing, |peer, _| peer.read_request().write(HEAD).write("abc").close()),
        upload("early-response", Nothing, |peer, _| peer.read_head().write(OK)),
        upload("early-response-then-reset", OpensGateAtHead, |peer, gate| {
            peer.read_head().write(HEAD).write("abc").wait(gate).reset()
        }),
        sent("head-too-large", Nothing, |peer, _| {
            peer.read_request().write(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1 << 20)))
        }),
        sent("not-http", Nothing, |peer, _| peer.read_request().write("no http\r\n\r\n")),
        sent("bad-chunk", Nothing, |peer, _| peer.read_request().write(CHUNKED).write("xyz\r\n")),
        sent("bad-content-length", Nothing, |peer, _| peer.read_request().write(BAD_LENGTH)),
        sent("two-content-lengths", Nothing, |peer, _| peer.read_request().write(TWO_LENGTHS)),
        fault("slow-upload", one(endless, in_time(), Nothing, |peer, _| peer.read_head().hang())),
        slow("no-answer", |peer, _| peer.read_request()),
        slow("slow-head", |peer, _| peer.read_request().write("HTTP/1.1 20")),
        slow("slow-body", |peer, _| peer.read_request().write(HEAD).write("abc")),
        upload("cancelled-in-send", GivesUpAtGate, |peer, gate| {
            peer.read_head().read_exact(1_000).open(gate)
        }),
        sent("cancelled-in-wait", GivesUpAtGate, |peer, gate| peer.read_request().open(gate)),
        sent("cancelled-in-head", GivesUpAtFirstByte, |peer, _| peer.read_request().write("HTTP/1.1 20")),
        sent("cancelled-in-body", GivesUpAtHead, |peer, _| peer.read_request().write(HEAD).write("abc")),
    ]
}

/// A request on a connection of its own.
async fn one(
    request: fn(&Uri) -> Request<Body>,
    options: Options,
    meanwhile: Meanwhile,
    harm: Harm,
) -> io::Result<Told> {
    let gate = Gate::new();
    let server = ScriptedServer::tcp(harm(Script::new(), &gate).read_to_end()).await?;
    let caller = Caller::new(options);
    let request = request(&server.uri("/"));
    let sent = caller.send(request, || {
        if matches!(meanwhile, Meanwhile::OpensGateAtHead | Meanwhile::GivesUpAtHead) {
            gate.open();
        }
    });
    match meanwhile {
        Meanwhile::Nothing | Meanwhile::OpensGateAtHead => sent.await,
        Meanwhile::OpensGateAtFirstByte => {
            let open = async {
                caller.first_byte().await;
                gate.open();
            };
            tokio::join!(sent, open);
        }
        Meanwhile::GivesUpAtGate | Meanwhile::GivesUpAtHead => cancelled(sent, gate.wait()).await,
        Meanwhile::GivesUpAtFirstByte => cancelled(sent, caller.first_byte()).await,
    }
    Ok(caller.told().await)
}

/// The second request on a connection, which the peer ends just then; sent again, it is answered.
async fn reused(harm: Harm) -> io::Result<Told> {
    let gate = Gate::new();
    let first = Script::new().read_request().write(OK);
    let server = ScriptedServer::tcp([harm(first, &gate), Script::answering(OK)]).await?;
    let (caller, uri) = (Caller::new(Options::new(false)), server.uri("/"));
    caller.get(&uri).await;
    caller.told().await;
    caller.forget();
    // Readable before the peer's end is: so the caller has its turn before the connection that would see that end.
    let (mut writes, reads) = UnixStream::pair()?;
    writes.write_all(&[0]).await?;
    gate.open();
    reads.readable().await?;
    caller.get(&uri).await;
    Ok(caller.told().await)
}
