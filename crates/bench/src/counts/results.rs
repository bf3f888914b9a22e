//! The figures of every setting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::settings::Setting;

/// Per request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
    pub(crate) reallocations: f64,
    pub(crate) syscalls: f64,
    pub(crate) locked: f64,
    pub(crate) clocks: f64,
    /// Zero if they were not counted.
    pub(crate) bytes: f64,
}

/// As printed with `--json`. Ratios and additions are to hyper-util alone with the same traffic.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The instructions of hyper-util alone.
    pub(crate) bare: f64,
    pub(crate) instructions: BTreeMap<String, f64>,
    /// Added, without reallocations.
    pub(crate) allocations: BTreeMap<String, f64>,
    pub(crate) reallocations: BTreeMap<String, f64>,
    /// In all.
    pub(crate) syscalls: BTreeMap<String, f64>,
    pub(crate) locked: BTreeMap<String, f64>,
    pub(crate) clocks: BTreeMap<String, f64>,
    /// Added bytes of allocations, if they were counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) bytes: BTreeMap<String, f64>,
}

impl Results {
    /// Of what was measured; the bases must be among it.
    pub(crate) fn new(measured: &[(Setting, Counts)]) -> Self {
        let of = |name: &str| {
            let found = measured.iter().find(|(setting, _)| setting.name == name);
            found.map(|(_, counts)| *counts).unwrap_or_default()
        };
        let mut results = Self { bare: rounded(of("bare").instructions, 0), ..Self::default() };
        for (setting, counts) in measured {
            let base = of(&setting.traffic.base().name);
            let mut put = |to: fn(&mut Self) -> &mut BTreeMap<String, f64>, value, digits| {
                to(&mut results).insert(setting.name.clone(), rounded(value, digits));
            };
            put(|to| &mut to.syscalls, counts.syscalls, 2);
            if setting.name == setting.traffic.base().name {
                continue;
            }
            put(|to| &mut to.instructions, counts.instructions / base.instructions, 4);
            put(|to| &mut to.allocations, counts.allocations - base.allocations, 2);
            put(|to| &mut to.reallocations, counts.reallocations - base.reallocations, 2);
            put(|to| &mut to.locked, counts.locked - base.locked, 1);
            put(|to| &mut to.clocks, counts.clocks - base.clocks, 2);
            if counts.bytes > 0.0 {
                put(|to| &mut to.bytes, counts.bytes - base.bytes, 0);
            }
        }
        results
    }
}

/// The instructions of hyper-util alone when the targets were set, and how far they may be off.
const BARE: f64 = 32_921.0;
const OFF: f64 = 0.03;

impl Results {
    /// Says so if ratios cannot be compared with those of another time.
    pub(crate) fn scale(&self) -> Option<String> {
        let moved = self.bare / BARE - 1.0;
        (moved.abs() > OFF).then(|| {
            format!(
                "the scale has moved: bare takes {} instructions, {:+.1} % of {BARE}",
                self.bare,
                100.0 * moved
            )
        })
    }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    // No negative zero.
    (value * scale).round() / scale + 0.0
}
