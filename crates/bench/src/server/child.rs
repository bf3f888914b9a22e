//! The server as the bench starts it.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::Addresses;

use crate::Fallible;

/// A running server. A drop ends it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) addresses: Addresses,
}

impl Server {
    /// `program` runs this program's subcommands, maybe on a core of its own.
    pub(crate) fn start(mut program: Command) -> Fallible<Self> {
        let mut child = program.arg("server").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line)?;
        Ok(Self { child, addresses: serde_json::from_str(&line)? })
    }

    /// The spans that it has received since its start.
    pub(crate) fn received(&self) -> Fallible<u64> {
        let mut spans = String::new();
        TcpStream::connect(self.addresses.received)?.read_to_string(&mut spans)?;
        Ok(spans.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
