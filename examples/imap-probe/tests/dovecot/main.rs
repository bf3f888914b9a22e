//! The probe against dovecot, which hangs at each step behind a proxy that stops forwarding.
//!
//! A check is skipped if dovecot is not installed; `OUTBOUND_REQUIRE_PEERS=1` makes that a failure.

mod proxy;

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use imap_probe::cli::{Server, Tls};
use imap_probe::probe::{Login, Probe, start};
use imap_probe::transport::{TlsConfig, Transport};
use outbound_tests::cells::Program;
use outbound_tests::certs::Certs;
use outbound_tests::peers::checks::{self, Check};
use outbound_tests::peers::{DOVECOT, Dovecot};
use tokio::task::JoinSet;
use tower_outbound::operation::{OperationOutcome, Report, StepOutcome, StepReport};
use tower_outbound::{Event, Outbound};

use crate::proxy::Proxy;

const LIMIT: Duration = Duration::from_secs(3);
/// How late a timer of a busy machine may be.
const LATE: Duration = Duration::from_millis(500);
const MAILBOXES: [&str; 2] = ["INBOX", "Archive"];

fn main() -> std::process::ExitCode {
    let checks = vec![
        Check::new("healthy_server_makes_every_step_ok", DOVECOT, healthy),
        Check::new("server_that_hangs_is_named_by_its_step", DOVECOT, hangs),
        Check::new("server_that_refuses_is_failed", DOVECOT, refuses),
    ];
    checks::run(Program::new("dovecot").one_at_a_time(), checks, String::new)
}

/// A step, and which of its name.
type Place = (&'static str, usize);

fn steps(tls: Tls) -> Vec<Place> {
    let starttls = (tls == Tls::Starttls).then_some(("starttls", 0));
    let steps = [("connect", 0), ("greeting", 0)].into_iter().chain(starttls);
    steps.chain([("login", 0), ("select", 0), ("select", 1), ("logout", 0)]).collect()
}

/// Probes dovecot through a proxy that forwards `bytes` bytes of the server's after the start of a step, and no more.
async fn through_proxy(
    address: SocketAddr,
    certs: &Certs,
    tls: Tls,
    hang: Option<(Place, usize)>,
) -> (Report, Proxy) {
    let proxy = Proxy::start(address).await.unwrap();
    let gate = proxy.gate();
    let mut left = hang.map(|((name, nth), bytes)| (name, nth, bytes));
    let left = std::sync::Mutex::new(left.take());
    let observer = move |event: &Event<'_>| {
        let Event::StepStarted { step, .. } = event else { return };
        let mut left = left.lock().unwrap();
        match *left {
            Some((name, 0, bytes)) if name == step.name() => {
                gate.stop_after(bytes);
                *left = None;
            }
            Some((name, nth, bytes)) if name == step.name() => *left = Some((name, nth - 1, bytes)),
            _ => {}
        }
    };
    let builder = Outbound::builder().connect_timeout(Duration::ZERO).idle_timeout(Duration::ZERO);
    let outbound = builder.observer(observer).build();
    let transport = Transport::new(&outbound, TlsConfig::new(certs.roots()).unwrap());
    let server = Server { host: "127.0.0.1".to_owned(), port: proxy.address().port() };
    // A user of its own: dovecot limits the connections of one.
    let user = format!("joe-{}", server.port);
    let login = Login { user, password: Dovecot::PASSWORD.to_owned() };
    let probe = Probe::new(tls, server.host.clone(), login, MAILBOXES.map(str::to_owned).to_vec());
    let operation = start(&probe.declare(&outbound), LIMIT);
    let connect = transport.connect(&server, tls);
    let result = probe.run(&operation, connect, &transport.tls().connector()).await;
    let report = operation.finish();
    assert_eq!(result.is_ok(), report.outcome() == OperationOutcome::Ok, "{report}\n{result:?}");
    (report, proxy)
}

fn address(dovecot: &Dovecot, tls: Tls) -> SocketAddr {
    if tls == Tls::Tls { dovecot.imaps() } else { dovecot.imap() }
}

async fn healthy() {
    let certs = Certs::new("localhost");
    let mut dovecot = Dovecot::start(&certs).await.unwrap();
    for tls in [Tls::None, Tls::Starttls, Tls::Tls] {
        let (report, proxy) = through_proxy(address(&dovecot, tls), &certs, tls, None).await;
        assert_eq!(report.outcome(), OperationOutcome::Ok, "{report}\n{}", dovecot.log());
        let names: Vec<_> = report.steps().iter().map(StepReport::name).collect();
        assert_eq!(names, steps(tls).iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert!(report.steps().iter().all(|step| step.outcome() == StepOutcome::Ok), "{report}");
        proxy.closed().await;
        println!("{tls:?}: {report}");
    }
    dovecot.end().await.unwrap();
}

async fn hangs() {
    let certs = Arc::new(Certs::new("localhost"));
    let mut dovecot = Dovecot::start(&certs).await.unwrap();
    let mut runs = JoinSet::new();
    for tls in [Tls::None, Tls::Starttls, Tls::Tls] {
        // The system accepts a plain connection, whatever the proxy does.
        let steps = steps(tls).into_iter().filter(|(name, _)| *name != "connect" || tls == Tls::Tls);
        for place in steps {
            for bytes in [0, 5] {
                let (address, certs) = (address(&dovecot, tls), Arc::clone(&certs));
                runs.spawn(async move {
                    let (report, proxy) = through_proxy(address, &certs, tls, Some((place, bytes))).await;
                    check(tls, place, &report);
                    proxy.closed().await;
                });
            }
        }
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
    dovecot.end().await.unwrap();
}

/// The steps before are ok, those after are not reached.
fn check(tls: Tls, place: Place, report: &Report) {
    let hanging = steps(tls).iter().position(|step| *step == place).unwrap();
    for (at, step) in report.steps().iter().enumerate() {
        let expected = match at.cmp(&hanging) {
            std::cmp::Ordering::Less => StepOutcome::Ok,
            std::cmp::Ordering::Equal => StepOutcome::TimedOut,
            std::cmp::Ordering::Greater => StepOutcome::NotReached,
        };
        assert_eq!(step.outcome(), expected, "{tls:?}, {place:?}: {report}");
    }
    // A logout is best effort.
    let named = (place.0 != "logout").then_some(place.0);
    assert_eq!(report.timed_out_in().map(StepReport::name), named, "{report}");
    let outcome = if named.is_some() { OperationOutcome::TimedOut } else { OperationOutcome::Ok };
    assert_eq!(report.outcome(), outcome, "{report}");
    assert!(report.total() >= LIMIT && report.total() < LIMIT + LATE, "{report}");
}

/// By the program itself: a wrong password, and a mailbox that is not there.
async fn refuses() {
    let certs = Certs::new("localhost");
    let mut dovecot = Dovecot::start(&certs).await.unwrap();
    let roots = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(roots.path(), certs.authority_pem()).unwrap();
    let imap = dovecot.imap().to_string();
    let run = |password: &str, mailboxes: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imap-probe"));
        command.args(["--server", &imap, "--tls", "starttls", "--user", "joe", "--password-env", "PASSWORD"]);
        command.args(mailboxes.iter().flat_map(|mailbox| ["--mailbox", mailbox]));
        // dovecot lets a wrong password wait.
        command.args(["--timeout", "20s", "--json"]);
        command.env("PASSWORD", password).env("SSL_CERT_FILE", roots.path());
        let output = command.output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let steps = json["steps"].as_array().unwrap().iter();
        let outcomes: Vec<_> = steps.map(|step| step["outcome"].as_str().unwrap().to_owned()).collect();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!error.contains(Dovecot::PASSWORD), "{error}");
        (output.status.code(), outcomes, error)
    };
    let rest = ["not_reached", "not_reached"];
    let (code, outcomes, error) = run("wrong", &["INBOX"]);
    assert_eq!((code, &outcomes[..3]), (Some(1), &["ok", "ok", "ok"].map(str::to_owned)[..]), "{error}");
    assert_eq!((&*outcomes[3], &outcomes[4..]), ("failed", &rest.map(str::to_owned)[..]));
    assert!(error.contains("in step login: the server refused: [AUTHENTICATIONFAILED] "), "{error}");

    let (code, outcomes, error) = run(Dovecot::PASSWORD, &["INBOX", "Missing", "Archive"]);
    assert_eq!(code, Some(1));
    assert_eq!(outcomes[3..], ["ok", "ok", "failed", "ok", "ok"].map(str::to_owned));
    assert!(error.contains("in step select \"Missing\": the server refused: "), "{error}");
    dovecot.end().await.unwrap();
}
