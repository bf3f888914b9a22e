//! Plays a script on one connection.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::http1::{self, Framing};
use super::log::{ConnectionLog, Ended, Log};
use super::script::{Script, Step};
use super::transport::Transport;
use crate::gate::Gate;

/// Plays the script to its end, or until `stopped` opens, and logs the cause.
pub(super) async fn play(transport: Transport, script: Script, log: Log, index: usize, stopped: Gate) {
    let player = Player { transport, log: log.clone(), index, consumed: 0 };
    let ended = tokio::select! {
        // Biased: an end on the wire takes precedence over the stop.
        biased;
        ended = player.run(&script.steps) => ended,
        () = stopped.wait() => Ended::Stopped,
    };
    log.update(index, |entry| entry.ended = Some(ended));
}

struct Player {
    transport: Transport,
    log: Log,
    index: usize,
    /// The number of logged bytes that the steps have consumed.
    consumed: usize,
}

impl Player {
    async fn run(mut self, steps: &[Step]) -> Ended {
        let start = steps.iter().position(|step| matches!(step, Step::Tls(_))).map_or(0, |tls| tls + 1);
        let mut next = 0;
        while let Some(step) = steps.get(next) {
            next += 1;
            let done = match step {
                Step::Repeat => {
                    next = start;
                    // A script that never waits must yield to other tasks.
                    tokio::task::yield_now().await;
                    Ok(())
                }
                Step::Tls(config) => match self.transport.into_tls(config.clone()).await {
                    Ok((transport, alpn)) => {
                        self.transport = transport;
                        self.log.update(self.index, |entry| entry.alpn = alpn);
                        Ok(())
                    }
                    Err(error) => return Ended::TlsFailed(error.to_string()),
                },
                Step::Reset => {
                    self.transport.reset();
                    return Ended::Reset;
                }
                Step::Close => break,
                Step::Hang => std::future::pending().await,
                step => self.step(step).await,
            };
            if let Err(error) = done {
                return ended(&error);
            }
        }
        // An error means that the peer has closed first.
        let _ = self.transport.shutdown().await;
        Ended::Closed
    }

    async fn step(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::ReadRequest => {
                let framing = self.read_head().await?;
                self.read_until(|raw, from| http1::body_end(raw, from, framing)).await?;
                self.log.update(self.index, |entry| entry.requests += 1);
            }
            Step::ReadHead => drop(self.read_head().await?),
            Step::ReadExact(count) => {
                self.read_until(|raw, from| Some(from + count).filter(|end| *end <= raw.len())).await?;
            }
            Step::ReadToEnd => self.read_until(|_, _| None).await?,
            Step::Write(bytes) => {
                self.transport.write_all(bytes).await?;
                self.transport.flush().await?;
            }
            Step::Wait(gate) => gate.wait().await,
            Step::Open(gate) => gate.open(),
            Step::Sleep(duration) => tokio::time::sleep(*duration).await,
            Step::Shutdown => self.transport.shutdown().await?,
            Step::Tls(_) | Step::Reset | Step::Hang | Step::Close | Step::Repeat => {
                unreachable!("these end or redirect the script")
            }
        }
        Ok(())
    }

    async fn read_head(&mut self) -> io::Result<Framing> {
        let start = self.consumed;
        self.read_until(http1::head_end).await?;
        let end = self.consumed;
        Ok(self.log.update(self.index, |entry| {
            let head = &entry.raw[start..end];
            let framing = http1::framing(head);
            entry.heads.push(String::from_utf8_lossy(head).into_owned());
            framing
        }))
    }

    /// Reads until `end` returns an index, given all bytes read so far and the end of the last step.
    async fn read_until(&mut self, end: impl Fn(&[u8], usize) -> Option<usize>) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        let look = |entry: &ConnectionLog, consumed| end(&entry.raw, consumed);
        loop {
            if let Some(end) = self.log.read(|log| look(&log[self.index], self.consumed)) {
                self.consumed = end;
                return Ok(());
            }
            let count = self.transport.read(&mut buffer).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.log.update(self.index, |entry| entry.raw.extend_from_slice(&buffer[..count]));
        }
    }
}

fn ended(error: &io::Error) -> Ended {
    match error.kind() {
        // rustls reports this for a peer that closed without `close_notify`.
        io::ErrorKind::UnexpectedEof => Ended::PeerClosed,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ended::PeerReset,
        _ => Ended::Failed(error.to_string()),
    }
}
