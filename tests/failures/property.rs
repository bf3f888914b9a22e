//! Random error chains: classification is total and deterministic.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use proptest::prelude::*;
use tower_outbound::connect::{PhaseLayer, ResolveError};
use tower_outbound::failure::DnsFailure;
use tower_outbound::{BoxError, Failure, Kind, Phase};

use crate::chains::failed_in;

/// An error of a type that the classification does not know.
#[derive(Debug)]
struct Unknown(Option<BoxError>);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown")
    }
}

impl Error for Unknown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|error| &**error as _)
    }
}

/// An error that is its own source.
#[derive(Debug)]
struct Circle;

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("circle")
    }
}

impl Error for Circle {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

const IO_KINDS: [io::ErrorKind; 12] = [
    io::ErrorKind::Other,
    io::ErrorKind::NotFound,
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::ConnectionRefused,
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::ConnectionAborted,
    io::ErrorKind::BrokenPipe,
    io::ErrorKind::TimedOut,
    io::ErrorKind::InvalidInput,
    io::ErrorKind::InvalidData,
    io::ErrorKind::UnexpectedEof,
    io::ErrorKind::NotConnected,
];

const STAGES: [(Phase, fn() -> PhaseLayer); 4] = [
    (Phase::Dns, PhaseLayer::dns),
    (Phase::Tcp, PhaseLayer::tcp),
    (Phase::Tunnel, PhaseLayer::tunnel),
    (Phase::Tls, PhaseLayer::tls),
];

#[derive(Clone, Debug)]
enum Wrap {
    Unknown,
    Io(usize),
    Stage(usize),
    Resolve,
    Status(i32),
    Connect,
}

#[derive(Clone, Debug)]
enum Core {
    Unknown,
    Circle,
    Os(i32),
    Io(usize),
    Elapsed,
    Overloaded,
    Alert(u8),
    Reason(u32),
    Resolve,
}

fn core(core: &Core) -> BoxError {
    match core {
        Core::Unknown => Unknown(None).into(),
        Core::Circle => Circle.into(),
        Core::Os(number) => io::Error::from_raw_os_error(*number).into(),
        Core::Io(at) => io::Error::from(IO_KINDS[*at]).into(),
        Core::Elapsed => tower::timeout::error::Elapsed::new().into(),
        Core::Overloaded => tower::load_shed::error::Overloaded::new().into(),
        Core::Alert(alert) => rustls::Error::AlertReceived((*alert).into()).into(),
        Core::Reason(code) => h2::Error::from(h2::Reason::from(*code)).into(),
        Core::Resolve => ResolveError::new(DnsFailure::NoRecovery).into(),
    }
}

fn wrapped(wrap: &Wrap, inner: BoxError) -> BoxError {
    match wrap {
        Wrap::Unknown => Unknown(Some(inner)).into(),
        Wrap::Io(at) => io::Error::new(IO_KINDS[*at], inner).into(),
        Wrap::Stage(at) => failed_in(&STAGES[*at].1(), inner),
        Wrap::Resolve => ResolveError::new(DnsFailure::HostNotFound).with_source(inner).into(),
        Wrap::Status(code) => {
            let mut status = tonic::Status::new((*code).into(), "what");
            status.set_source(Arc::from(inner));
            status.into()
        }
        Wrap::Connect => tonic::ConnectError(inner).into(),
    }
}

fn chain(wraps: &[Wrap], innermost: &Core) -> BoxError {
    wraps.iter().rev().fold(core(innermost), |inner, wrap| wrapped(wrap, inner))
}

fn any_wrap() -> impl Strategy<Value = Wrap> {
    prop_oneof![
        Just(Wrap::Unknown),
        (0..IO_KINDS.len()).prop_map(Wrap::Io),
        (0..STAGES.len()).prop_map(Wrap::Stage),
        Just(Wrap::Resolve),
        (0..17).prop_map(Wrap::Status),
        Just(Wrap::Connect),
    ]
}

fn any_core() -> impl Strategy<Value = Core> {
    prop_oneof![
        Just(Core::Unknown),
        Just(Core::Circle),
        any::<i32>().prop_map(Core::Os),
        (0..IO_KINDS.len()).prop_map(Core::Io),
        Just(Core::Elapsed),
        Just(Core::Overloaded),
        any::<u8>().prop_map(Core::Alert),
        any::<u32>().prop_map(Core::Reason),
        Just(Core::Resolve),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn failure_of_any_chain_has_kind_despite_unknown_wrapper(
        wraps in prop::collection::vec(any_wrap(), 0..20),
        innermost in any_core(),
    ) {
        let error = chain(&wraps, &innermost);
        let failure = Failure::of(&*error);
        prop_assert!(Kind::ALL.contains(&failure.kind()));
        prop_assert_eq!(&failure, &Failure::of(&*error));
        prop_assert_eq!(&failure, &Failure::of(&Unknown(Some(error))));

        let resolver = wraps.iter().any(|wrap| matches!(wrap, Wrap::Resolve)) || matches!(innermost, Core::Resolve);
        let innermost_stage = wraps.iter().rev().find_map(|wrap| match wrap {
            Wrap::Stage(at) => Some(STAGES[*at].0),
            _ => None,
        });
        if resolver {
            prop_assert_eq!(failure.kind(), Kind::NameResolution);
            prop_assert_eq!(failure.phase(), Some(Phase::Dns));
        } else {
            prop_assert_eq!(failure.phase(), innermost_stage);
            prop_assert!(!failure.is_dns() || innermost_stage == Some(Phase::Dns));
        }
        prop_assert!(failure.is_connect() || failure.phase().is_none());
        prop_assert!(failure.is_dns() || failure.dns().is_none());
    }
}

#[test]
fn failure_of_circular_chain_terminates() {
    assert_eq!(Failure::of(&Circle).kind(), Kind::Other);
    assert_eq!(Failure::of(&*failed_in(&PhaseLayer::tcp(), Circle.into())).kind(), Kind::Connection);
}

#[test]
fn failure_of_chain_sees_through_100_levels_not_1000() {
    let deep = |levels| {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        (0..levels).fold(BoxError::from(refused), |inner, _| Unknown(Some(inner)).into())
    };
    assert_eq!(Failure::of(&*deep(100)).kind(), Kind::ConnectionRefused);
    assert_eq!(Failure::of(&*deep(1_000)).kind(), Kind::Other);
}
