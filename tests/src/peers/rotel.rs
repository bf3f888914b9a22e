//! rotel: a collector that nobody here wrote, read through its debug log.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ROTEL;
use super::process::{Process, free_addresses, poll};

/// A running rotel; killed when dropped.
#[derive(Debug)]
pub struct Rotel {
    grpc: SocketAddr,
    http: SocketAddr,
    log: Arc<Mutex<String>>,
    process: Process,
}

impl Rotel {
    /// Starts it on two ports of its own, and waits until it accepts connections.
    pub async fn start() -> io::Result<Rotel> {
        let program =
            ROTEL.find().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no rotel-agent"))?;
        let [grpc, http] = free_addresses()?;
        let mut command = Command::new(program);
        command.args(["start", "--debug-log", "traces", "--debug-log", "metrics"]);
        command.args(["--debug-log-verbosity", "detailed", "--exporter", "blackhole"]);
        command.args(["--otlp-grpc-endpoint", &grpc.to_string(), "--otlp-http-endpoint", &http.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process::spawn(&mut command)?;
        let log = Arc::default();
        if let Some(stdout) = process.0.stdout.take() {
            collect(stdout, Arc::clone(&log));
        }
        if let Some(stderr) = process.0.stderr.take() {
            collect(stderr, Arc::clone(&log));
        }
        let rotel = Rotel { grpc, http, log, process };
        rotel.ready().await
    }

    async fn ready(mut self) -> io::Result<Rotel> {
        for address in [self.grpc, self.http] {
            if let Err(error) = self.process.listening(address).await {
                return Err(io::Error::other(format!("rotel: {error}\n{}", self.log())));
            }
        }
        Ok(self)
    }
}

impl Rotel {
    /// Where to send OTLP over gRPC.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Where to send OTLP over HTTP, without `/v1/traces` or `/v1/metrics`.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.http)
    }

    /// How many spans it has received.
    #[must_use]
    pub fn spans(&self) -> usize {
        spans(&self.log())
    }

    /// The names of the spans it has received, in order.
    #[must_use]
    pub fn span_names(&self) -> Vec<String> {
        span_names(&self.log())
    }

    /// The names of the metrics it has received.
    #[must_use]
    pub fn metric_names(&self) -> BTreeSet<String> {
        metric_names(&self.log())
    }

    /// Everything it has written, without colours.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `done` holds, at most for `limit`; says whether it did.
    pub async fn wait_for(&self, done: impl Fn(&Rotel) -> bool, limit: Duration) -> bool {
        poll(limit, || done(self).then_some(())).await.is_some()
    }
}

/// Adds each line to the log, until the process ends.
fn collect(output: impl Read + Send + 'static, log: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&plain(&line));
            log.push('\n');
        }
    });
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

// What a span or a metric carries is indented, so only headings begin a line.
fn spans(log: &str) -> usize {
    log.lines().filter(|line| line.starts_with("Span #")).count()
}

fn span_names(log: &str) -> Vec<String> {
    let name = |line: &str| line.strip_prefix("    Name           : ").map(str::to_owned);
    log.lines().filter_map(name).collect()
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
    ID             : 0101010101010101
    Name           : GET /things
Attributes:
     -> note: Str(Span #9)
     -> Name: Str(not a metric)
Span #1
    Name           : POST
Metric #0
Descriptor:
     -> Name: outbound.requests
     -> Unit: {request}
";

    #[test]
    fn only_headings_of_the_debug_log_are_counted() {
        assert_eq!(spans(LOG), 2);
        assert_eq!(span_names(LOG), ["GET /things", "POST"]);
        assert_eq!(metric_names(LOG).into_iter().collect::<Vec<_>>(), ["outbound.requests"]);
    }

    #[test]
    fn colours_are_taken_out() {
        assert_eq!(plain("\u{1b}[2m2026\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m Starting"), "2026  INFO Starting");
        assert_eq!(plain("plain"), "plain");
    }
}
