//! The peer's HTTP/1.

use bytes::Buf as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep, timeout};

use super::line::{Line, Over};
use super::{PATIENCE, Shared};
use crate::server::http1::{Framing, framing, head_end};
use crate::witness::fault::Fault;
use crate::witness::log::{Goodbye, PeerAnswer, PeerRequest};
use crate::witness::plan::Step;
use crate::witness::tag::Tag;

/// What is left of a body.
enum Rest {
    /// So many bytes.
    Bytes(usize),
    /// The line that begins a chunk.
    ChunkLine,
    /// So many bytes of a chunk, and the end of its line.
    Chunk(usize),
    /// The trailers.
    Trailers,
    Nothing,
}

/// Serves the connection to its end.
pub(super) async fn serve<I: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<I>, shared: &Shared) {
    while let Ok(()) = exchange(line, shared).await {}
}

/// One request and its answer.
async fn exchange<I: AsyncRead + AsyncWrite + Unpin>(
    line: &mut Line<I>,
    shared: &Shared,
) -> Result<(), Over> {
    let framing = read_head(line).await?;
    let mut rest = match framing {
        Framing::Length(length) => Rest::Bytes(length),
        Framing::Chunked => Rest::ChunkLine,
    };
    let number = line.request().map_or(0, |request| request.step);
    let Some(step) = shared.step(number) else { return Err(Over) };
    if line.closed {
        return read_body(line, &mut rest, usize::MAX).await;
    }
    use Fault::{
        CloseMidUpload, CloseUnanswered, EarlyAnswer, EarlyAnswerClose, ResetMidUpload, ResetUnanswered,
        StalledUpload, Unanswered,
    };
    if step.fault.needs_upload() {
        read_body(line, &mut rest, step.read).await?;
    }
    match step.fault {
        CloseMidUpload => {
            line.close().await;
            read_body(line, &mut rest, usize::MAX).await
        }
        ResetMidUpload => line.reset(),
        StalledUpload => {
            // Longer than the client's time limit.
            sleep(super::super::drive::LIMIT * 3).await;
            read_body(line, &mut rest, usize::MAX).await
        }
        EarlyAnswer => {
            answer(line, &step).await?;
            read_body(line, &mut rest, usize::MAX).await
        }
        EarlyAnswerClose => {
            line.connection.goodbye = Some(Goodbye::Close);
            answer(line, &step).await?;
            // Unread bytes turn the close into a reset.
            line.close().await;
            Err(Over)
        }
        fault => {
            read_body(line, &mut rest, usize::MAX).await?;
            sleep(step.delay).await;
            match fault {
                CloseUnanswered => {
                    line.close().await;
                    Ok(())
                }
                ResetUnanswered => line.reset(),
                // Until the client gives up.
                Unanswered => mute(line).await,
                _ => answered(line, &step, shared).await,
            }
        }
    }
}

/// Reads on and answers nothing, and closes when the client has not given up for long.
async fn mute<I: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<I>) -> Result<(), Over> {
    loop {
        match timeout(PATIENCE, line.fill()).await {
            Ok(read) => read?,
            Err(_) => line.close().await,
        }
    }
}

/// Answers a request that was read whole, and ends the connection if the fault says so.
async fn answered<I: AsyncRead + AsyncWrite + Unpin>(
    line: &mut Line<I>,
    step: &Step,
    shared: &Shared,
) -> Result<(), Over> {
    answer(line, step).await?;
    let pause = shared.scene.idle(line.connection.number);
    match step.fault {
        Fault::Goodbye | Fault::Http10 => line.close().await,
        Fault::CloseAfter => {
            sleep(pause).await;
            line.close().await;
        }
        Fault::ResetAfter => {
            sleep(pause).await;
            return line.reset();
        }
        Fault::CloseMidHead | Fault::CloseMidBody | Fault::BadChunk | Fault::NotHttp => {
            sleep(pause).await;
            line.close().await;
        }
        Fault::ResetMidHead | Fault::ResetMidBody => {
            sleep(pause).await;
            return line.reset();
        }
        Fault::StalledBody => return mute(line).await,
        _ => {}
    }
    Ok(())
}

/// Writes the answer, or as much of it as the fault leaves.
async fn answer<I: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<I>, step: &Step) -> Result<(), Over> {
    let body = vec![b'a'; step.answer];
    let version = if step.fault == Fault::Http10 { "1.0" } else { "1.1" };
    let chunked = step.fault == Fault::BadChunk || step.chunked && step.fault != Fault::Http10;
    let mut head = format!("HTTP/{version} 200 OK\r\n");
    match chunked {
        true => head.push_str("transfer-encoding: chunked\r\n"),
        false => head.push_str(&format!("content-length: {}\r\n", body.len())),
    }
    match step.fault {
        Fault::Goodbye | Fault::EarlyAnswerClose => {
            head.push_str("connection: close\r\n");
            line.connection.goodbye = Some(Goodbye::Close);
        }
        Fault::Http10 => line.connection.goodbye = Some(Goodbye::Http10),
        Fault::BadChunk | Fault::NotHttp => line.connection.garbage = true,
        _ => {}
    }
    head.push_str("\r\n");
    let half = body.len() / 2;
    let mut bytes = Vec::new();
    if matches!(step.fault, Fault::Interim | Fault::InterimApart) {
        let interim = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
        match step.fault {
            Fault::Interim => bytes.extend_from_slice(interim),
            _ => {
                line.write(interim).await?;
                sleep(step.delay).await;
            }
        }
    }
    let (whole, payload) = match step.fault {
        Fault::CloseMidHead | Fault::ResetMidHead => {
            bytes.extend_from_slice(&head.as_bytes()[..12]);
            (false, 0)
        }
        Fault::NotHttp => {
            bytes.extend_from_slice(b"220 mail.test ESMTP\r\n");
            (false, 0)
        }
        Fault::CloseMidBody | Fault::ResetMidBody | Fault::StalledBody | Fault::BadChunk => {
            bytes.extend_from_slice(head.as_bytes());
            if chunked {
                bytes.extend_from_slice(format!("{half:x}\r\n").as_bytes());
            }
            bytes.extend_from_slice(&body[..half]);
            if chunked {
                bytes.extend_from_slice(b"\r\n");
            }
            if step.fault == Fault::BadChunk {
                bytes.extend_from_slice(b"none\r\n");
            }
            (false, half)
        }
        _ => {
            bytes.extend_from_slice(head.as_bytes());
            if chunked && !body.is_empty() {
                bytes.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
            }
            bytes.extend_from_slice(&body);
            if chunked {
                bytes.extend_from_slice(if body.is_empty() { b"0\r\n\r\n" } else { b"\r\n0\r\n\r\n" });
            }
            (true, body.len())
        }
    };
    let head = !matches!(step.fault, Fault::CloseMidHead | Fault::ResetMidHead | Fault::NotHttp);
    if let Some(request) = line.request() {
        let after_whole = request.whole;
        let at = Instant::now();
        request.answer = Some(PeerAnswer { at, after_whole, head, body: payload as u64, whole });
    }
    line.write(&bytes).await
}

/// Reads a head and logs its request.
async fn read_head<I: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<I>) -> Result<Framing, Over> {
    if line.buffer.is_empty() {
        line.fill().await?;
    }
    let first_read = Instant::now();
    let end = loop {
        if let Some(end) = head_end(&line.buffer, 0) {
            break end;
        }
        line.fill().await?;
    };
    let head = line.buffer.split_to(end);
    let Some(Tag { step, attempt }) = Tag::of_head(&head) else { return Err(Over) };
    let number = line.connection.requests.len() as u32 + 1;
    let last_read = Instant::now();
    line.connection.requests.push(PeerRequest {
        attempt,
        step,
        number,
        first_read,
        last_read,
        wire: end as u64,
        body: 0,
        whole: false,
        answer: None,
        refusal: None,
        refused_at: None,
    });
    Ok(framing(&head))
}

/// Reads on until this many bytes of the body were read, or the whole of it.
async fn read_body<I: AsyncRead + AsyncWrite + Unpin>(
    line: &mut Line<I>,
    rest: &mut Rest,
    until: usize,
) -> Result<(), Over> {
    loop {
        consume(line, rest);
        let Some(request) = line.request() else { return Err(Over) };
        request.last_read = Instant::now();
        if matches!(rest, Rest::Nothing | Rest::Bytes(0)) {
            request.whole = true;
            return Ok(());
        }
        if until != usize::MAX && request.body >= until as u64 {
            return Ok(());
        }
        line.fill().await?;
    }
}

/// Takes what there is of the body out of the buffer.
fn consume<I: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<I>, rest: &mut Rest) {
    loop {
        let before = line.buffer.len();
        let mut body = 0;
        match rest {
            Rest::Nothing => return,
            Rest::Bytes(left) => {
                body = before.min(*left);
                line.buffer.advance(body);
                *left -= body;
            }
            Rest::Chunk(left) => {
                // The last two bytes are the end of the line.
                let taken = before.min(*left);
                body = taken.min(left.saturating_sub(2));
                line.buffer.advance(taken);
                *left -= taken;
                if *left == 0 {
                    *rest = Rest::ChunkLine;
                }
            }
            Rest::ChunkLine | Rest::Trailers => {
                let Some(end) = line.buffer.windows(2).position(|two| two == b"\r\n") else { return };
                let text = line.buffer.split_to(end + 2);
                let text = String::from_utf8_lossy(&text[..end]);
                *rest = match rest {
                    Rest::Trailers if text.is_empty() => Rest::Nothing,
                    Rest::Trailers => Rest::Trailers,
                    _ => match usize::from_str_radix(&text, 16) {
                        Ok(0) | Err(_) => Rest::Trailers,
                        Ok(size) => Rest::Chunk(size + 2),
                    },
                };
            }
        }
        let taken = before - line.buffer.len();
        if let Some(request) = line.request() {
            request.wire += taken as u64;
            request.body += body as u64;
        }
        if taken == 0 || matches!(rest, Rest::Bytes(0)) {
            return;
        }
    }
}
