//! The peer's HTTP/2, frame by frame.

use std::collections::HashMap;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::hpack::never_indexed;
use super::line::{Line, Over};
use super::{PATIENCE, Shared};
use crate::faults::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, HEADERS, OK, PING, SETTINGS, WINDOW_UPDATE, frame, goaway, header,
    rst_stream,
};
use crate::witness::fault::Fault;
use crate::witness::log::{Goodbye, PeerAnswer, PeerRequest, Refusal};
use crate::witness::plan::Step;
use crate::witness::tag::Tag;

const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
/// The flag PRIORITY of HEADERS.
const PRIORITY: u8 = 0x20;
/// SETTINGS_MAX_CONCURRENT_STREAMS is left at no limit; the window of a stream is the default.
const WINDOW: usize = 65_535;

const CANCEL: u32 = 8;
const REFUSED_STREAM: u32 = 7;
const INTERNAL_ERROR: u32 = 2;

/// A stream under way.
struct Stream {
    /// Its place in the log.
    request: usize,
    step: Step,
    /// The fault or the answer was played.
    played: bool,
}

/// What the peer has to do later.
struct Due {
    at: Instant,
    stream: u32,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Answer,
    AnswerAfterInterim,
    Close,
    Reset,
}

struct Serving<'a, I> {
    line: &'a mut Line<I>,
    shared: &'a Shared,
    streams: HashMap<u32, Stream>,
    due: Vec<Due>,
    highest: u32,
    /// When the first GOAWAY was written.
    goaway_at: Option<Instant>,
}

/// Serves the connection to its end.
pub(super) async fn serve<I: AsyncRead + AsyncWrite + Unpin>(line: &mut Line<I>, shared: &Shared) {
    let mut serving =
        Serving { line, shared, streams: HashMap::new(), due: Vec::new(), highest: 0, goaway_at: None };
    let Ok(()) = serving.preface().await else { return };
    while let Ok(()) = serving.turn().await {}
}

impl<I: AsyncRead + AsyncWrite + Unpin> Serving<'_, I> {
    async fn preface(&mut self) -> Result<(), Over> {
        while self.line.buffer.len() < PREFACE {
            self.line.fill().await?;
        }
        self.line.buffer.advance(PREFACE);
        self.line.write(&frame(SETTINGS, 0, 0, &[])).await
    }

    /// Handles the frames that were read, then waits for more or for what is due.
    async fn turn(&mut self) -> Result<(), Over> {
        while let Some((kind, flags, stream, payload)) = self.frame() {
            self.handle(kind, flags, stream, payload).await?;
        }
        let next = self.due.iter().map(|due| due.at).min();
        let patience = Instant::now() + PATIENCE;
        tokio::select! {
            read = self.line.fill() => read?,
            () = sleep_until(next.unwrap_or(patience)), if next.is_some() => {}
        }
        let now = Instant::now();
        while let Some(at) = self.due.iter().position(|due| due.at <= now) {
            let Due { stream, what, .. } = self.due.swap_remove(at);
            match what {
                // Nothing is said after the close.
                _ if self.line.closed => {}
                What::Answer => self.answer(stream).await?,
                What::AnswerAfterInterim => self.finals(stream).await?,
                What::Close => self.line.close().await,
                What::Reset => return self.line.reset(),
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> Option<(u8, u8, u32, Bytes)> {
        let buffer = &mut self.line.buffer;
        let head: [u8; FRAME_HEAD] = buffer.get(..FRAME_HEAD)?.try_into().ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        if buffer.len() < FRAME_HEAD + length {
            return None;
        }
        buffer.advance(FRAME_HEAD);
        let payload = buffer.split_to(length).freeze();
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some((head[3], head[4], stream, payload))
    }

    async fn handle(&mut self, kind: u8, flags: u8, stream: u32, payload: Bytes) -> Result<(), Over> {
        match kind {
            SETTINGS if flags & ACK == 0 => self.line.write(&frame(SETTINGS, ACK, 0, &[])).await,
            PING if flags & ACK == 0 => self.line.write(&frame(PING, ACK, 0, &payload)).await,
            HEADERS => {
                if let Some(known) = self.streams.get(&stream) {
                    // Trailers.
                    let request = &mut self.line.connection.requests[known.request];
                    request.wire += (FRAME_HEAD + payload.len()) as u64;
                } else {
                    self.begin(flags, stream, &payload)?;
                }
                self.progress(stream, flags).await
            }
            DATA => {
                self.data(stream, &payload).await?;
                self.progress(stream, flags).await
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, flags: u8, stream: u32, payload: &Bytes) -> Result<(), Over> {
        let block = if flags & PRIORITY == 0 { payload.clone() } else { payload.slice(5..) };
        let tag = never_indexed(&block).and_then(|text| Tag::parse(&text));
        let Some(Tag { step, attempt }) = tag else { return Err(Over) };
        let excluded = match self.line.connection.goodbye {
            Some(Goodbye::GoAway(last)) => stream > last,
            _ => false,
        };
        self.highest = self.highest.max(stream);
        let now = Instant::now();
        let mut planned = match excluded || self.line.closed {
            // Its fault is left for the attempt that is served.
            true => self.shared.scene.steps.get(step).cloned(),
            false => self.shared.step(step),
        };
        let Some(planned) = planned.take() else { return Err(Over) };
        let request = self.line.connection.requests.len();
        self.line.connection.requests.push(PeerRequest {
            attempt,
            step,
            number: stream,
            first_read: now,
            last_read: now,
            wire: (FRAME_HEAD + payload.len()) as u64,
            body: 0,
            whole: false,
            answer: None,
            refusal: excluded.then_some(Refusal::Excluded),
            refused_at: self.goaway_at.filter(|_| excluded),
        });
        self.streams.insert(stream, Stream { request, step: planned, played: excluded });
        Ok(())
    }

    async fn data(&mut self, stream: u32, payload: &Bytes) -> Result<(), Over> {
        let mut returned = payload.len();
        if let Some(known) = self.streams.get(&stream) {
            let request = &mut self.line.connection.requests[known.request];
            request.wire += (FRAME_HEAD + payload.len()) as u64;
            request.body += payload.len() as u64;
            request.last_read = Instant::now();
            if known.step.fault == Fault::StalledUpload && request.body as usize >= WINDOW / 2 {
                returned = 0;
            }
        }
        if payload.is_empty() {
            return Ok(());
        }
        let size = (payload.len() as u32).to_be_bytes();
        let mut frames = frame(WINDOW_UPDATE, 0, 0, &size);
        if returned > 0 {
            frames.extend(frame(WINDOW_UPDATE, 0, stream, &size));
        }
        self.line.write(&frames).await
    }

    /// Plays the fault of a stream when its time has come, or answers.
    async fn progress(&mut self, stream: u32, flags: u8) -> Result<(), Over> {
        let Some(known) = self.streams.get_mut(&stream) else { return Ok(()) };
        let request = &mut self.line.connection.requests[known.request];
        request.last_read = Instant::now();
        request.whole |= flags & END_STREAM != 0;
        let enough = request.body >= known.step.read as u64 && request.body > 0;
        let now = if known.step.fault.needs_upload() { enough } else { request.whole };
        if known.played || self.line.closed || !now {
            return Ok(());
        }
        known.played = true;
        use Fault::{
            CloseMidUpload, GoAwayClose, GoAwayExcluding, Refused, ResetMidUpload, StalledUpload,
            StreamReset, StreamResetMidUpload, Unanswered,
        };
        match known.step.fault {
            Unanswered | StalledUpload => Ok(()),
            CloseMidUpload => {
                self.line.close().await;
                Ok(())
            }
            ResetMidUpload => self.line.reset(),
            Refused => self.refuse(stream, Refusal::Refused, REFUSED_STREAM).await,
            StreamReset | StreamResetMidUpload => self.refuse(stream, Refusal::Reset, CANCEL).await,
            GoAwayExcluding | GoAwayClose => {
                let closes = known.step.fault == GoAwayClose;
                let answered = self.line.connection.requests.iter().filter(|one| one.answer.is_some());
                match answered.map(|one| one.number).max() {
                    // A GOAWAY that excludes what was answered already would be false.
                    Some(later) if later > stream => {
                        self.refuse(stream, Refusal::Refused, REFUSED_STREAM).await?;
                        self.exclude(later).await?;
                    }
                    _ => self.exclude(stream.saturating_sub(2)).await?,
                }
                if closes {
                    self.line.close().await;
                }
                Ok(())
            }
            _ => {
                let at = Instant::now() + known.step.delay;
                self.due.push(Due { at, stream, what: What::Answer });
                Ok(())
            }
        }
    }

    async fn refuse(&mut self, stream: u32, refusal: Refusal, code: u32) -> Result<(), Over> {
        if let Some(known) = self.streams.get(&stream) {
            let request = &mut self.line.connection.requests[known.request];
            (request.refusal, request.refused_at) = (Some(refusal), Some(Instant::now()));
        }
        self.line.write(&rst_stream(stream, code)).await
    }

    /// GOAWAY with this last stream; what is above it gets no answer.
    async fn exclude(&mut self, last: u32) -> Result<(), Over> {
        let last = match self.line.connection.goodbye {
            Some(Goodbye::GoAway(before)) => before.min(last),
            _ => last,
        };
        self.line.connection.goodbye = Some(Goodbye::GoAway(last));
        let at = *self.goaway_at.get_or_insert_with(Instant::now);
        for (id, stream) in &mut self.streams {
            let request = &mut self.line.connection.requests[stream.request];
            if *id > last && request.answer.is_none() {
                stream.played = true;
                request.refusal.get_or_insert(Refusal::Excluded);
                request.refused_at.get_or_insert(at);
            }
        }
        self.due.retain(|due| due.stream <= last);
        self.line.write(&goaway(last, 0)).await
    }

    /// Answers, or begins to.
    async fn answer(&mut self, stream: u32) -> Result<(), Over> {
        let Some(known) = self.streams.get(&stream) else { return Ok(()) };
        let fault = known.step.fault;
        let delay = known.step.delay;
        match fault {
            Fault::CloseUnanswered => {
                self.line.close().await;
                Ok(())
            }
            Fault::ResetUnanswered => self.line.reset(),
            Fault::InterimApart => {
                self.line.write(&interim(stream)).await?;
                self.due.push(Due { at: Instant::now() + delay, stream, what: What::AnswerAfterInterim });
                Ok(())
            }
            Fault::NotHttp => {
                self.line.connection.garbage = true;
                // DATA on a stream that is idle.
                self.line.write(&frame(DATA, END_STREAM, self.highest + 1_000, b"x")).await
            }
            _ => self.finals(stream).await,
        }
    }

    /// The head and the body of an answer.
    async fn finals(&mut self, stream: u32) -> Result<(), Over> {
        let Some(known) = self.streams.get(&stream) else { return Ok(()) };
        let Step { fault, answer, .. } = known.step;
        let half = matches!(
            fault,
            Fault::CloseMidBody | Fault::ResetMidBody | Fault::StalledBody | Fault::StreamResetMidBody
        );
        let length = if half { answer / 2 } else { answer };
        let mut bytes = if fault == Fault::Interim { interim(stream) } else { Vec::new() };
        let ends_at_head = length == 0 && !half;
        let flags = if ends_at_head { END_HEADERS | END_STREAM } else { END_HEADERS };
        bytes.extend(frame(HEADERS, flags, stream, OK));
        if !ends_at_head {
            let body = vec![b'a'; length];
            bytes.extend(frame(DATA, if half { 0 } else { END_STREAM }, stream, &body));
        }
        let request = &mut self.line.connection.requests[known.request];
        let (at, after_whole) = (Instant::now(), request.whole);
        request.answer = Some(PeerAnswer { at, after_whole, head: true, body: length as u64, whole: !half });
        self.line.write(&bytes).await?;

        let at = Instant::now() + self.shared.scene.idle(self.line.connection.number);
        match fault {
            Fault::Goodbye => self.exclude(self.highest).await?,
            Fault::CloseAfter | Fault::CloseMidBody => self.due.push(Due { at, stream, what: What::Close }),
            Fault::ResetAfter | Fault::ResetMidBody => self.due.push(Due { at, stream, what: What::Reset }),
            Fault::StreamResetMidBody => self.refuse(stream, Refusal::Reset, INTERNAL_ERROR).await?,
            _ => {}
        }
        Ok(())
    }
}

fn interim(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &header(":status", "103"))
}
