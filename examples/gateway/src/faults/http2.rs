//! Faults of a peer that speaks HTTP/2, frame by frame (RFC 9113, sections 4.1 and 6).

use std::io;
use std::net::Ipv4Addr;

use outbound_tests::gate::Gate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::caller::{Caller, Options, in_time};
use super::request::get;
use super::told::Told;
use super::{Fault, fault, uri};

const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` by HPACK's static table.
const OK: &[u8] = &[0x88];

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;

/// What the peer writes when it has a request: at once, and when the caller has the head. The number is the stream's.
#[derive(Clone, Copy)]
struct Harm {
    at_once: fn(u32) -> Vec<u8>,
    after_head: fn(u32) -> Vec<u8>,
}

pub(super) fn faults() -> Vec<Fault> {
    let nothing = |_| Vec::new();
    let begun = |stream| [frame(HEADERS, END_HEADERS, stream, OK), frame(DATA, 0, stream, b"abc")].concat();
    let wrote =
        |name, at_once| fault(name, one(Options::new(true), Harm { at_once, after_head: nothing })).http2();
    let slow = |name, at_once| fault(name, one(in_time(), Harm { at_once, after_head: nothing })).http2();
    vec![
        wrote("refused-stream", |stream| rst_stream(stream, REFUSED_STREAM)),
        wrote("goaway-graceful", |stream| goaway(stream.saturating_sub(2), NO_ERROR)),
        wrote("goaway-error", |stream| goaway(stream.saturating_sub(2), INTERNAL_ERROR)),
        wrote("rst-after-request", |stream| rst_stream(stream, CANCEL)),
        fault(
            "rst-mid-body",
            one(Options::new(true), Harm { at_once: begun, after_head: |s| rst_stream(s, CANCEL) }),
        )
        .http2(),
        wrote("not-http", |_| b"no http\r\n\r\n".to_vec()),
        slow("no-answer", nothing),
        slow("slow-body", begun),
    ]
}

async fn one(options: Options, harm: Harm) -> io::Result<Told> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let uri = uri("http", listener.local_addr()?);
    let head = Gate::new();
    let gate = head.clone();
    let peer = tokio::spawn(async move {
        // A request that is sent again may come on another.
        let mut connections = JoinSet::new();
        while let Ok((tcp, _)) = listener.accept().await {
            connections.spawn(serve(tcp, harm, gate.clone()));
        }
    });
    let caller = Caller::new(Options { http2: true, ..options });
    caller.send(get(&uri), || head.open()).await;
    peer.abort();
    Ok(caller.told().await)
}

/// Until the client leaves.
async fn serve(mut tcp: TcpStream, harm: Harm, head: Gate) -> io::Result<()> {
    tcp.read_exact(&mut [0; PREFACE]).await?;
    tcp.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut header = [0; 9];
        tcp.read_exact(&mut header).await?;
        let [l1, l2, l3, kind, flags, stream @ ..] = header;
        let mut payload = vec![0; u32::from_be_bytes([0, l1, l2, l3]) as usize];
        tcp.read_exact(&mut payload).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => tcp.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            HEADERS if flags & END_STREAM != 0 => {
                let stream = u32::from_be_bytes(stream);
                tcp.write_all(&(harm.at_once)(stream)).await?;
                let then = (harm.after_head)(stream);
                if !then.is_empty() {
                    head.wait().await;
                    tcp.write_all(&then).await?;
                }
            }
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a few bytes").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn rst_stream(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn goaway(last_stream: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last_stream.to_be_bytes(), code.to_be_bytes()].concat())
}
