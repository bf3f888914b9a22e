//! Reads the headers of HTTP/2 frames as they pass: which streams are open, and whether the peer sent GOAWAY.

use crate::record::next_sequence;

/// Length of a frame header (RFC 9113, section 4.1).
const HEAD: usize = 9;
/// Length of the last stream's id and of the error code in a GOAWAY (RFC 9113, section 6.8).
const GOAWAY_FIELDS: usize = 8;
/// For how many of the newest streams the time of opening is kept.
const RECENT: usize = 64;
/// Length of the client's connection preface (RFC 9113, section 3.4).
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// The error code of a GOAWAY without an error (RFC 9113, section 7).
const NO_ERROR: u32 = 0;

/// What a frame changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamChange {
    /// A request's head was sent. `upload`: a body follows.
    Opened { stream: u32, sequence: u64, upload: bool },
    /// The end of a request with a body was sent, or a stream was reset by either side.
    Uploaded { stream: u32 },
    /// A response ended.
    Answered { stream: u32 },
    /// A response ended, or a stream was reset by either side, for the first time.
    Closed,
    /// The peer sent GOAWAY. `after`: when the last stream that it includes was opened, if that is known.
    GoAway { last: u32, after: Option<u64> },
    /// This side sent GOAWAY with this error code.
    GaveUp { code: u32 },
    /// A GOAWAY leaves out requests that the client accepted after this sequence number.
    Excluded { after: u64 },
}

/// The open streams of a connection, from its bytes in both directions.
#[derive(Debug)]
pub(crate) struct Streams {
    sent: Walk,
    received: Walk,
    last_opened: u32,
    recent: Recent,
    open: Vec<u32>,
    /// The peer is sending a header block, which no other frame may interrupt (RFC 9113, section 4.3).
    in_block: bool,
    /// The last stream that the peer's GOAWAY includes.
    goaway: Option<u32>,
    /// This side sent GOAWAY.
    sent_goaway: bool,
    /// The number of this side's PINGs without an answer.
    pings: u32,
}

impl Streams {
    pub(crate) fn new() -> Self {
        let sent = Walk { payload_left: PREFACE, ..Walk::default() };
        Self {
            sent,
            received: Walk::default(),
            last_opened: 0,
            recent: Recent::default(),
            open: Vec::new(),
            in_block: false,
            goaway: None,
            sent_goaway: false,
            pings: 0,
        }
    }

    /// The number of requests without a complete response.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// The last stream that a request was sent on; 0 before the first.
    pub(crate) fn last_opened(&self) -> u32 {
        self.last_opened
    }

    /// The sequence number at which a stream was opened, if it is known; 0 for stream 0.
    pub(crate) fn sequence_of(&self, stream: u32) -> Option<u64> {
        self.recent.sequence_of(stream)
    }

    /// Whether the preface was written, and no frame has begun yet after it.
    pub(crate) fn has_sent_preface(&self) -> bool {
        self.sent.filled == 0 && self.sent.payload_left == 0
    }

    /// Whether the peer has sent GOAWAY.
    pub(crate) fn peer_goes_away(&self) -> bool {
        self.goaway.is_some()
    }

    /// Whether a PING of this side has no answer, and this side has not said GOAWAY: a client that closes now gives the peer
    /// up as silent.
    pub(crate) fn awaits_ping(&self) -> bool {
        self.pings > 0 && !self.sent_goaway
    }

    /// Whether these bytes, if written next, open a stream.
    pub(crate) fn would_open<'a>(&self, mut bufs: impl Iterator<Item = &'a [u8]>) -> bool {
        let mut sent = self.sent.clone();
        bufs.any(|bytes| {
            let mut opens = false;
            sent.walk(bytes, |frame| opens |= frame.kind == HEADERS && frame.stream > self.last_opened);
            opens
        })
    }

    /// The error code of a GOAWAY in these bytes, which could not be written.
    pub(crate) fn would_give_up<'a>(&self, bufs: impl Iterator<Item = &'a [u8]>) -> Option<u32> {
        let (mut sent, mut code) = (self.sent.clone(), None);
        for bytes in bufs {
            sent.walk(bytes, |frame| {
                if frame.kind == GOAWAY && frame.code != NO_ERROR {
                    code.get_or_insert(frame.code);
                }
            });
        }
        code
    }

    /// Whether the received bytes end between two frames, where a frame can be injected.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.received.filled == 0 && self.received.payload_left == 0 && !self.in_block
    }

    /// Whether the sent bytes end between two frames.
    pub(crate) fn sends_between_frames(&self) -> bool {
        self.sent.filled == 0 && self.sent.payload_left == 0
    }

    pub(crate) fn sent(&mut self, bytes: &[u8], mut on_change: impl FnMut(StreamChange)) {
        let Self { sent, last_opened, recent, open, goaway, sent_goaway, pings, .. } = self;
        sent.walk(bytes, |frame| match frame.kind {
            // Trailers are HEADERS on an open stream.
            HEADERS if frame.stream > *last_opened => {
                *last_opened = frame.stream;
                let sequence = next_sequence();
                recent.push(frame.stream, sequence);
                open.push(frame.stream);
                let upload = frame.flags & END_STREAM == 0;
                on_change(StreamChange::Opened { stream: frame.stream, sequence, upload });
                if goaway.is_some_and(|last| last < frame.stream) {
                    on_change(StreamChange::Excluded { after: 0 });
                }
            }
            DATA | HEADERS if frame.flags & END_STREAM != 0 => {
                on_change(StreamChange::Uploaded { stream: frame.stream });
            }
            RST_STREAM => {
                on_change(StreamChange::Uploaded { stream: frame.stream });
                if close(open, frame.stream) {
                    on_change(StreamChange::Closed);
                }
            }
            PING if frame.flags & ACK == 0 => *pings += 1,
            GOAWAY => {
                *sent_goaway = true;
                if frame.code != NO_ERROR {
                    on_change(StreamChange::GaveUp { code: frame.code });
                }
            }
            _ => {}
        });
    }

    pub(crate) fn received(&mut self, bytes: &[u8], mut on_change: impl FnMut(StreamChange)) {
        let Self { received, last_opened, recent, open, in_block, goaway, pings, .. } = self;
        received.walk(bytes, |frame| {
            if matches!(frame.kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
                *in_block = frame.flags & END_HEADERS == 0;
            }
            let ends = match frame.kind {
                DATA | HEADERS if frame.flags & END_STREAM != 0 => {
                    Some(StreamChange::Answered { stream: frame.stream })
                }
                RST_STREAM => Some(StreamChange::Uploaded { stream: frame.stream }),
                _ => None,
            };
            if let Some(end) = ends {
                on_change(end);
                if close(open, frame.stream) {
                    on_change(StreamChange::Closed);
                }
            }
            if frame.kind == PING && frame.flags & ACK != 0 {
                *pings = pings.saturating_sub(1);
            }
            if frame.kind == GOAWAY {
                let last = frame.last_stream;
                *goaway = Some(last);
                on_change(StreamChange::GoAway { last, after: recent.sequence_of(last) });
                // hyper returns the error also to the last stream if the GOAWAY includes it. If a later stream was sent,
                // every stream with the error is left out.
                let after = if last < *last_opened { Some(0) } else { recent.sequence_of(last) };
                if let Some(after) = after {
                    on_change(StreamChange::Excluded { after });
                }
            }
        });
    }
}

fn close(open: &mut Vec<u32>, stream: u32) -> bool {
    let at = open.iter().position(|id| *id == stream);
    at.map(|at| open.swap_remove(at)).is_some()
}

/// The newest streams, and when they were opened.
#[derive(Debug)]
struct Recent {
    opened: [(u32, u64); RECENT],
    next: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { opened: [(0, 0); RECENT], next: 0 }
    }
}

impl Recent {
    fn push(&mut self, stream: u32, order: u64) {
        self.opened[self.next] = (stream, order);
        self.next = (self.next + 1) % RECENT;
    }

    fn sequence_of(&self, stream: u32) -> Option<u64> {
        if stream == 0 {
            return Some(0);
        }
        self.opened.iter().find(|(opened, _)| *opened == stream).map(|(_, order)| *order)
    }
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    /// In a GOAWAY, the last stream that its sender processes.
    last_stream: u32,
    /// In a GOAWAY, the error code.
    code: u32,
}

/// Walks from frame header to frame header, whatever pieces the bytes come in.
#[derive(Clone, Debug, Default)]
struct Walk {
    /// The frame header, and the fields of a GOAWAY.
    head: [u8; HEAD + GOAWAY_FIELDS],
    filled: usize,
    payload_left: usize,
}

impl Walk {
    fn length(&self) -> usize {
        let [l0, l1, l2, ..] = self.head;
        u32::from_be_bytes([0, l0, l1, l2]) as usize
    }

    /// How many bytes of the current frame are needed.
    fn wanted(&self) -> usize {
        let goaway = self.filled >= HEAD && self.head[3] == GOAWAY && self.length() >= GOAWAY_FIELDS;
        if goaway { HEAD + GOAWAY_FIELDS } else { HEAD }
    }

    fn walk(&mut self, mut bytes: &[u8], mut on_frame: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let skipped = self.payload_left.min(bytes.len());
            self.payload_left -= skipped;
            bytes = &bytes[skipped..];

            let taken = (self.wanted() - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            let wanted = self.wanted();
            if self.filled == wanted {
                let [_, _, _, kind, flags, s0, s1, s2, s3, n0, n1, n2, n3, code @ ..] = self.head;
                self.payload_left = self.length().saturating_sub(wanted - HEAD);
                self.filled = 0;
                let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
                let last_stream = u32::from_be_bytes([n0 & 0x7f, n1, n2, n3]);
                let code = u32::from_be_bytes(code);
                on_frame(Frame { kind, flags, stream, last_stream, code });
            }
        }
    }
}

#[cfg(test)]
mod tests;
