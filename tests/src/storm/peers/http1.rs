//! A peer that speaks HTTP/1.

use std::io;
use std::sync::Arc;

use fastrand::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Shared;
use crate::server::http1;
use crate::storm::Act;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CLOSE: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";
const LARGE: usize = 256 << 10;

pub(super) async fn serve(mut tcp: TcpStream, mut random: Rng, shared: &Arc<Shared>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(16 << 10);
    let mut shut = shared.shut.subscribe();
    loop {
        shut.borrow_and_update();
        let idle = shared.idle();
        let head = tokio::select! {
            head = head(&mut tcp, &mut buffer) => head?,
            _ = shut.changed() => {
                if random.bool() {
                    tcp.set_zero_linger()?;
                }
                drop(tcp);
                drop(idle);
                return Ok(());
            }
        };
        drop(idle);
        let Some((act, end)) = head else { return Ok(()) };
        if act.reads_request() {
            read_body(&mut tcp, &mut buffer, end).await?;
        }
        if !answer(&mut tcp, act, shared).await? {
            return Ok(());
        }
    }
}

impl Act {
    /// Whether the peer reads the whole request before it acts.
    fn reads_request(self) -> bool {
        let amid = matches!(self, Act::Reset | Act::ResetStream | Act::HalfClose);
        !(amid || matches!(self, Act::TakeNothing | Act::AnswerEarly))
    }
}

/// Reads a head. Returns the act and the index behind the head; `None` if the client has closed.
async fn head(tcp: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Option<(Act, usize)>> {
    loop {
        if let Some(end) = http1::head_end(buffer, 0) {
            let head = String::from_utf8_lossy(&buffer[..end]);
            let name = head.split(['/', '?']).nth(1).unwrap_or_default();
            return Ok(Some((Act::named(name).unwrap_or(Act::Answer), end)));
        }
        if tcp.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Reads the body and takes the request out of the buffer.
async fn read_body(tcp: &mut TcpStream, buffer: &mut Vec<u8>, head_end: usize) -> io::Result<()> {
    let framing = http1::framing(&buffer[..head_end]);
    loop {
        if let Some(end) = http1::body_end(buffer, head_end, framing) {
            buffer.drain(..end);
            return Ok(());
        }
        if tcp.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Acts. Returns whether the connection is kept.
async fn answer(tcp: &mut TcpStream, act: Act, shared: &Shared) -> io::Result<bool> {
    match act {
        Act::Answer | Act::Accept => {
            tcp.write_all(OK.as_bytes()).await?;
            return Ok(true);
        }
        Act::Large => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n");
            tcp.write_all(head.as_bytes()).await?;
            tcp.write_all(&vec![b'x'; LARGE]).await?;
            return Ok(true);
        }
        Act::Close => tcp.write_all(CLOSE.as_bytes()).await?,
        Act::Leave => tcp.write_all(OK.as_bytes()).await?,
        Act::Fin | Act::Refuse => {}
        Act::Reset | Act::ResetStream => tcp.set_zero_linger()?,
        Act::FinMidBody => tcp.write_all(HALF.as_bytes()).await?,
        Act::ResetMidBody => {
            tcp.write_all(HALF.as_bytes()).await?;
            tcp.set_zero_linger()?;
        }
        Act::HalfClose => {
            tcp.shutdown().await?;
            hold_and_read(tcp, shared).await?;
        }
        Act::Stall => hold_and_read(tcp, shared).await?,
        Act::StallMidBody => {
            tcp.write_all(HALF.as_bytes()).await?;
            hold_and_read(tcp, shared).await?;
        }
        Act::AnswerEarly => {
            tcp.write_all(OK.as_bytes()).await?;
            hold_and_read(tcp, shared).await?;
        }
        Act::TakeNothing => shared.held.wait().await,
    }
    Ok(false)
}

/// Reads until the client ends the connection.
async fn hold_and_read(tcp: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    let mut sink = tokio::io::sink();
    tokio::select! {
        read = tokio::io::copy(tcp, &mut sink) => read.map(drop),
        () = shared.held.wait() => Ok(()),
    }
}
