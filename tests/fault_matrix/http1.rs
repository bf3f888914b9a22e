//! Faults of a peer that speaks HTTP/1, or should.

use bytes::Bytes;
use outbound_tests::gate::Gate;
use outbound_tests::server::Script;

use crate::cell::{Cut, Upload};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// A fault on a connection that is there.
pub(crate) struct Fault {
    pub(crate) slug: &'static str,
    pub(crate) upload: Upload,
    fresh: bool,
    reused: bool,
    /// Where the test opens `gate`, or gives up.
    pub(crate) cut: Cut,
    /// What the peer does with the request in question; after it, it holds the connection.
    pub(crate) script: fn(Script, &Gate) -> Script,
}

const fn fault(slug: &'static str, script: fn(Script, &Gate) -> Script) -> Fault {
    Fault { slug, upload: Upload::None, fresh: true, reused: true, cut: Cut::Never, script }
}

impl Fault {
    pub(crate) fn runs(&self, reused: bool) -> bool {
        if reused { self.reused } else { self.fresh }
    }

    const fn at(mut self, cut: Cut) -> Fault {
        self.cut = cut;
        self
    }

    const fn uploading(mut self, upload: Upload) -> Fault {
        self.upload = upload;
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
}

fn huge_head() -> Bytes {
    format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1 << 20)).into()
}

pub(crate) fn faults() -> Vec<Fault> {
    use Upload::{Endless, Failing, Unfinished};
    vec![
        fault("reset-at-accept", |script, _| script.reset()).only_fresh(),
        fault("fin-at-accept", |script, _| script.close()).only_fresh(),
        fault("reset-after-request", |script, _| script.read_request().reset()),
        fault("fin-after-request", |script, _| script.read_request().close()),
        fault("reset-mid-request-body", |script, _| script.read_head().read_exact(500).reset())
            .uploading(Unfinished),
        fault("fin-mid-request-body", |script, _| script.read_head().read_exact(1000).close())
            .uploading(Unfinished),
        fault("reset-mid-head", |script, gate| script.read_request().write("HTTP/1.1 20").wait(gate).reset())
            .at(Cut::GateAfterFirstByte),
        fault("fin-mid-head", |script, gate| script.read_request().write("HTTP/1.1 20").wait(gate).close())
            .at(Cut::GateAfterFirstByte),
        fault("reset-mid-body", |script, gate| {
            script.read_request().write(HEAD).write("abc").wait(gate).reset()
        })
        .at(Cut::GateAfterHead),
        fault("fin-mid-body", |script, gate| {
            script.read_request().write(HEAD).write("abc").wait(gate).close()
        })
        .at(Cut::GateAfterHead),
        fault("reset-idle-reused", |script, gate| script.wait(gate).reset())
            .only_reused()
            .at(Cut::GateBeforeRequest),
        fault("fin-idle-reused", |script, gate| script.wait(gate).close())
            .only_reused()
            .at(Cut::GateBeforeRequest),
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
        .at(Cut::GateAfterHead),
        fault("slow-upload", |script, gate| script.read_head().open(gate))
            .uploading(Endless)
            .at(Cut::PauseAtGate),
        fault("request-body-error", |script, gate| script.read_head().read_exact(1000).open(gate))
            .uploading(Failing),
        fault("no-answer", |script, gate| script.read_request().open(gate)).at(Cut::PauseAtGate),
        fault("slow-head", |script, _| script.read_request().write("HTTP/1.1 20"))
            .at(Cut::PauseAfterFirstByte),
        fault("slow-body", |script, _| script.read_request().write(HEAD).write("abc"))
            .at(Cut::PauseAfterHead),
        fault("cancelled-in-send", |script, gate| script.read_head().open(gate))
            .uploading(Unfinished)
            .at(Cut::CancelAtGate),
        fault("cancelled-in-wait", |script, gate| script.read_request().open(gate)).at(Cut::CancelAtGate),
        fault("cancelled-in-head", |script, _| script.read_request().write("HTTP/1.1 20"))
            .at(Cut::CancelAfterFirstByte),
        fault("cancelled-in-body", |script, _| script.read_request().write(HEAD).write("abc"))
            .at(Cut::CancelAfterHead),
    ]
}
