//! Faults of software that nobody here wrote, each held against its row in the document.

mod caller;
mod dnsmasq;
mod document;
mod envoy;
mod haproxy;
mod nginx;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use outbound_tests::peers::{DNSMASQ, ENVOY, HAPROXY, NGINX, Peer};
use tower_outbound::{Class, Phase, SendState};

use self::caller::Told;
use self::document::{Row, row};
use crate::runner::Check;

const PEERS: [Peer; 4] = [NGINX, HAPROXY, ENVOY, DNSMASQ];

static TALLY: Mutex<Tally> = Mutex::new(Tally { held: BTreeMap::new(), wrong: 0 });

struct Tally {
    /// How many faults were held against their rows.
    held: BTreeMap<&'static str, u32>,
    wrong: u32,
}

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = vec![Check::new("a_wrong_row_is_found_out", NGINX, nginx::a_wrong_row_is_found_out)];
    checks.extend(nginx::checks());
    checks.extend(haproxy::checks());
    checks.extend(envoy::checks());
    checks.extend(dnsmasq::checks());
    checks
}

/// How many faults of each peer were held against the document, and how many of them were not as it says.
pub(crate) fn summary() -> String {
    let tally = TALLY.lock().unwrap_or_else(PoisonError::into_inner);
    let held = PEERS.map(|peer| format!("{} {}", peer.name, tally.held.get(peer.name).unwrap_or(&0)));
    format!("peer faults: {}, wrong {}", held.join(", "), tally.wrong)
}

impl Told {
    /// Fails unless it went as the document says of this fault.
    #[track_caller]
    pub(crate) fn is(&self, peer: Peer, slug: &str) -> &Told {
        let row = row(slug, self.http);
        let differs = self.differs(&row);
        let mut tally = TALLY.lock().unwrap_or_else(PoisonError::into_inner);
        *tally.held.entry(peer.name).or_default() += 1;
        tally.wrong += u32::from(differs);
        drop(tally);
        println!("    {:<8} {slug:<32} {:?}: {}", peer.name, self.http, self.line());
        assert!(!differs, "{slug}: {}, not {row:?}: {}", self.line(), self.why);
        self
    }

    /// Fails unless the peer's log has the request, or has it not, and what was said to be sent fits that.
    #[track_caller]
    pub(crate) fn logged(&self, logged: bool, expected: bool) -> &Told {
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

    fn differs(&self, row: &Row) -> bool {
        let (kind, class, phase) = self.words();
        let one_of = |expected: &[String], what: &str| expected.iter().any(|expected| expected == what);
        let fits = one_of(&row.kinds, kind)
            && (kind == "ok" || one_of(&row.classes, class) && one_of(&row.phases, phase));
        !(fits && self.agrees)
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
        let agrees = if self.agrees { "" } else { ", but the caller was told otherwise" };
        format!("{kind} in {phase} ({class}), {sent}{status}{agrees}")
    }

    pub(crate) fn send(&self) -> Option<SendState> {
        self.failure.as_ref().and_then(tower_outbound::Failure::send_state)
    }

    /// The kind, class and phase of what no row is about.
    #[track_caller]
    pub(crate) fn has(&self, kind: &str, class: &str, phase: &str) -> &Told {
        println!("    no row: {:?}: {}", self.http, self.line());
        assert_eq!(self.words(), (kind, class, phase), "{}", self.why);
        assert!(self.agrees, "{}: {}", self.line(), self.why);
        self
    }
}

/// Plants wrong rows, which must be seen.
fn a_wrong_row_is_found(told: &Told, slug: &str) {
    let right = row(slug, told.http);
    assert!(!told.differs(&right), "{}", told.line());
    for wrong in [
        Row { kinds: vec!["connection_refused".to_owned()], ..right.clone() },
        Row { classes: vec!["timeout".to_owned()], ..right.clone() },
        Row { phases: vec!["dns".to_owned()], ..right.clone() },
    ] {
        assert!(told.differs(&wrong), "{wrong:?}");
    }
    let disagreeing = Told { agrees: false, ..told.clone() };
    assert!(disagreeing.differs(&right));
}
