//! Faults of a peer that speaks HTTP/2, frame by frame.

use crate::cell::{Cut, Upload};
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, OK, SETTINGS, WINDOW_UPDATE, frame, goaway, header,
    rst_stream,
};

/// When the peer does harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// Before it has read or written anything.
    Accept,
    /// When it has answered the first request, and the test opens the gate.
    Idle,
    /// When it has the request's head, and of an upload its first bytes.
    Head,
    /// When it has all of the request.
    Request,
}

/// What the peer does then; a number is the stream's.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    Write(fn(u32) -> Vec<u8>),
    Gate,
    Open,
    Close,
    Reset,
}

pub(crate) struct Fault {
    pub(crate) slug: &'static str,
    pub(crate) at: At,
    pub(crate) upload: Upload,
    pub(crate) cut: Cut,
    pub(crate) steps: Vec<Step>,
}

impl Fault {
    pub(crate) fn runs(&self, reused: bool) -> bool {
        match self.at {
            At::Accept => !reused,
            At::Idle => reused,
            At::Head | At::Request => true,
        }
    }
}

fn head(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, OK)
}

fn data(stream: u32) -> Vec<u8> {
    frame(DATA, 0, stream, b"abc")
}

fn begun(stream: u32) -> Vec<u8> {
    [head(stream), data(stream)].concat()
}

/// A head and a body, whole.
pub(crate) fn answer(stream: u32) -> Vec<u8> {
    [head(stream), frame(DATA, END_STREAM, stream, b"hello")].concat()
}

fn with_fields(stream: u32, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let block = [OK.to_vec(), fields.iter().flat_map(|(name, value)| header(name, value)).collect()].concat();
    [frame(HEADERS, END_HEADERS, stream, &block), frame(DATA, END_STREAM, stream, body)].concat()
}

fn status(stream: u32, code: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &header(":status", code))
}

/// A little more than the 16 KiB of fields that hyper takes, in one frame: a field counts 32 bytes more than it has.
fn somewhat_long_head(stream: u32) -> Vec<u8> {
    let fields: Vec<u8> = (0..120).flat_map(|_| header("x-field", &"y".repeat(100))).collect();
    frame(HEADERS, END_HEADERS, stream, &[OK, &fields].concat())
}

/// The same in more frames than h2 reads for it.
fn long_head(stream: u32) -> Vec<u8> {
    let value = "y".repeat(100);
    let fields: Vec<u8> = (0..9).flat_map(|_| header("x-field", &value)).collect();
    let more = (0..20).flat_map(|_| frame(CONTINUATION, 0, stream, &fields));
    let head = frame(HEADERS, 0, stream, OK).into_iter().chain(more);
    head.chain(frame(CONTINUATION, END_HEADERS, stream, &[])).collect()
}

fn many_settings(_: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[]).repeat(10_000)
}

pub(crate) fn faults() -> Vec<Fault> {
    use At::{Accept, Head, Idle, Request};
    use Step::{Close, Gate, Open, Reset, Write};
    let fault = |slug, at, cut, steps: &[Step]| {
        let upload = if at == Head { Upload::Unfinished } else { Upload::None };
        Fault { slug, at, upload, cut, steps: steps.to_vec() }
    };
    let never = Cut::Never;
    vec![
        // The window of the peer is never opened.
        Fault { upload: Upload::Endless, ..fault("slow-upload", Head, Cut::PauseAtGate, &[Open]) },
        Fault { upload: Upload::Failing, ..fault("request-body-error", Head, never, &[Open]) },
        fault("settings-flood", Request, Cut::PauseAtGate, &[Write(many_settings), Open]),
        fault("reset-at-accept", Accept, never, &[Reset]),
        fault("fin-at-accept", Accept, never, &[Close]),
        fault("reset-after-request", Request, never, &[Reset]),
        fault("fin-after-request", Request, never, &[Close]),
        // The last stream that counts is its own: that says nothing of it.
        fault("fin-after-request", Request, never, &[Write(|stream| goaway(stream, 2)), Close]),
        fault("reset-mid-request-body", Head, never, &[Reset]),
        fault("fin-mid-request-body", Head, never, &[Close]),
        fault("reset-mid-head", Request, never, &[Write(|stream| head(stream)[..9].to_vec()), Reset]),
        fault("fin-mid-head", Request, never, &[Write(|stream| head(stream)[..9].to_vec()), Close]),
        fault("reset-mid-body", Request, Cut::GateAfterHead, &[Write(begun), Gate, Reset]),
        fault("fin-mid-body", Request, Cut::GateAfterHead, &[Write(begun), Gate, Close]),
        fault("reset-idle-reused", Idle, Cut::GateBeforeRequest, &[Reset]),
        fault("fin-idle-reused", Idle, Cut::GateBeforeRequest, &[Close]),
        fault("head-too-large", Request, never, &[Write(long_head)]),
        fault("head-too-large", Request, never, &[Write(somewhat_long_head)]),
        fault("not-http", Request, never, &[Write(|_| b"no http\r\n\r\n".to_vec())]),
        fault(
            "bad-content-length",
            Request,
            never,
            &[Write(|s| with_fields(s, &[("content-length", "x")], b""))],
        ),
        fault(
            "two-content-lengths",
            Request,
            never,
            &[Write(|s| with_fields(s, &[("content-length", "1"), ("content-length", "2")], b"ab"))],
        ),
        fault(
            "body-longer-than-content-length",
            Request,
            never,
            &[Write(|s| with_fields(s, &[("content-length", "3")], b"abcdef"))],
        ),
        fault("unexpected-1xx", Request, never, &[Write(|s| [status(s, "103"), answer(s)].concat())]),
        fault("unexpected-101", Request, never, &[Write(|s| [status(s, "101"), answer(s)].concat())]),
        fault("early-response", Head, never, &[Write(answer)]),
        fault(
            "early-response-then-reset",
            Head,
            Cut::GateAfterHead,
            &[Write(begun), Gate, Write(|stream| rst_stream(stream, 8))],
        ),
        fault("goaway-graceful", Request, never, &[Write(|stream| goaway(stream.saturating_sub(2), 0))]),
        fault(
            "goaway-graceful-below-last-stream",
            Request,
            never,
            &[Write(|stream| goaway(stream, 0)), Write(answer)],
        ),
        fault("goaway-error", Request, never, &[Write(|stream| goaway(stream.saturating_sub(2), 2))]),
        fault("refused-stream", Request, never, &[Write(|stream| rst_stream(stream, 7))]),
        fault("rst-mid-request-body", Head, never, &[Write(|stream| rst_stream(stream, 8))]),
        fault("rst-after-request", Request, never, &[Write(|stream| rst_stream(stream, 8))]),
        fault(
            "rst-mid-body",
            Request,
            Cut::GateAfterHead,
            &[Write(begun), Gate, Write(|s| rst_stream(s, 2))],
        ),
        fault(
            "rst-no-error-mid-body",
            Request,
            Cut::GateAfterHead,
            &[Write(begun), Gate, Write(|s| rst_stream(s, 0))],
        ),
        fault(
            "flow-control-violation",
            Request,
            Cut::GateAfterHead,
            &[Write(begun), Gate, Write(|_| frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]))],
        ),
        fault("no-answer", Request, Cut::PauseAtGate, &[Open]),
        fault("slow-head", Request, Cut::PauseAtGate, &[Write(|s| head(s)[..9].to_vec()), Open]),
        fault("slow-body", Request, Cut::PauseAfterHead, &[Write(begun)]),
        fault("cancelled-in-send", Head, Cut::CancelAtGate, &[Open]),
        fault("cancelled-in-wait", Request, Cut::CancelAtGate, &[Open]),
        fault("cancelled-in-body", Request, Cut::CancelAfterHead, &[Write(begun)]),
    ]
}
