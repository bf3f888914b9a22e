//! The examples as processes.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use serde_json::Value;

/// The program of an example, without the `OTEL_*` variables of the surrounding shell.
pub(crate) fn program(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(path(name));
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(key);
        }
    }
    command.args(arguments).envs(variables.iter().copied()).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Beside the folder of this test program.
fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(|deps| deps.parent()).unwrap().join(name);
    assert!(path.is_file(), "{} is missing: run `cargo build -p {name}`", path.display());
    path
}

/// Runs a program to its end, off the runtime. Returns the JSON that it printed.
pub(crate) async fn run(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let mut command = program(name, arguments, variables);
    let mut child = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let stdout = child.0.stdout.take().unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        let printed = std::io::read_to_string(stdout).unwrap();
        child.0.wait().unwrap();
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    });
    ended.await.unwrap()
}

/// A process that ends with its handle.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The gateway after its traffic, while it still serves.
pub(crate) struct Gateway {
    /// What it printed.
    pub(crate) report: Value,
    /// Where it serves.
    pub(crate) url: String,
    _process: Running,
}

impl Gateway {
    /// Starts the gateway with a short run of traffic, and waits for its report.
    pub(crate) async fn serve(variables: &[(&str, &str)]) -> Gateway {
        let mut command = program("gateway", &["--json", "--seconds", "1", "--serve"], variables);
        let mut process = Running(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let (stdout, stderr) = (process.0.stdout.take().unwrap(), process.0.stderr.take().unwrap());
        let (send, receive) = mpsc::channel();
        // Reads on, so that the gateway never waits for its reader.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(url) = line.strip_prefix("Serving on ") {
                    // The receiver may have failed.
                    let _ = send.send(url.split(' ').next().unwrap_or_default().to_owned());
                }
            }
        });
        let started = tokio::task::spawn_blocking(move || {
            let mut report = String::new();
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                report.push_str(&line);
                if line == "}" {
                    break;
                }
            }
            let report = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"));
            Gateway { report, url: receive.recv().unwrap(), _process: process }
        });
        started.await.unwrap()
    }
}
