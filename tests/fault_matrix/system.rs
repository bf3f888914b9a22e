//! Faults of the operating system. Each runs in a process of its own: this program again, for one cell.
//!
//! Most of them need a network namespace, which Linux allows to every user by default. Where it does not, the
//! connector fails with the error that the system would have returned.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use outbound_tests::certs::Certs;
use tower_outbound::connect::TcpConnector;

use crate::attempt::Outcome;
use crate::connect::attempt;
use crate::dial::Dial;
use crate::matrix::block_on;
use crate::stack::Stack;

/// Names the cell: slug, TLS, HTTP/2.
const CELL: &str = "FAULT_MATRIX_CELL";
/// Starts the line with the outcome.
const MARK: &str = "outcome: ";
/// Printed before the fault is tried.
const BEGUN: &str = "the cell begins";

pub(crate) const FAULTS: [&str; 5] =
    ["no-descriptors", "host-unreachable", "access-denied", "local-address-in-use", "local-ports-exhausted"];

/// Makes the fault and then runs the program, which is `$0`.
const FEW_DESCRIPTORS: &str = r#"ulimit -n 64 && exec "$0" "$@""#;
const NETWORK: &str = r#"exec unshare --map-root-user --net sh -c '
    ip link set lo up &&
    ip route add unreachable 203.0.113.1 &&
    ip route add prohibit 203.0.113.2 &&
    echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range &&
    exec "$0" "$@"' "$0" "$@""#;

/// The error that the system would return.
pub(crate) fn error_of(slug: &str) -> fn() -> io::Error {
    match slug {
        "no-descriptors" => || io::Error::from_raw_os_error(24),
        "host-unreachable" if cfg!(target_os = "linux") => || io::Error::from_raw_os_error(113),
        "host-unreachable" => || io::ErrorKind::HostUnreachable.into(),
        "access-denied" => || io::Error::from_raw_os_error(13),
        "local-address-in-use" => || io::ErrorKind::AddrInUse.into(),
        "local-ports-exhausted" => || io::ErrorKind::AddrNotAvailable.into(),
        other => panic!("{other} is no fault of the system"),
    }
}

pub(crate) async fn run(slug: &str, tls: bool, http2: bool) -> Outcome {
    match apart(slug, tls, http2) {
        Some(outcome) => outcome,
        None => {
            let note = "injected: the system allows no process and network of its own".to_owned();
            Outcome { note, ..injected(slug, tls, http2).await }
        }
    }
}

pub(crate) async fn injected(slug: &str, tls: bool, http2: bool) -> Outcome {
    attempt(stack(Dial::Failing(error_of(slug)), http2), &uri(tls, "127.0.0.1")).await
}

fn stack(dial: impl Into<Dial>, http2: bool) -> Stack {
    Stack::new(Certs::new("peer.test").client_config(&[]), dial, http2)
}

fn uri(tls: bool, host: &str) -> String {
    format!("{}://{host}:1/", if tls { "https" } else { "http" })
}

/// `None` if the system does not allow it.
fn apart(slug: &str, tls: bool, http2: bool) -> Option<Outcome> {
    let script = if slug == "no-descriptors" { FEW_DESCRIPTORS } else { NETWORK };
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
    command.env(CELL, format!("{slug} {tls} {http2}"));
    let output = command.output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let Some((_, line)) = said.split_once(MARK) else {
        let begun = said.contains(BEGUN);
        assert!(!begun, "{slug}: {said}{}", String::from_utf8_lossy(&output.stderr));
        return None;
    };
    assert!(output.status.success(), "{slug}: {said}{}", String::from_utf8_lossy(&output.stderr));
    let [outcome, class, send, disagreement] =
        line.lines().next().unwrap().split('|').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    Some(Outcome { outcome, class, send, disagreement, note: String::new() })
}

/// Whether this process was started for a cell. If so, runs the cell and prints its outcome.
pub(crate) fn is_apart() -> bool {
    let Ok(cell) = std::env::var(CELL) else { return false };
    println!("{BEGUN}");
    let words: Vec<_> = cell.split(' ').collect();
    let [slug, tls, http2] = words.as_slice() else { panic!("{CELL}={cell}") };
    let Outcome { outcome, class, send, disagreement, .. } =
        block_on(in_here(slug, *tls == "true", *http2 == "true"));
    println!("{MARK}{outcome}|{class}|{send}|{disagreement}");
    true
}

async fn in_here(slug: &str, tls: bool, http2: bool) -> Outcome {
    // Ends an attempt that the system does not make fail.
    let tcp = TcpConnector::new().connect_timeout(Duration::from_secs(5));
    match slug {
        "host-unreachable" => attempt(stack(tcp, http2), &uri(tls, "203.0.113.1")).await,
        "access-denied" => attempt(stack(tcp, http2), &uri(tls, "203.0.113.2")).await,
        "no-descriptors" => {
            let stack = stack(tcp, http2);
            let held: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
            assert!(held.len() < 64);
            attempt(stack, &uri(tls, "127.0.0.1")).await
        }
        "local-address-in-use" | "local-ports-exhausted" => {
            // The only port.
            let _held = TcpListener::bind("127.0.0.1:0").unwrap();
            let tcp = match slug {
                "local-address-in-use" => tcp.local_address([127, 0, 0, 1].into()),
                _ => tcp,
            };
            attempt(stack(tcp, http2), &uri(tls, "127.0.0.1")).await
        }
        other => panic!("{other} needs no process of its own"),
    }
}
