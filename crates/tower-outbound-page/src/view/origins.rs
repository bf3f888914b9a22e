//! The table of origins.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde::Serialize;
use tokio::time::Instant;
use tower_outbound::connect::ConnectionState;
use tower_outbound::{Connection, Phase};

use crate::minute::{Counts, Durations};
use crate::page::Shared;
use crate::reason::Reason;

/// The figures of an origin, as they are shown.
#[derive(Debug, Serialize)]
pub(crate) struct OriginRow {
    pub(crate) origin: String,
    pub(crate) connections: Connections,
    /// How many connections the origin may have in the pool of tower-outbound; absent without a limit.
    pub(crate) connection_limit: Option<usize>,
    /// Requests that wait for a connection or a slot.
    pub(crate) waiting: i64,
    /// The in-flight limit; absent without one.
    pub(crate) in_flight_limit: Option<usize>,
    pub(crate) minute: Figures,
    pub(crate) total: Figures,
    /// Of the last minute, in the order of the phases.
    pub(crate) phases: Vec<PhaseRow>,
}

/// The open connections to an origin.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Connections {
    pub(crate) in_use: usize,
    pub(crate) idle: usize,
    pub(crate) draining: usize,
}

/// How many requests ended how.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) reuse_rate: Option<f64>,
    pub(crate) failures: BTreeMap<Reason, u64>,
}

impl From<Counts> for Figures {
    fn from(counts: Counts) -> Self {
        Self {
            requests: counts.requests(),
            failed: counts.failed(),
            cancelled: counts.cancelled,
            reuse_rate: counts.reuse_rate(),
            failures: counts.failures,
        }
    }
}

/// The percentiles of a phase.
#[derive(Debug, Serialize)]
pub(crate) struct PhaseRow {
    pub(crate) phase: &'static str,
    pub(crate) count: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl PhaseRow {
    fn new(phase: Phase, durations: &Durations) -> Self {
        let ms = |quantile| durations.value_at_quantile(quantile) as f64 / 1e3;
        Self { phase: phase.as_str(), count: durations.len(), p50_ms: ms(0.5), p99_ms: ms(0.99) }
    }
}

/// All origins, by name: those with figures, and those with open connections only.
pub(crate) fn origins(
    shared: &Shared,
    open: &[Connection],
    connection_limit: Option<usize>,
) -> Vec<OriginRow> {
    let now = Instant::now();
    let mut connections = BTreeMap::<String, Connections>::new();
    for connection in open {
        let of_origin = connections.entry(connection.origin().to_string()).or_default();
        match connection.state() {
            ConnectionState::Active => of_origin.in_use += 1,
            ConnectionState::Draining => of_origin.draining += 1,
            _ => of_origin.idle += 1,
        }
    }
    let with_figures = shared.origins.list().into_iter().map(|(origin, figures)| {
        let counted = figures.counted();
        let (total, sum) = (counted.total.clone(), counted.minute.sum(now));
        drop(counted);
        let slots = figures.slots.load(Ordering::Relaxed);
        OriginRow {
            connections: connections.remove(&origin).unwrap_or_default(),
            origin,
            connection_limit,
            waiting: figures.waiting.load(Ordering::Relaxed),
            in_flight_limit: (slots > 0).then_some(slots),
            minute: sum.counts.into(),
            total: total.into(),
            phases: sum.phases.iter().map(|(phase, durations)| PhaseRow::new(*phase, durations)).collect(),
        }
    });
    let mut rows: Vec<_> = with_figures.collect();
    rows.extend(connections.into_iter().map(|(origin, connections)| OriginRow {
        origin,
        connections,
        connection_limit,
        waiting: 0,
        in_flight_limit: None,
        minute: Counts::default().into(),
        total: Counts::default().into(),
        phases: Vec::new(),
    }));
    rows
}
