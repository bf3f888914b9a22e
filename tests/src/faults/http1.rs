//! Faults of a peer that is expected to speak HTTP/1.

use bytes::Bytes;

use super::{Action, Upload};
use crate::gate::Gate;
use crate::server::Script;

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
/// A response with a body.
pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A fault on an open connection.
#[derive(Debug)]
pub struct Fault {
    /// The name in the document.
    pub slug: &'static str,
    /// Distinguishes faults of the same name; usually empty.
    pub variant: &'static str,
    /// The request's body.
    pub upload: Upload,
    /// What the client does.
    pub action: Action,
    /// The phase and the send state of this variant, where the document allows several because they race.
    pub pinned: Option<(&'static str, &'static str)>,
    /// What the peer does with the request that meets the fault. The peer then holds the connection.
    pub script: fn(Script, &Gate) -> Script,
    fresh: bool,
    reused: bool,
}

const fn fault(slug: &'static str, script: fn(Script, &Gate) -> Script) -> Fault {
    let (upload, action) = (Upload::None, Action::None);
    Fault { slug, variant: "", upload, action, pinned: None, script, fresh: true, reused: true }
}

impl Fault {
    /// Whether the fault occurs on a new connection, or on a reused one.
    #[must_use]
    pub fn runs(&self, reused: bool) -> bool {
        if reused { self.reused } else { self.fresh }
    }

    const fn at(mut self, action: Action) -> Fault {
        self.action = action;
        self
    }

    const fn uploading(mut self, upload: Upload) -> Fault {
        self.upload = upload;
        self
    }

    const fn pinned(mut self, phase: &'static str, send: &'static str) -> Fault {
        self.pinned = Some((phase, send));
        self
    }

    const fn only_fresh(mut self) -> Fault {
        self.reused = false;
        self
    }

    const fn only_reused(mut self) -> Fault {
        self.fresh = false;
        self
    }

    /// The connection has ended when the request is dispatched.
    const fn end_seen(mut self) -> Fault {
        self.variant = "end_seen";
        self.at(Action::ShowEndBeforeRequest).pinned("acquire", "not_sent")
    }

    /// The request is written before the connection ends.
    const fn end_unseen(mut self) -> Fault {
        self.variant = "end_unseen";
        self.at(Action::OpenGateBeforeRequest).pinned("wait", "sent")
    }
}

fn huge_head() -> Bytes {
    format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1 << 20)).into()
}

/// All faults.
#[must_use]
pub fn faults() -> Vec<Fault> {
    use Upload::{Endless, Failing, Unfinished};
    vec![
        fault("reset-at-accept", |script, _| script.reset()).only_fresh().pinned("acquire", "not_sent"),
        fault("fin-at-accept", |script, _| script.close()).only_fresh().pinned("acquire", "not_sent"),
        fault("reset-after-request", |script, _| script.read_request().reset()),
        fault("fin-after-request", |script, _| script.read_request().close()),
        fault("reset-mid-request-body", |script, _| script.read_head().read_exact(500).reset())
            .uploading(Unfinished),
        fault("fin-mid-request-body", |script, _| script.read_head().read_exact(1000).close())
            .uploading(Unfinished),
        fault("reset-mid-head", |script, gate| script.read_request().write("HTTP/1.1 20").wait(gate).reset())
            .at(Action::OpenGateAtFirstByte),
        fault("fin-mid-head", |script, gate| script.read_request().write("HTTP/1.1 20").wait(gate).close())
            .at(Action::OpenGateAtFirstByte),
        fault("reset-mid-body", |script, gate| {
            script.read_request().write(HEAD).write("abc").wait(gate).reset()
        })
        .at(Action::OpenGateAtHead),
        fault("fin-mid-body", |script, gate| {
            script.read_request().write(HEAD).write("abc").wait(gate).close()
        })
        .at(Action::OpenGateAtHead),
        fault("reset-idle-reused", |script, gate| script.wait(gate).reset()).only_reused().end_seen(),
        fault("reset-idle-reused", |script, gate| script.wait(gate).reset()).only_reused().end_unseen(),
        fault("fin-idle-reused", |script, gate| script.wait(gate).close()).only_reused().end_seen(),
        fault("fin-idle-reused", |script, gate| script.wait(gate).close()).only_reused().end_unseen(),
        fault("head-too-large", |script, _| script.read_request().write(huge_head())),
        fault("not-http", |script, _| script.read_request().write("no http\r\n\r\n")),
        fault("bad-chunk", |script, _| {
            script.read_request().write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n")
        }),
        fault("bad-content-length", |script, _| {
            script.read_request().write("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n")
        }),
        fault("two-content-lengths", |script, _| {
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab";
            script.read_request().write(head)
        }),
        fault("body-longer-than-content-length", |script, _| {
            script.read_request().write(OK).write("and more")
        }),
        fault("unexpected-1xx", |script, _| {
            script.read_request().write("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n").write(OK)
        }),
        fault("unexpected-101", |script, _| {
            let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
            script.read_request().write(head)
        }),
        fault("early-response", |script, _| script.read_head().write(OK)).uploading(Unfinished),
        fault("early-response-then-reset", |script, gate| {
            script.read_head().write(HEAD).write("abc").wait(gate).reset()
        })
        .uploading(Unfinished)
        .at(Action::OpenGateAtHead),
        fault("slow-upload", |script, gate| script.read_head().open(gate))
            .uploading(Endless)
            .at(Action::TimeOutAtGate),
        fault("request-body-error", |script, gate| script.read_head().read_exact(1000).open(gate))
            .uploading(Failing),
        fault("no-answer", |script, gate| script.read_request().open(gate)).at(Action::TimeOutAtGate),
        fault("slow-head", |script, _| script.read_request().write("HTTP/1.1 20"))
            .at(Action::TimeOutAtFirstByte),
        fault("slow-body", |script, _| script.read_request().write(HEAD).write("abc"))
            .at(Action::TimeOutAtHead),
        fault("cancelled-in-send", |script, gate| script.read_head().open(gate))
            .uploading(Unfinished)
            .at(Action::CancelAtGate),
        fault("cancelled-in-wait", |script, gate| script.read_request().open(gate)).at(Action::CancelAtGate),
        fault("cancelled-in-head", |script, _| script.read_request().write("HTTP/1.1 20"))
            .at(Action::CancelAtFirstByte),
        fault("cancelled-in-body", |script, _| script.read_request().write(HEAD).write("abc"))
            .at(Action::CancelAtHead),
    ]
}
