//! The command line.

use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, ValueEnum};

use crate::probe::{Login, Probe};

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;
/// The longest `--timeout` and `--every`.
const DAY: Duration = Duration::from_secs(86_400);

/// Logs in to an IMAP server and selects mailboxes, under one time limit, and reports each step.
///
/// Without `--server` it probes a server in this process that is healthy, stalls and refuses, in turn.
///
/// Exit code: 0 if every step is ok, 1 if one failed, 3 if the time limit was hit, 64 for wrong usage. Spans and metrics are
/// exported if an OTEL_EXPORTER_OTLP_ENDPOINT is set; that never changes the exit code.
#[derive(Debug, Parser)]
#[command(name = "imap-probe", version)]
pub struct Cli {
    /// The server.
    #[arg(long, value_name = "HOST:PORT", requires_all = ["user", "password_env"])]
    pub server: Option<Server>,

    /// How the connection is encrypted. The roots are those of SSL_CERT_FILE, or the system's.
    #[arg(long, value_name = "MODE", default_value = "tls")]
    pub tls: Tls,

    /// The user who logs in.
    #[arg(long, value_name = "USER", value_parser = line)]
    pub user: Option<String>,

    /// The environment variable that holds the password.
    #[arg(long, value_name = "VAR")]
    pub password_env: Option<String>,

    /// A mailbox to select. May be repeated.
    #[arg(long = "mailbox", value_name = "NAME", default_value = "INBOX", value_parser = mailbox)]
    pub mailboxes: Vec<String>,

    /// The time limit of all steps together, such as 2s or 500ms.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration, allow_hyphen_values = true)]
    pub timeout: Duration,

    /// Probe again and again, once in this time, such as 30s. Otherwise once.
    #[arg(long, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub every: Option<Duration>,

    /// Print each report as JSON, and nothing else, to stdout.
    #[arg(long)]
    pub json: bool,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// A name or an address, the latter without brackets.
    pub host: String,
    /// Not zero.
    pub port: u16,
}

/// How the connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tls {
    /// Not at all.
    None,
    /// By STARTTLS, after the greeting.
    Starttls,
    /// From the first byte on.
    Tls,
}

impl Cli {
    /// Parses the command line, and looks up the password. `Err` is the exit code, after the error or the help was printed.
    pub fn read() -> Result<(Cli, Option<(Server, Probe)>), ExitCode> {
        Cli::try_parse().and_then(|cli| cli.probe().map(|probe| (cli, probe))).map_err(|error| {
            // If this fails, there is no other place to report to.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
        })
    }

    /// What to probe; `None` for the demonstration.
    fn probe(&self) -> Result<Option<(Server, Probe)>, clap::Error> {
        let (Some(server), Some(user), Some(variable)) = (&self.server, &self.user, &self.password_env)
        else {
            return Ok(None);
        };
        let wrong = |problem: &str| {
            let message = format!("invalid value '{variable}' for '--password-env <VAR>': {problem}\n");
            Cli::command().error(ErrorKind::ValueValidation, message)
        };
        let password = match std::env::var(variable) {
            Ok(password) => line(&password).map_err(|problem| wrong(&format!("its value has {problem}")))?,
            Err(std::env::VarError::NotPresent) => return Err(wrong("this variable is not set")),
            Err(std::env::VarError::NotUnicode(_)) => return Err(wrong("its value is not UTF-8")),
        };
        let login = Login { user: user.clone(), password };
        Ok(Some((server.clone(), Probe::new(self.tls, server.host.clone(), login, self.mailboxes.clone()))))
    }
}

impl FromStr for Server {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Server, &'static str> {
        let (host, port) = text.rsplit_once(':').ok_or("no port: write HOST:PORT")?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains(':') {
            return Err("write an IPv6 address in brackets: [ADDRESS]:PORT");
        }
        let server = Server { host: bare.unwrap_or(host).to_owned(), port: port.parse().unwrap_or(0) };
        if server.port == 0 {
            return Err("the port is not a number from 1 to 65535");
        }
        // What makes no URI is no host.
        let uri = server.uri("imap").map_err(|_| "the host is not a name or an address")?;
        uri.host().filter(|host| !host.is_empty()).ok_or("no host: write HOST:PORT")?;
        Ok(server)
    }
}

impl Server {
    /// The URI of the server, for a connector.
    pub fn uri(&self, scheme: &str) -> Result<http::Uri, http::Error> {
        http::Uri::builder().scheme(scheme).authority(self.to_string()).path_and_query("/").build()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What is sent within a line: no control characters.
fn line(text: &str) -> Result<String, &'static str> {
    if text.chars().any(char::is_control) {
        return Err("a line break or another control character");
    }
    Ok(text.to_owned())
}

/// What is sent within quotes: it can end neither them nor the line.
fn mailbox(name: &str) -> Result<String, &'static str> {
    match line(name)? {
        name if name.is_empty() => Err("no name"),
        name if name.contains(['"', '\\']) => Err("a quote or a backslash, which no probe sends"),
        name if !name.is_ascii() => {
            Err("not ASCII: write it in IMAP's modified UTF-7 (RFC 3501, section 5.1.3)")
        }
        name => Ok(name),
    }
}

/// A number and a unit.
fn duration(text: &str) -> Result<Duration, String> {
    if text.trim_start_matches('-').parse() == Ok(0.0) {
        return Err("it must be longer than zero".to_owned());
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("write a number and a unit: 500ms, 2s, 1m".to_owned()),
    };
    let number: f64 = digits.parse().map_err(|_| "write a number and a unit: 500ms, 2s, 1m")?;
    match Duration::try_from_secs_f64(number * unit) {
        Ok(duration) if duration >= Duration::from_millis(1) && duration <= DAY => Ok(duration),
        Ok(Duration::ZERO) => Err("it must be longer than zero".to_owned()),
        _ => Err("not from 1 ms to a day".to_owned()),
    }
}
