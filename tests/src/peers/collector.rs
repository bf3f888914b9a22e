//! The OpenTelemetry Collector, which writes what it received to files.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::COLLECTOR;
use super::process::{Process, free_addresses, poll};
use crate::certs::Certs;

/// It is up in 0.2 s, and in some seconds on a machine that is busy.
const READY_WITHIN: Duration = Duration::from_secs(30);
const READY: &str = "Everything is ready";
/// Another process may take a port before the Collector does.
const STARTS: usize = 3;

/// A receiver of the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Entrance {
    /// No TLS.
    Plain,
    /// TLS with the certificate of [`Collector::certs`].
    Tls,
    /// TLS, with a client certificate of the same authority.
    MutualTls,
    /// No TLS, with the header `authorization: Bearer` and [`Collector::TOKEN`].
    Token,
}

/// The Collector on free ports, with a directory of its own. Dropping it kills the process.
///
/// Its configuration finds the addresses of its receivers in the variables `PLAIN_GRPC`, `PLAIN_HTTP`, and so on for
/// `TLS`, `MUTUAL_TLS` and `TOKEN`; the token in `TOKEN`; and `ca.pem`, `leaf.pem` and `leaf.key` in its working directory.
#[derive(Debug)]
pub struct Collector {
    program: PathBuf,
    arguments: Vec<String>,
    /// gRPC, then HTTP, of each entrance.
    addresses: [SocketAddr; 8],
    starts: usize,
    certs: Certs,
    // Dropped before the directory, so that nothing writes into a removed directory.
    process: Option<Process>,
    directory: TempDir,
}

impl Collector {
    /// The token that [`Entrance::Token`] asks for.
    pub const TOKEN: &str = "a-token";

    /// Starts the Collector with these configurations (YAML), of which the later ones replace values of the earlier
    /// ones, and waits until it is ready.
    pub async fn start(configurations: &[&str]) -> io::Result<Collector> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "no otelcol-peer");
        let program = COLLECTOR.find().ok_or_else(missing)?;
        let directory = TempDir::with_prefix("outbound-collector-")?;
        let certs = Certs::new("localhost");
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text);
        write("ca.pem", certs.authority_pem())?;
        write("leaf.pem", certs.certificate_pem())?;
        write("leaf.key", &certs.key_pem())?;
        let mut arguments = Vec::new();
        for (number, text) in configurations.iter().enumerate() {
            let name = format!("{number}.yaml");
            write(&name, text)?;
            arguments.extend(["--config".to_owned(), name]);
        }
        let addresses = free_addresses()?;
        let mut collector =
            Collector { program, arguments, addresses, starts: 0, certs, process: None, directory };
        while let Err(error) = collector.restart().await {
            let taken = collector.output().contains("address already in use");
            if !taken || collector.starts == STARTS {
                return Err(error);
            }
            collector.addresses = free_addresses()?;
        }
        Ok(collector)
    }

    /// Ends the Collector if it runs, starts it on the same ports, and waits until it is ready.
    pub async fn restart(&mut self) -> io::Result<()> {
        self.end().await?;
        self.starts += 1;
        let output = File::create(self.path(&self.log()))?;
        let mut command = Command::new(&self.program);
        command.current_dir(&self.directory).args(&self.arguments);
        command.env_clear().env("TOKEN", Self::TOKEN);
        for (name, address) in VARIABLES.into_iter().zip(self.addresses) {
            command.env(name, address.to_string());
        }
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let mut process = Process::spawn(&mut command)?;
        let log = self.path(&self.log());
        let started = poll(READY_WITHIN, || match process.0.try_wait() {
            Ok(None) => fs::read_to_string(&log)
                .unwrap_or_default()
                .contains(READY)
                .then_some(Ok("is ready".to_owned())),
            Ok(Some(status)) => Some(Err(format!("it ended with {status}"))),
            Err(error) => Some(Err(error.to_string())),
        });
        let started = started.await.unwrap_or(Err("it is not ready".to_owned()));
        self.process = Some(process);
        started.map(drop).map_err(|error| io::Error::other(format!("collector: {error}\n{}", self.output())))
    }

    /// Ends the Collector (SIGTERM), paused or not. Its ports then refuse; its files are complete.
    pub async fn end(&mut self) -> io::Result<()> {
        match self.process.take() {
            Some(mut process) => process.end().await,
            None => Ok(()),
        }
    }

    /// The address for OTLP over gRPC.
    #[must_use]
    pub fn grpc_address(&self, entrance: Entrance) -> SocketAddr {
        self.addresses[2 * entrance as usize]
    }

    /// The address for OTLP over HTTP.
    #[must_use]
    pub fn http_address(&self, entrance: Entrance) -> SocketAddr {
        self.addresses[2 * entrance as usize + 1]
    }

    /// The authority that issued its certificate, and the certificate, which also serves a client.
    #[must_use]
    pub fn certs(&self) -> &Certs {
        &self.certs
    }

    /// The path of a file of its directory.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.directory().join(file)
    }

    /// Its directory, which is also its working directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its log since the last start.
    #[must_use]
    pub fn output(&self) -> String {
        self.read(&self.log())
    }

    /// The content of this file; empty if the file does not exist.
    #[must_use]
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// Waits until `done` holds, at most for `limit`. Returns whether it holds.
    pub async fn wait_for(&self, done: impl Fn(&Collector) -> bool, limit: Duration) -> bool {
        poll(limit, || done(self).then_some(())).await.is_some()
    }

    fn log(&self) -> String {
        format!("output-{}.log", self.starts)
    }
}

/// In the order of [`Collector::addresses`].
const VARIABLES: [&str; 8] = [
    "PLAIN_GRPC",
    "PLAIN_HTTP",
    "TLS_GRPC",
    "TLS_HTTP",
    "MUTUAL_TLS_GRPC",
    "MUTUAL_TLS_HTTP",
    "TOKEN_GRPC",
    "TOKEN_HTTP",
];
