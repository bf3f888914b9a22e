//! rotel, an independent collector. Its debug log has what it received.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::ROTEL;
use super::process::{Process, free_addresses, poll};

/// rotel on two free ports. Dropping it kills the process.
#[derive(Debug)]
pub struct Rotel {
    program: PathBuf,
    grpc: SocketAddr,
    http: SocketAddr,
    log: Arc<Mutex<String>>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Process,
    readers: Vec<JoinHandle<()>>,
}

impl Rotel {
    /// Starts rotel on two free ports, and waits until it accepts connections.
    pub async fn start() -> io::Result<Rotel> {
        let program =
            ROTEL.find().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no rotel-agent"))?;
        let [grpc, http] = free_addresses()?;
        let mut rotel = Rotel { program, grpc, http, log: Arc::default(), running: None };
        rotel.restart().await?;
        Ok(rotel)
    }

    /// Ends rotel (SIGTERM), paused or not. Its ports then refuse; its log stays.
    pub async fn stop(&mut self) -> io::Result<()> {
        let Some(Running { mut process, readers }) = self.running.take() else { return Ok(()) };
        let ended = process.end().await;
        drop(process);
        for reader in readers {
            // The pipe ends with the process.
            let _ = reader.join();
        }
        ended
    }

    /// Ends rotel if it runs, starts it on the same ports, and waits until it accepts connections.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.stop().await?;
        let mut command = Command::new(&self.program);
        command.args(["start", "--debug-log", "traces", "--debug-log", "metrics"]);
        command.args(["--debug-log-verbosity", "detailed", "--exporter", "blackhole"]);
        command.args(["--otlp-grpc-endpoint", &self.grpc.to_string()]);
        command.args(["--otlp-http-endpoint", &self.http.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let mut readers = Vec::new();
        readers.extend(process.0.stdout.take().map(|stdout| collect(stdout, Arc::clone(&self.log))));
        readers.extend(process.0.stderr.take().map(|stderr| collect(stderr, Arc::clone(&self.log))));
        for address in [self.grpc, self.http] {
            if let Err(error) = process.listening(address).await {
                return Err(io::Error::other(format!("rotel: {error}\n{}", self.log())));
            }
        }
        self.running = Some(Running { process, readers });
        Ok(())
    }

    /// Pauses rotel (SIGSTOP): the system still accepts connections; nothing is answered.
    pub async fn pause(&self) -> io::Result<()> {
        self.process()?.pause().await
    }

    /// Resumes rotel (SIGCONT), which serves what was sent meanwhile.
    pub fn resume(&self) -> io::Result<()> {
        self.process()?.signal("CONT")
    }

    fn process(&self) -> io::Result<&Process> {
        let running = self.running.as_ref().ok_or_else(|| io::Error::other("rotel is stopped"))?;
        Ok(&running.process)
    }
}

impl Rotel {
    /// The endpoint for OTLP over gRPC.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// The endpoint for OTLP over HTTP, without `/v1/traces` or `/v1/metrics`.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The address for OTLP over gRPC.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc
    }

    /// The address for OTLP over HTTP.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// The number of received spans; duplicates count.
    #[must_use]
    pub fn spans(&self) -> usize {
        spans(&self.log())
    }

    /// The ids of the received spans in hex, without duplicates.
    #[must_use]
    pub fn span_ids(&self) -> BTreeSet<String> {
        span_ids(&self.log())
    }

    /// The names of the received spans, in order.
    #[must_use]
    pub fn span_names(&self) -> Vec<String> {
        span_names(&self.log())
    }

    /// The names of the received metrics.
    #[must_use]
    pub fn metric_names(&self) -> BTreeSet<String> {
        metric_names(&self.log())
    }

    /// The log, without colours.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `done` holds, at most for `limit`. Returns whether it holds.
    pub async fn wait_for(&self, done: impl Fn(&Rotel) -> bool, limit: Duration) -> bool {
        poll(limit, || done(self).then_some(())).await.is_some()
    }
}

/// Copies each line to the log until the process ends.
fn collect(output: impl Read + Send + 'static, log: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&plain(&line));
            log.push('\n');
        }
    })
}

/// The line without ANSI escapes (`ESC [ … letter`).
fn plain(line: &str) -> String {
    let mut pieces = line.split("\u{1b}[");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| c.is_ascii_alphabetic()).map_or(piece.len(), |at| at + 1);
        text.push_str(&piece[end..]);
    }
    text
}

// Attributes are indented: only headings start at column 0.
fn spans(log: &str) -> usize {
    log.lines().filter(|line| line.starts_with("Span #")).count()
}

fn span_names(log: &str) -> Vec<String> {
    let name = |line: &str| line.strip_prefix("    Name           : ").map(str::to_owned);
    log.lines().filter_map(name).collect()
}

fn span_ids(log: &str) -> BTreeSet<String> {
    // Trace, parent and links have headings of their own.
    log.lines().filter_map(|line| line.strip_prefix("    ID             : ").map(str::to_owned)).collect()
}

fn metric_names(log: &str) -> BTreeSet<String> {
    // Only the line after this heading: an attribute may be called `Name` too.
    let descriptors = log.lines().zip(log.lines().skip(1)).filter(|(line, _)| *line == "Descriptor:");
    descriptors.filter_map(|(_, line)| line.strip_prefix("     -> Name: ").map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As rotel 0.0.1a15 writes it.
    const LOG: &str = "\
ResourceSpans #0
InstrumentationScope outbound
Span #0
    Trace ID       : 07070707070707070707070707070707
    Parent ID      : 0505050505050505
    ID             : 0101010101010101
    Name           : GET /things
Attributes:
     -> note: Str(Span #9)
     -> Name: Str(not a metric)
Links:
SpanLink #0
     -> Trace ID: 09090909090909090909090909090909
     -> ID: 0808080808080808
Span #1
    ID             : 0202020202020202
    Name           : POST
Span #0
    ID             : 0101010101010101
    Name           : GET /things
Metric #0
Descriptor:
     -> Name: outbound.requests
     -> Unit: {request}
";

    #[test]
    fn rotel_log_counts_only_headings() {
        assert_eq!(spans(LOG), 3);
        assert_eq!(span_names(LOG), ["GET /things", "POST", "GET /things"]);
        assert_eq!(Vec::from_iter(span_ids(LOG)), ["0101010101010101", "0202020202020202"]);
        assert_eq!(metric_names(LOG).into_iter().collect::<Vec<_>>(), ["outbound.requests"]);
    }

    #[test]
    fn rotel_log_colors_are_removed() {
        assert_eq!(plain("\u{1b}[2m2026\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m Starting"), "2026  INFO Starting");
        assert_eq!(plain("plain"), "plain");
    }
}
