//! Faults of a peer that speaks HTTP/2, frame by frame.

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, OK, SETTINGS, WINDOW_UPDATE, frame, goaway, header,
    rst_stream,
};
use super::{Action, Upload};

/// When the peer plays the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before it has read or written anything.
    Accept,
    /// When it has answered the first request and the client has opened the gate.
    Idle,
    /// When it has the request's head and the first bytes of the body.
    Head,
    /// When it has the whole request.
    Request,
}

/// One thing that the peer does.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Writes frames for the stream of this number.
    Write(fn(u32) -> Vec<u8>),
    /// Waits for the gate.
    Gate,
    /// Opens the gate.
    Open,
    /// Closes the connection.
    Close,
    /// Resets the connection.
    Reset,
}

/// A fault on an open connection.
#[derive(Debug)]
pub struct Fault {
    /// The name in the document.
    pub slug: &'static str,
    /// Distinguishes faults of the same name; usually empty.
    pub variant: &'static str,
    /// When the peer plays the fault.
    pub at: At,
    /// The request's body.
    pub upload: Upload,
    /// What the client does.
    pub action: Action,
    /// The phase and the send state of this variant, where the document allows several because they race.
    pub pinned: Option<(&'static str, &'static str)>,
    /// What the peer does. It then reads on, or has ended the connection.
    pub steps: Vec<Step>,
}

impl Fault {
    /// Whether the fault occurs on a new connection, or on a reused one.
    #[must_use]
    pub fn runs(&self, reused: bool) -> bool {
        match self.at {
            At::Accept => !reused,
            At::Idle => reused,
            At::Head | At::Request => true,
        }
    }

    fn variant(self, variant: &'static str) -> Fault {
        Fault { variant, ..self }
    }

    fn pinned(self, phase: &'static str, send: &'static str) -> Fault {
        Fault { pinned: Some((phase, send)), ..self }
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

/// A whole response.
#[must_use]
pub fn answer(stream: u32) -> Vec<u8> {
    [head(stream), frame(DATA, END_STREAM, stream, b"hello")].concat()
}

fn with_fields(stream: u32, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let block = [OK.to_vec(), fields.iter().flat_map(|(name, value)| header(name, value)).collect()].concat();
    [frame(HEADERS, END_HEADERS, stream, &block), frame(DATA, END_STREAM, stream, body)].concat()
}

fn status(stream: u32, code: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &header(":status", code))
}

/// Slightly more than the 16 KiB of fields that hyper accepts, in one frame: a field counts its length plus 32 bytes.
fn somewhat_long_head(stream: u32) -> Vec<u8> {
    let fields: Vec<u8> = (0..120).flat_map(|_| header("x-field", &"y".repeat(100))).collect();
    frame(HEADERS, END_HEADERS, stream, &[OK, &fields].concat())
}

/// The same in more frames than h2 reads for one head.
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

/// All faults.
#[must_use]
pub fn faults() -> Vec<Fault> {
    use At::{Accept, Head, Idle, Request};
    use Step::{Close, Gate, Open, Reset, Write};
    let fault = |slug, at, action, steps: &[Step]| {
        let upload = if at == Head { Upload::Unfinished } else { Upload::None };
        Fault { slug, variant: "", at, upload, action, pinned: None, steps: steps.to_vec() }
    };
    let none = Action::None;
    vec![
        // The peer never opens its window.
        Fault { upload: Upload::Endless, ..fault("slow-upload", Head, Action::TimeOutAtGate, &[Open]) },
        Fault { upload: Upload::Failing, ..fault("request-body-error", Head, none, &[Open]) },
        fault("settings-flood", Request, Action::TimeOutAtGate, &[Write(many_settings), Open]),
        fault("reset-at-accept", Accept, none, &[Reset]).pinned("acquire", "not_sent"),
        fault("fin-at-accept", Accept, none, &[Close]).pinned("acquire", "not_sent"),
        fault("reset-after-request", Request, none, &[Reset]),
        fault("fin-after-request", Request, none, &[Close]),
        // The GOAWAY includes the request's stream, so it says nothing about the request.
        fault("fin-after-request", Request, none, &[Write(|stream| goaway(stream, 2)), Close])
            .variant("after_goaway"),
        fault("reset-mid-request-body", Head, none, &[Reset]),
        fault("fin-mid-request-body", Head, none, &[Close]),
        fault("reset-mid-head", Request, none, &[Write(|stream| head(stream)[..9].to_vec()), Reset]),
        fault("fin-mid-head", Request, none, &[Write(|stream| head(stream)[..9].to_vec()), Close]),
        fault("reset-mid-body", Request, Action::OpenGateAtHead, &[Write(begun), Gate, Reset]),
        fault("fin-mid-body", Request, Action::OpenGateAtHead, &[Write(begun), Gate, Close]),
        fault("reset-idle-reused", Idle, Action::ShowEndBeforeRequest, &[Reset])
            .variant("end_seen")
            .pinned("acquire", "not_sent"),
        fault("reset-idle-reused", Idle, Action::OpenGateBeforeRequest, &[Reset])
            .variant("end_unseen")
            .pinned("acquire", "not_sent"),
        fault("fin-idle-reused", Idle, Action::ShowEndBeforeRequest, &[Close])
            .variant("end_seen")
            .pinned("acquire", "not_sent"),
        fault("fin-idle-reused", Idle, Action::OpenGateBeforeRequest, &[Close])
            .variant("end_unseen")
            .pinned("acquire", "not_sent"),
        fault("head-too-large", Request, none, &[Write(long_head)]),
        fault("head-too-large", Request, none, &[Write(somewhat_long_head)]).variant("in_one_frame"),
        fault("not-http", Request, none, &[Write(|_| b"no http\r\n\r\n".to_vec())]),
        fault(
            "bad-content-length",
            Request,
            none,
            &[Write(|s| with_fields(s, &[("content-length", "x")], b""))],
        ),
        fault(
            "two-content-lengths",
            Request,
            none,
            &[Write(|s| with_fields(s, &[("content-length", "1"), ("content-length", "2")], b"ab"))],
        ),
        fault(
            "body-longer-than-content-length",
            Request,
            none,
            &[Write(|s| with_fields(s, &[("content-length", "3")], b"abcdef"))],
        ),
        fault("unexpected-1xx", Request, none, &[Write(|s| [status(s, "103"), answer(s)].concat())]),
        fault("unexpected-101", Request, none, &[Write(|s| [status(s, "101"), answer(s)].concat())]),
        fault("early-response", Head, none, &[Write(answer)]),
        fault(
            "early-response-then-reset",
            Head,
            Action::OpenGateAtHead,
            &[Write(begun), Gate, Write(|stream| rst_stream(stream, 8))],
        ),
        fault("goaway-graceful", Request, none, &[Write(|stream| goaway(stream.saturating_sub(2), 0))]),
        fault(
            "goaway-graceful-below-last-stream",
            Request,
            none,
            &[Write(|stream| goaway(stream, 0)), Write(answer)],
        ),
        fault("goaway-error", Request, none, &[Write(|stream| goaway(stream.saturating_sub(2), 2))]),
        fault("refused-stream", Request, none, &[Write(|stream| rst_stream(stream, 7))])
            .pinned("wait", "not_processed"),
        fault("rst-mid-request-body", Head, none, &[Write(|stream| rst_stream(stream, 8))]),
        fault("rst-after-request", Request, none, &[Write(|stream| rst_stream(stream, 8))]),
        fault(
            "rst-mid-body",
            Request,
            Action::OpenGateAtHead,
            &[Write(begun), Gate, Write(|s| rst_stream(s, 2))],
        ),
        fault(
            "rst-no-error-mid-body",
            Request,
            Action::OpenGateAtHead,
            &[Write(begun), Gate, Write(|s| rst_stream(s, 0))],
        ),
        fault(
            "flow-control-violation",
            Request,
            Action::OpenGateAtHead,
            &[Write(begun), Gate, Write(|_| frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]))],
        ),
        fault("no-answer", Request, Action::TimeOutAtGate, &[Open]),
        fault("slow-head", Request, Action::TimeOutAtGate, &[Write(|s| head(s)[..9].to_vec()), Open]),
        fault("slow-body", Request, Action::TimeOutAtHead, &[Write(begun)]),
        fault("cancelled-in-send", Head, Action::CancelAtGate, &[Open]),
        fault("cancelled-in-wait", Request, Action::CancelAtGate, &[Open]),
        fault("cancelled-in-body", Request, Action::CancelAtHead, &[Write(begun)]),
    ]
}
