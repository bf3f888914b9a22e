//! The race, with scripted connects under a paused clock, and the errors of a connect.

use std::future::{Future, pending};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::race::{NoWinner, Race};
use crate::error::TcpConnectError;
use crate::event::{Event, Observers, ObserversBuilder};
use crate::failure::{Failure, Kind, Phase};
use crate::record::{AddressAttempt, AddressOutcome, Registry, Setup};

/// The result of an attempt, after this number of milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Play {
    Connects(u64),
    Fails(u64),
    Never,
}

use Play::{Connects, Fails, Never};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Connected,
    Refused,
    TimedOut,
    Lost,
    Cancelled,
}

/// Address, start and end in milliseconds since the race began, and how it ended.
type Row = (usize, u64, u64, End);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn address(at: usize) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 1 + at as u16).into()
}

/// A race over scripted addresses. Counts started and running attempts.
struct Rig {
    begun: Instant,
    setup: Setup,
    reported: Arc<Mutex<Vec<AddressAttempt>>>,
    starts: Arc<Mutex<Vec<usize>>>,
    /// Cloned by the future of each attempt.
    alive: Arc<()>,
}

impl Rig {
    fn new() -> Self {
        let reported = Arc::new(Mutex::new(Vec::new()));
        let kept = reported.clone();
        let mut observers = ObserversBuilder::default();
        observers.push(move |event: &Event<'_>| {
            if let Event::AddressAttempt { address: attempt, .. } = event {
                kept.lock().unwrap().push((*attempt).clone());
            }
        });
        let observers = observers.build();
        let registry = Registry::new(Observers::default(), crate::settings::StackSettings::default());
        let setup = Setup::start(registry.origin(&"http://a.example/".parse().unwrap()), None, observers);
        Self { begun: Instant::now(), setup, reported, starts: Arc::default(), alive: Arc::new(()) }
    }

    fn race(
        &self,
        script: &[Play],
        delay: Option<u64>,
        limit: Option<u64>,
    ) -> impl Future<Output = Result<usize, NoWinner>> + use<> {
        let (plays, starts, alive) = (script.to_vec(), self.starts.clone(), self.alive.clone());
        let connect = move |address: SocketAddr| {
            let at = usize::from(address.port() - 1);
            starts.lock().unwrap().push(at);
            play(plays[at], at, alive.clone())
        };
        let addresses = (0..script.len()).map(address).collect();
        let limit = limit.map(|limit| self.begun + ms(limit));
        let race = Race::new(connect, addresses, delay.map(ms), limit, Some(self.setup.clone()));
        async { race.run().await.0 }
    }

    /// The attempts by address. Checks that each was reported once, and that none runs.
    fn rows(&self) -> Vec<Row> {
        assert_eq!(Arc::strong_count(&self.alive), 1, "an attempt still runs");
        let since = |instant: Instant| (instant - self.begun).as_millis() as u64;
        let mut rows: Vec<_> = self
            .reported
            .lock()
            .unwrap()
            .iter()
            .map(|attempt| {
                let end = match &attempt.outcome {
                    AddressOutcome::Connected => End::Connected,
                    AddressOutcome::Failed(failure) if failure.kind() == Kind::ConnectTimeout => {
                        End::TimedOut
                    }
                    AddressOutcome::Failed(failure) => {
                        assert_eq!(failure.kind(), Kind::ConnectionRefused);
                        End::Refused
                    }
                    AddressOutcome::Lost => End::Lost,
                    AddressOutcome::Cancelled => End::Cancelled,
                };
                (usize::from(attempt.address.port() - 1), since(attempt.start), since(attempt.end), end)
            })
            .collect();
        rows.sort_unstable();
        let begun: Vec<_> = rows.iter().map(|row| row.0).collect();
        assert_eq!(*self.starts.lock().unwrap(), begun, "each started attempt has one end, in order");
        assert_eq!(self.setup.address_attempts().len(), rows.len(), "the setup keeps all attempts");
        rows
    }
}

async fn play(play: Play, at: usize, _alive: Arc<()>) -> io::Result<usize> {
    match play {
        Never => pending().await,
        Connects(after) | Fails(after) if after > 0 => tokio::time::sleep(ms(after)).await,
        _ => {}
    }
    match play {
        Fails(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        _ => Ok(at),
    }
}

#[tokio::test(start_paused = true)]
async fn race_silent_addresses_start_250_ms_apart_and_lose() {
    let rig = Rig::new();
    let script = [Never, Never, Never, Connects(30), Connects(0)];
    assert_eq!(rig.race(&script, Some(250), None).await, Ok(3));
    assert_eq!(
        rig.rows(),
        [
            (0, 0, 780, End::Lost),
            (1, 250, 780, End::Lost),
            (2, 500, 780, End::Lost),
            (3, 750, 780, End::Connected),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn race_next_address_starts_at_once_after_failure() {
    let rig = Rig::new();
    let script = [Fails(20), Fails(0), Fails(100), Connects(5)];
    assert_eq!(rig.race(&script, Some(250), None).await, Ok(3));
    assert_eq!(
        rig.rows(),
        [
            (0, 0, 20, End::Refused),
            (1, 20, 20, End::Refused),
            (2, 20, 120, End::Refused),
            (3, 120, 125, End::Connected)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn race_older_failure_starts_nothing_delay_from_latest_start() {
    let rig = Rig::new();
    // Attempt 1 starts after the delay and fails at 260, so 2 starts; 0 fails at 300, while 2 has until 510.
    let script = [Fails(300), Fails(10), Never, Connects(1)];
    assert_eq!(rig.race(&script, Some(250), None).await, Ok(3));
    assert_eq!(
        rig.rows(),
        [
            (0, 0, 300, End::Refused),
            (1, 250, 260, End::Refused),
            (2, 260, 511, End::Lost),
            (3, 510, 511, End::Connected)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn race_late_address_still_wins() {
    let rig = Rig::new();
    assert_eq!(rig.race(&[Connects(400), Never, Connects(500)], Some(250), None).await, Ok(0));
    assert_eq!(rig.rows(), [(0, 0, 400, End::Connected), (1, 250, 400, End::Lost)]);
}

#[tokio::test(start_paused = true)]
async fn race_without_delay_tries_addresses_sequentially() {
    let rig = Rig::new();
    assert_eq!(rig.race(&[Fails(700), Connects(900), Never], None, None).await, Ok(1));
    assert_eq!(rig.rows(), [(0, 0, 700, End::Refused), (1, 700, 1600, End::Connected)]);
}

#[tokio::test(start_paused = true)]
async fn race_timeout_ends_all_attempts_and_starts_no_more() {
    let rig = Rig::new();
    let script = [Never, Fails(10), Never, Never, Never];
    assert_eq!(rig.race(&script, Some(250), Some(510)).await, Err(NoWinner::TimedOut));
    assert_eq!(
        rig.rows(),
        [(0, 0, 510, End::TimedOut), (1, 250, 260, End::Refused), (2, 260, 510, End::TimedOut)]
    );
}

#[tokio::test(start_paused = true)]
async fn race_fails_when_all_addresses_failed() {
    let rig = Rig::new();
    assert_eq!(rig.race(&[Fails(600), Fails(5)], Some(250), Some(9999)).await, Err(NoWinner::AllFailed));
    assert_eq!(rig.rows(), [(0, 0, 600, End::Refused), (1, 250, 255, End::Refused)]);
    let rig = Rig::new();
    assert_eq!(rig.race(&[], Some(250), None).await, Err(NoWinner::AllFailed));
    assert_eq!(rig.rows(), []);
}

#[tokio::test(start_paused = true)]
async fn race_never_polled_starts_nothing() {
    let rig = Rig::new();
    drop(rig.race(&[Connects(0)], Some(250), None));
    assert_eq!(rig.rows(), []);
}

#[tokio::test(start_paused = true)]
async fn race_panic_in_attempt_ends_all_attempts() {
    let rig = Rig::new();
    let alive = rig.alive.clone();
    let starts = rig.starts.clone();
    let connect = move |address: SocketAddr| {
        let (alive, at) = (alive.clone(), usize::from(address.port() - 1));
        starts.lock().unwrap().push(at);
        async move {
            assert!(at == 0, "a panic on purpose");
            play(Never, at, alive).await
        }
    };
    let race = Race::new(connect, vec![address(0), address(1)], Some(ms(250)), None, Some(rig.setup.clone()));
    assert!(tokio::spawn(async { race.run().await.0 }).await.unwrap_err().is_panic());
    assert_eq!(rig.rows(), [(0, 0, 250, End::Cancelled), (1, 250, 250, End::Cancelled)]);
}

/// The attempts that RFC 8305 prescribes for a script, up to the deadline or the drop.
fn expected(script: &[Play], delay: Option<u64>, limit: Option<u64>, dropped: u64) -> Vec<Row> {
    let mut start = Some(0);
    let begins: Vec<(u64, Option<u64>)> = script
        .iter()
        .map_while(|play| {
            let begin = start?;
            let (end, fails) = match play {
                Connects(after) => (Some(begin + after), false),
                Fails(after) => (Some(begin + after), true),
                Never => (None, false),
            };
            start = [end.filter(|_| fails), delay.map(|delay| begin + delay)].into_iter().flatten().min();
            Some((begin, end))
        })
        .collect();
    let wins =
        |at: usize| matches!(script[at], Connects(_)).then(|| begins[at].1.map(|end| (end, at))).flatten();
    let winner = (0..begins.len()).filter_map(wins).min();
    let cut = limit.unwrap_or(u64::MAX).min(dropped);
    let over = winner.map_or(cut, |(end, _)| end.min(cut));
    let winner = winner.filter(|(end, _)| *end == over).map(|(_, at)| at);
    begins
        .iter()
        .enumerate()
        .filter(|(at, (begin, _))| *begin < over || winner.is_some_and(|winner| *at <= winner))
        .map(|(at, (begin, end))| {
            let own =
                end.filter(|end| *end < over || *end == over && winner.is_none_or(|winner| at <= winner));
            let (end, how) = match own {
                Some(end) if winner == Some(at) => (end, End::Connected),
                Some(end) => (end, End::Refused),
                None if winner.is_some() => (over, End::Lost),
                None if limit == Some(over) => (over, End::TimedOut),
                None => (over, End::Cancelled),
            };
            (at, *begin, end, how)
        })
        .collect()
}

fn even(below: u64) -> impl Strategy<Value = u64> {
    (0..below / 2).prop_map(|half| half * 2)
}

fn a_play() -> impl Strategy<Value = Play> {
    prop_oneof![1 => even(800).prop_map(Connects), 3 => even(800).prop_map(Fails), 2 => Just(Never)]
}

proptest! {
    #[test]
    fn race_attempts_start_per_rfc_and_end_once_even_if_dropped(
        script in prop::collection::vec(a_play(), 0..9),
        delay in prop::option::of(even(400).prop_map(|delay| delay.max(10))),
        limit in prop::option::of(even(2000)),
        // Odd, so that nothing else happens at the same time.
        dropped in even(3000).prop_map(|time| time + 1),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let rows = runtime.block_on(async {
            let rig = Rig::new();
            let _ = tokio::time::timeout(ms(dropped), rig.race(&script, delay, limit)).await;
            rig.rows()
        });
        prop_assert_eq!(rows, expected(&script, delay, limit, dropped));
    }
}

fn all_failed(errors: &[i32]) -> TcpConnectError {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let errors = errors.to_vec();
    let addresses = (0..errors.len()).map(address).collect();
    let connect = |address: SocketAddr| {
        let error = errors[usize::from(address.port() - 1)];
        async move { Err::<(), _>(io::Error::from_raw_os_error(error)) }
    };
    let (result, ended) = runtime.block_on(Race::new(connect, addresses, None, None, None).run());
    assert_eq!(result, Err(NoWinner::AllFailed));
    TcpConnectError::all_failed("a.example:80", ended)
}

#[test]
fn dns_resolver_timeout_is_connect_timeout_in_phase_dns() {
    let timed_out = io::Error::from(io::ErrorKind::TimedOut);
    let failure = Failure::of(&timed_out).in_setup(Some(Phase::Dns));
    let error = TcpConnectError::lookup("a.example", failure, timed_out.into());
    let failure = error.failure();
    assert_eq!((failure.kind(), failure.phase()), (Kind::ConnectTimeout, Some(Phase::Dns)));
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;

    const EACCES: i32 = 13;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const EADDRNOTAVAIL: i32 = 99;
    const ENETUNREACH: i32 = 101;
    const ECONNRESET: i32 = 104;
    const ETIMEDOUT: i32 = 110;
    const ECONNREFUSED: i32 = 111;
    const EHOSTUNREACH: i32 = 113;

    #[test]
    fn connect_os_error_has_kind_even_when_wrapped() {
        for (os_error, kind) in [
            (EACCES, Kind::AccessDenied),
            (ENFILE, Kind::TooManyOpenSockets),
            (EMFILE, Kind::TooManyOpenSockets),
            (EADDRNOTAVAIL, Kind::AddressNotAvailable),
            (ENETUNREACH, Kind::NetworkUnreachable),
            (ECONNRESET, Kind::ConnectionReset),
            (ETIMEDOUT, Kind::ConnectTimeout),
            (ECONNREFUSED, Kind::ConnectionRefused),
            (EHOSTUNREACH, Kind::HostUnreachable),
            (5, Kind::Connection),
        ] {
            let error = all_failed(&[os_error]);
            let source =
                std::error::Error::source(&error).and_then(|error| error.downcast_ref::<io::Error>());
            assert_eq!(source.and_then(io::Error::raw_os_error), Some(os_error));
            assert_eq!(error.to_string(), format!("no connection to a.example:80: 127.0.0.1:1 {kind}"));
            for failure in [error.failure().clone(), Failure::of(&io::Error::other(error))] {
                assert_eq!(
                    (failure.kind(), failure.os_error(), failure.phase()),
                    (kind, Some(os_error), Some(Phase::Tcp))
                );
            }
        }
    }

    #[test]
    fn connect_failure_is_from_address_that_got_furthest() {
        for (errors, furthest) in [
            (&[ENETUNREACH, ECONNREFUSED][..], Kind::ConnectionRefused),
            (&[ECONNREFUSED, ENETUNREACH], Kind::ConnectionRefused),
            (&[ECONNREFUSED, ETIMEDOUT], Kind::ConnectionRefused),
            (&[ECONNREFUSED, ECONNRESET], Kind::ConnectionRefused),
            (&[ECONNRESET, ECONNREFUSED], Kind::ConnectionReset),
            (&[EACCES, ETIMEDOUT], Kind::ConnectTimeout),
            (&[EHOSTUNREACH, EACCES], Kind::AccessDenied),
            (&[EADDRNOTAVAIL, EMFILE], Kind::TooManyOpenSockets),
            (&[EADDRNOTAVAIL, ENETUNREACH], Kind::AddressNotAvailable),
        ] {
            assert_eq!(all_failed(errors).failure().kind(), furthest, "{errors:?}");
        }
    }

    #[test]
    fn connect_error_names_eight_addresses_and_counts_rest() {
        let error = all_failed(&[ECONNREFUSED; 11]);
        assert_eq!(error.address_attempts().len(), 11);
        let text = error.to_string();
        assert!(text.ends_with("127.0.0.1:8 connection_refused and 3 more"), "{text}");
    }
}
