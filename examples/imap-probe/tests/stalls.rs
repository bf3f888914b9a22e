//! A peer that stalls at each step, on the paused clock: the report names the step, and nothing is left.

use std::time::Duration;

use imap_probe::cli::Tls;
use imap_probe::probe::{Io, Login, Probe, start};
use imap_probe::transport::TlsConfig;
use outbound_tests::certs::Certs;
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex,
};
use tokio_rustls::TlsAcceptor;
use tower_outbound::operation::{OperationOutcome, Report, StepOutcome, StepReport};
use tower_outbound::{BoxError, Outbound};

const LIMIT: Duration = Duration::from_secs(2);
/// What each answer of the peer takes.
const ANSWER: Duration = Duration::from_millis(10);
const STEPS: [&str; 7] =
    ["connect", "greeting", "starttls", "login", "select INBOX", "select Archive", "logout"];

/// Where the peer stalls: at a step of [`STEPS`], before its answer or within it.
#[derive(Clone, Copy, Debug)]
struct Stall {
    step: usize,
    within: bool,
}

/// An answer, the whole of it or its beginning. Returns whether the peer goes on.
async fn answer(stream: &mut (impl Io + ?Sized), text: &str, step: usize, stall: Option<Stall>) -> bool {
    tokio::time::sleep(ANSWER).await;
    match stall.filter(|stall| stall.step == step) {
        Some(Stall { within: true, .. }) => {
            stream.write_all(&text.as_bytes()[..text.len() / 2]).await.unwrap();
            false
        }
        Some(_) => false,
        None => {
            stream.write_all(text.as_bytes()).await.unwrap();
            true
        }
    }
}

/// Answers each command until it stalls. Ends when the client has closed the connection.
async fn peer(stream: DuplexStream, tls: Option<TlsAcceptor>, stall: Option<Stall>) {
    let mut stream: BufReader<Box<dyn Io>> = BufReader::new(Box::new(stream));
    let mut goes_on = answer(&mut stream, "* OK IMAP4rev1 ready\r\n", 1, stall).await;
    let mut selected = 0;
    let mut line = String::new();
    while goes_on {
        line.clear();
        // A client that goes away within TLS says nothing.
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let (tag, command) = line.trim_end().split_once(' ').unwrap();
        let word = command.split(' ').next().unwrap();
        let (untagged, step) = match word {
            "STARTTLS" => ("", 2),
            "LOGIN" => ("", 3),
            "SELECT" => ("* 3 EXISTS\r\n* FLAGS (\\Seen)\r\n", 4 + selected),
            "LOGOUT" => ("* BYE\r\n", 6),
            other => panic!("{other}"),
        };
        selected += usize::from(word == "SELECT");
        let text = format!("{untagged}{tag} OK done\r\n");
        if let (Some(acceptor), "STARTTLS") = (&tls, word) {
            // The handshake is a part of the step.
            let before = stall.filter(|stall| !stall.within);
            goes_on = answer(&mut stream, &text, step, before).await;
            if goes_on && stall.is_some_and(|stall| stall.step == 2) {
                goes_on = false;
            } else if goes_on {
                let encrypted = acceptor.accept(stream.into_inner()).await.unwrap();
                stream = BufReader::new(Box::new(encrypted));
            }
        } else {
            goes_on = answer(&mut stream, &text, step, stall).await;
        }
    }
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

async fn probe(stall: Option<Stall>) -> Report {
    let certs = Certs::new("localhost");
    let outbound = Outbound::new();
    let login = Login { user: "joe".to_owned(), password: "secret".to_owned() };
    let mailboxes = ["INBOX", "Archive"].map(str::to_owned).to_vec();
    let probe = Probe::new(Tls::Starttls, "localhost".to_owned(), login, mailboxes);
    let (ours, theirs) = duplex(1 << 16);
    let acceptor = TlsAcceptor::from(certs.server_config(&[]));
    let peer = tokio::spawn(peer(theirs, Some(acceptor), stall));
    let connect = async {
        if stall.is_some_and(|stall| stall.step == 0) {
            std::future::pending::<()>().await;
        }
        Ok::<Box<dyn Io>, BoxError>(Box::new(ours))
    };
    let tls = TlsConfig::new(certs.roots()).unwrap().connector();
    let operation = start(&probe.declare(&outbound), LIMIT);
    let result = probe.run(&operation, connect, &tls).await;
    let report = operation.finish();
    assert_eq!(result.is_ok(), report.outcome() == OperationOutcome::Ok, "{report}");
    // The connection is closed: otherwise the peer would read for ever.
    peer.await.unwrap();
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    report
}

fn label(step: &StepReport) -> String {
    [Some(step.name()), step.target()].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn probe_of_healthy_peer_is_ok() {
    let report = probe(None).await;
    assert_eq!(report.outcome(), OperationOutcome::Ok, "{report}");
    assert_eq!(report.steps().iter().map(label).collect::<Vec<_>>(), STEPS);
    assert_eq!(report.total(), 6 * ANSWER);
}

#[tokio::test(start_paused = true)]
async fn probe_of_stalling_peer_names_step_at_limit() {
    for (step, name) in STEPS.into_iter().enumerate() {
        for within in [false, true] {
            let report = probe(Some(Stall { step, within })).await;
            let expected: Vec<_> = (0..STEPS.len())
                .map(|at| match at.cmp(&step) {
                    std::cmp::Ordering::Less => StepOutcome::Ok,
                    std::cmp::Ordering::Equal => StepOutcome::TimedOut,
                    std::cmp::Ordering::Greater => StepOutcome::NotReached,
                })
                .collect();
            let outcomes: Vec<_> = report.steps().iter().map(StepReport::outcome).collect();
            assert_eq!(outcomes, expected, "{report}");
            // A logout is best effort.
            let named = (step < 6).then(|| name.to_owned());
            assert_eq!(report.timed_out_in().map(label), named, "{report}");
            assert_eq!(report.total(), LIMIT, "{report}");
            // The steps before have their own time.
            for (at, done) in report.steps()[..step].iter().enumerate() {
                assert_eq!(done.duration(), Some(if at == 0 { Duration::ZERO } else { ANSWER }), "{report}");
            }
        }
    }
}
