//! Faults of real software, each compared with its row in `failures.md`.

mod caller;
mod dnsmasq;
mod envoy;
mod haproxy;
mod http;
mod nginx;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use outbound_tests::faults::{Expected, expected};
use outbound_tests::peers::{DNSMASQ, ENVOY, HAPROXY, NGINX, Peer};
use tower_outbound::{Class, Phase, SendState};

use self::caller::Reported;
use self::http::Http;
use outbound_tests::peers::checks::Check;

const PEERS: [Peer; 4] = [NGINX, HAPROXY, ENVOY, DNSMASQ];

static TALLY: Mutex<Tally> = Mutex::new(Tally { held: BTreeMap::new(), wrong: 0 });

struct Tally {
    /// The number of faults compared with their rows, by peer.
    held: BTreeMap<&'static str, u32>,
    wrong: u32,
}

pub(crate) fn checks() -> Vec<Check> {
    let mut checks =
        vec![Check::new("planted_wrong_row_is_detected", NGINX, nginx::a_wrong_row_is_found_out)];
    checks.extend(nginx::checks());
    checks.extend(haproxy::checks());
    checks.extend(envoy::checks());
    checks.extend(dnsmasq::checks());
    checks
}

/// How many faults of each peer were compared with the document, and how many of them deviate.
pub(crate) fn summary() -> String {
    let tally = TALLY.lock().unwrap_or_else(PoisonError::into_inner);
    let held = PEERS.map(|peer| format!("{} {}", peer.name, tally.held.get(peer.name).unwrap_or(&0)));
    format!("peer faults: {}, wrong {}", held.join(", "), tally.wrong)
}

/// Whether the arguments ask for the output of checks that pass.
fn prints() -> bool {
    std::env::args().any(|argument| argument == "--nocapture")
}

impl Reported {
    /// Fails unless the outcome is the documented one.
    #[track_caller]
    pub(crate) fn is(&self, peer: Peer, slug: &str) -> &Reported {
        let row = expected(slug, self.http == Http::Two);
        let differs = self.differs(&row);
        let mut tally = TALLY.lock().unwrap_or_else(PoisonError::into_inner);
        *tally.held.entry(peer.name).or_default() += 1;
        tally.wrong += u32::from(differs);
        drop(tally);
        if prints() {
            println!("    {:<8} {slug:<32} {:?}: {}", peer.name, self.http, self.line());
        }
        assert!(!differs, "{slug}: {}, not {row:?}: {}", self.line(), self.why);
        self
    }

    /// Fails unless the peer has logged the request as expected, and the send state fits.
    #[track_caller]
    pub(crate) fn logged(&self, logged: bool, expected: bool) -> &Reported {
        assert_eq!(logged, expected, "in the peer's log: {}", self.line());
        let state = self.failure.as_ref().and_then(tower_outbound::Failure::send_state);
        let never = matches!(state, Some(SendState::NotSent | SendState::NotProcessed));
        let fits = !(never && logged);
        if !fits {
            TALLY.lock().unwrap_or_else(PoisonError::into_inner).wrong += 1;
        }
        assert!(fits, "{} though the peer has it in its log", self.line());
        self
    }

    fn differs(&self, row: &Expected) -> bool {
        let (kind, class, phase) = self.words();
        let outcome = if kind == "ok" { kind.to_owned() } else { format!("{kind} in {phase}") };
        row.differs(&outcome, class, self.send().map_or("–", SendState::as_str)) || !self.agrees
    }

    fn words(&self) -> (&str, &str, &str) {
        let Some(failure) = &self.failure else { return ("ok", "–", "–") };
        let class = failure.class().map_or("–", Class::as_str);
        (failure.kind().as_str(), class, failure.phase().map_or("–", Phase::as_str))
    }

    pub(crate) fn line(&self) -> String {
        let (kind, class, phase) = self.words();
        let sent = self.send().map_or("–", SendState::as_str);
        let status = self.status.map_or(String::new(), |status| format!(", status {status}"));
        let agrees = if self.agrees { "" } else { ", but the error of the caller differs" };
        format!("{kind} in {phase} ({class}), {sent}{status}{agrees}")
    }

    pub(crate) fn send(&self) -> Option<SendState> {
        self.failure.as_ref().and_then(tower_outbound::Failure::send_state)
    }

    /// Fails unless the outcome has this kind, class and phase: for what has no row.
    #[track_caller]
    pub(crate) fn has(&self, kind: &str, class: &str, phase: &str) -> &Reported {
        if prints() {
            println!("    no row: {:?}: {}", self.http, self.line());
        }
        assert_eq!(self.words(), (kind, class, phase), "{}", self.why);
        assert!(self.agrees, "{}: {}", self.line(), self.why);
        self
    }
}

/// Plants wrong rows, which must be detected.
fn assert_wrong_rows_detected(reported: &Reported, slug: &str) {
    let right = expected(slug, reported.http == Http::Two);
    assert!(!reported.differs(&right), "{}", reported.line());
    for wrong in [
        Expected { kinds: vec!["connection_refused".to_owned()], ..right.clone() },
        Expected { classes: vec!["timeout".to_owned()], ..right.clone() },
        Expected { phases: vec!["dns".to_owned()], ..right.clone() },
        Expected { sends: vec!["not_sent".to_owned()], ..right.clone() },
    ] {
        assert!(reported.differs(&wrong), "{wrong:?}");
    }
    let disagreeing = Reported { agrees: false, ..reported.clone() };
    assert!(disagreeing.differs(&right));
}
