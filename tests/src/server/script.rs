//! The script of a connection: what the server does, step by step.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::ServerConfig;

use crate::gate::Gate;

#[derive(Clone, Debug)]
pub(super) enum Step {
    ReadRequest,
    ReadHead,
    ReadExact(usize),
    ReadToEnd,
    Write(Bytes),
    Wait(Gate),
    Open(Gate),
    Sleep(Duration),
    Tls(Arc<ServerConfig>),
    Shutdown,
    Reset,
    Hang,
    Close,
    Repeat,
}

/// The steps of one connection, in order. At their end the connection is closed.
///
/// A script ends early when the peer closes or resets while a step reads, when a write fails, and when the
/// server is stopped; [`ConnectionLog::ended`](super::ConnectionLog::ended) has the cause.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(super) steps: Vec<Step>,
}

impl Script {
    /// Closes at once.
    #[must_use]
    pub fn new() -> Script {
        Script::default()
    }

    /// Answers every request with `response`, until the peer leaves.
    #[must_use]
    pub fn answering(response: impl Into<Bytes>) -> Script {
        Script::new().read_request().write(response).repeat()
    }

    /// Reads one request, head and body (by `content-length` or chunked).
    #[must_use]
    pub fn read_request(self) -> Script {
        self.step(Step::ReadRequest)
    }

    /// Reads up to the empty line after the head, and leaves the body.
    #[must_use]
    pub fn read_head(self) -> Script {
        self.step(Step::ReadHead)
    }

    /// Reads exactly `count` bytes.
    #[must_use]
    pub fn read_exact(self, count: usize) -> Script {
        self.step(Step::ReadExact(count))
    }

    /// Reads until the peer closes or resets.
    #[must_use]
    pub fn read_to_end(self) -> Script {
        self.step(Step::ReadToEnd)
    }

    /// Writes these bytes and flushes them.
    #[must_use]
    pub fn write(self, bytes: impl Into<Bytes>) -> Script {
        self.step(Step::Write(bytes.into()))
    }

    /// Waits until `gate` is open.
    #[must_use]
    pub fn wait(self, gate: &Gate) -> Script {
        self.step(Step::Wait(gate.clone()))
    }

    /// Opens `gate`: the test can wait for this step.
    #[must_use]
    pub fn open(self, gate: &Gate) -> Script {
        self.step(Step::Open(gate.clone()))
    }

    /// Sleeps. Use it under a paused clock only, and a gate otherwise.
    #[must_use]
    pub fn sleep(self, duration: Duration) -> Script {
        self.step(Step::Sleep(duration))
    }

    /// Performs the TLS handshake; later steps run inside TLS. Earlier steps delay the handshake.
    #[must_use]
    pub fn tls(self, config: Arc<ServerConfig>) -> Script {
        self.step(Step::Tls(config))
    }

    /// Shuts the sending side down (FIN; inside TLS after `close_notify`), and continues.
    #[must_use]
    pub fn shutdown(self) -> Script {
        self.step(Step::Shutdown)
    }

    /// Resets the connection (RST), and ends.
    #[must_use]
    pub fn reset(self) -> Script {
        self.step(Step::Reset)
    }

    /// Holds the connection open, reading nothing, until the server is stopped.
    #[must_use]
    pub fn hang(self) -> Script {
        self.step(Step::Hang)
    }

    /// Closes the connection, and ends. On TCP the system sends RST instead of FIN if unread bytes are left.
    #[must_use]
    pub fn close(self) -> Script {
        self.step(Step::Close)
    }

    /// Continues at the first step; after a [`tls`](Script::tls) step, at the step that follows it.
    #[must_use]
    pub fn repeat(self) -> Script {
        self.step(Step::Repeat)
    }

    /// Continues with another script.
    #[must_use]
    pub fn then(mut self, more: Script) -> Script {
        self.steps.extend(more.steps);
        self
    }

    fn step(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }
}

/// Chooses the script of each connection.
///
/// A closure, one script for all connections, or a list whose last script serves all further connections.
pub trait Scripts: Send + Sync + 'static {
    /// The script of connection `index`, counted from 0.
    fn script(&self, index: usize) -> Script;
}

impl<F: Fn(usize) -> Script + Send + Sync + 'static> Scripts for F {
    fn script(&self, index: usize) -> Script {
        self(index)
    }
}

impl Scripts for Script {
    fn script(&self, _: usize) -> Script {
        self.clone()
    }
}

impl Scripts for Vec<Script> {
    fn script(&self, index: usize) -> Script {
        self.get(index).or(self.last()).cloned().unwrap_or_default()
    }
}

impl<const N: usize> Scripts for [Script; N] {
    fn script(&self, index: usize) -> Script {
        self.get(index).or(self.last()).cloned().unwrap_or_default()
    }
}
