//! Reads the heads of HTTP/2 frames as they pass: which streams are open, and whether the peer goes away.

/// Length of a frame's head (RFC 9113, section 4.1).
const HEAD: usize = 9;
/// Length of the client's connection preface (RFC 9113, section 3.4).
const PREFACE: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a frame did to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A request's head was sent.
    Opened,
    /// A response ended, or a stream was reset by either side.
    Closed,
    /// The peer sent GOAWAY.
    GoAway,
}

/// The open streams of a connection, from its bytes in both directions.
#[derive(Debug)]
pub(super) struct Streams {
    sent: Walk,
    received: Walk,
    last_opened: u32,
    open: Vec<u32>,
    /// The peer is amid a header block, which no other frame may part (RFC 9113, section 4.3).
    in_block: bool,
    /// The peer has sent GOAWAY.
    goes_away: bool,
}

impl Streams {
    pub(super) fn new() -> Self {
        let sent = Walk { payload_left: PREFACE, ..Walk::default() };
        Self {
            sent,
            received: Walk::default(),
            last_opened: 0,
            open: Vec::new(),
            in_block: false,
            goes_away: false,
        }
    }

    /// How many requests have no whole answer yet.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// The last stream that a request was sent on; 0 before the first.
    pub(super) fn last_opened(&self) -> u32 {
        self.last_opened
    }

    /// Whether the peer has sent GOAWAY.
    pub(super) fn peer_goes_away(&self) -> bool {
        self.goes_away
    }

    /// Whether another frame could come here from the peer.
    pub(super) fn is_between_frames(&self) -> bool {
        self.received.filled == 0 && self.received.payload_left == 0 && !self.in_block
    }

    pub(super) fn sent(&mut self, bytes: &[u8], mut tell: impl FnMut(Change)) {
        let Self { sent, last_opened, open, .. } = self;
        sent.walk(bytes, |frame| match frame.kind {
            // Trailers are HEADERS too, on a stream that is open.
            HEADERS if frame.stream > *last_opened => {
                *last_opened = frame.stream;
                open.push(frame.stream);
                tell(Change::Opened);
            }
            RST_STREAM if close(open, frame.stream) => tell(Change::Closed),
            _ => {}
        });
    }

    pub(super) fn received(&mut self, bytes: &[u8], mut tell: impl FnMut(Change)) {
        let Self { received, open, in_block, goes_away, .. } = self;
        received.walk(bytes, |frame| {
            if matches!(frame.kind, HEADERS | PUSH_PROMISE | CONTINUATION) {
                *in_block = frame.flags & END_HEADERS == 0;
            }
            let ends = match frame.kind {
                DATA | HEADERS => frame.flags & END_STREAM != 0,
                RST_STREAM => true,
                _ => false,
            };
            if ends && close(open, frame.stream) {
                tell(Change::Closed);
            }
            if frame.kind == GOAWAY {
                *goes_away = true;
                tell(Change::GoAway);
            }
        });
    }
}

fn close(open: &mut Vec<u32>, stream: u32) -> bool {
    let at = open.iter().position(|id| *id == stream);
    at.map(|at| open.swap_remove(at)).is_some()
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
}

/// Goes from frame head to frame head, in whatever pieces the bytes come.
#[derive(Debug, Default)]
struct Walk {
    head: [u8; HEAD],
    filled: usize,
    payload_left: usize,
}

impl Walk {
    fn walk(&mut self, mut bytes: &[u8], mut see: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let skipped = self.payload_left.min(bytes.len());
            self.payload_left -= skipped;
            bytes = &bytes[skipped..];

            let taken = (HEAD - self.filled).min(bytes.len());
            self.head[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled == HEAD {
                let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = self.head;
                self.payload_left = u32::from_be_bytes([0, l0, l1, l2]) as usize;
                self.filled = 0;
                let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
                see(Frame { kind, flags, stream });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![0, (payload >> 8) as u8, payload as u8, kind, flags, 0, 0, 0, stream];
        // A payload that looks like the head of a GOAWAY.
        frame.resize(HEAD + payload, GOAWAY);
        frame
    }

    fn changes(bytes: &[u8], piece: usize, sent: &[u8]) -> (Vec<Change>, usize) {
        let mut streams = Streams::new();
        let mut seen = Vec::new();
        streams.sent(&[b' '; PREFACE], |_| panic!("the preface is no frame"));
        for chunk in sent.chunks(piece) {
            streams.sent(chunk, |change| seen.push(change));
        }
        for chunk in bytes.chunks(piece) {
            streams.received(chunk, |change| seen.push(change));
        }
        (seen, streams.open())
    }

    #[test]
    fn streams_open_with_the_request_and_close_with_the_answer_wherever_the_bytes_are_cut() {
        let sent = [
            frame(4, 0, 0, 6),
            frame(HEADERS, 4, 1, 20),
            frame(DATA, 0, 1, 300),
            frame(HEADERS, 5, 1, 3),
            frame(HEADERS, 5, 3, 9),
            frame(HEADERS, 5, 5, 9),
            frame(RST_STREAM, 0, 5, 4),
        ]
        .concat();
        let received = [
            frame(HEADERS, 4, 1, 40),
            frame(DATA, 0, 1, 400),
            frame(HEADERS, 5, 3, 7),
            frame(DATA, 1, 1, 0),
            frame(RST_STREAM, 0, 1, 4),
        ]
        .concat();
        for piece in 1..=received.len() {
            use Change::{Closed, Opened};
            let (seen, open) = changes(&received, piece, &sent);
            assert_eq!(seen, [Opened, Opened, Opened, Closed, Closed, Closed], "in pieces of {piece}");
            assert_eq!(open, 0);
        }
    }

    #[test]
    fn another_frame_may_come_before_and_after_a_frame_and_a_header_block_and_nowhere_within() {
        let block =
            [frame(HEADERS, 0, 1, 20), frame(CONTINUATION, 0, 1, 5), frame(CONTINUATION, 4, 1, 0)].concat();
        for (bytes, boundaries) in [
            (frame(4, 0, 0, 6), vec![0, 15]),
            ([frame(DATA, 0, 1, 3), frame(6, 0, 0, 8)].concat(), vec![0, 12, 29]),
            ([frame(HEADERS, 4, 1, 1), frame(DATA, 0, 1, 0)].concat(), vec![0, 10, 19]),
            (block, vec![0, 52]),
        ] {
            let mut streams = Streams::new();
            let mut seen = Vec::new();
            for at in 0..=bytes.len() {
                if streams.is_between_frames() {
                    seen.push(at);
                }
                streams.received(&bytes[at..bytes.len().min(at + 1)], |_| {});
            }
            assert_eq!(seen, boundaries);
        }
    }

    #[test]
    fn a_goaway_is_told_once_and_payloads_that_look_like_one_are_none() {
        let received = [frame(4, 0, 0, 6), frame(DATA, 0, 1, 300), frame(GOAWAY, 0, 0, 8)].concat();
        for piece in 1..=received.len() {
            assert_eq!(changes(&received, piece, &[]).0, [Change::GoAway], "in pieces of {piece}");
        }
    }
}
