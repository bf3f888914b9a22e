//! Bursts against an nginx that closes kept connections after 3 s: how many sockets are left in CLOSE_WAIT, closed by nginx
//! and not by this side.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use mail_filter::config::ConfigSource;
use mail_filter::filter::Filter;
use mail_filter::metrics::Metrics;
use mail_filter::{Message, Verdict};
use outbound_tests::cells::Program;
use outbound_tests::peers::checks::{self, Check};
use outbound_tests::peers::{NGINX, Nginx};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_outbound::Outbound;

const BURSTS: usize = 1_000;
/// Messages of a burst, at most.
const BURST: usize = 40;
/// Between two bursts.
const PAUSE: Duration = Duration::from_millis(4);
/// nginx has closed every connection by then.
const AFTER: Duration = Duration::from_millis(3_500);

fn main() -> ExitCode {
    let program = Program::new("nginx").one_at_a_time();
    let check = Check::new("bursts_leave_no_socket_in_close_wait", NGINX, bursts);
    checks::run(program, vec![check], String::new)
}

/// Sockets of this machine whose peer is this port and has closed, as `ss -tan` lists them: CLOSE_WAIT is state 8.
fn close_wait(port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let peer = format!(":{port:04X}");
    let fields = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields[2].ends_with(&peer) && fields[3] == "08").count()
}

/// What is left, and what was seen meanwhile at most.
#[derive(Debug)]
struct Left {
    after: usize,
    most: usize,
    connections: u64,
}

/// Bursts with this idle timeout.
async fn run(idle_timeout: &str) -> Left {
    let server = "keepalive_timeout 3s; keepalive_requests 1000000; client_max_body_size 0; location / { return 200; }";
    let nginx = Nginx::start(server).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.toml");
    let url = format!("http://{}/", nginx.address());
    let file = format!(
        "webhook_url = \"{url}\"\nstorage_url = \"{url}\"\n[outbound.pool]\nidle_timeout = \"{idle_timeout}\"\n"
    );
    fs::write(&path, file).unwrap();
    let none: [(String, String); 0] = [];
    let source = ConfigSource::new(Some(path)).variables(none);
    let filter =
        Filter::new(source, Outbound::builder(), Metrics::new(None), Outbound::http_connector).unwrap();
    let port = nginx.address().port();
    let mut most = 0;
    for burst in 0..BURSTS {
        let mut calls = JoinSet::new();
        // Few, and now and then many, so that connections become idle for long.
        let messages = if burst % 100 == 0 { BURST } else { 1 + burst % 3 };
        for _ in 0..messages {
            let filter = filter.clone();
            calls.spawn(async move { filter.decide(&Message::new(None, Bytes::from_static(b"mail"))).await });
        }
        while let Some(decision) = calls.join_next().await {
            assert_eq!(decision.unwrap().verdict, Verdict::Accept);
        }
        if burst % 50 == 0 {
            most = most.max(close_wait(port));
        }
        sleep(PAUSE).await;
    }
    let end = Instant::now() + AFTER;
    while Instant::now() < end {
        most = most.max(close_wait(port));
        sleep(Duration::from_millis(100)).await;
    }
    let after = close_wait(port);
    let accesses = nginx.log();
    let connections = accesses.iter().filter(|access| access.uses == 1).count() as u64;
    Left { after, most, connections }
}

async fn bursts() {
    let (on, off) = tokio::join!(run("1s"), run("0"));
    println!("idle timeout 1 s: {on:?}; off: {off:?}");
    assert_eq!((on.after, off.after), (0, 0));
    assert!(on.connections > 1 && off.connections > 1);
    // This side closes first.
    assert_eq!(on.most, 0);
}
