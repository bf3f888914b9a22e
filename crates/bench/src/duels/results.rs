//! The ratios of every setting.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Duel;
use super::statistics::quantile;

/// As printed with `--json`: medians of the duels, and their quartiles.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    pub(crate) requests_per_second: BTreeMap<String, f64>,
    pub(crate) cpu: BTreeMap<String, f64>,
    pub(crate) p50: BTreeMap<String, f64>,
    pub(crate) p99: BTreeMap<String, f64>,
    /// Requests per second, not as a ratio: they depend on the machine.
    pub(crate) absolute: BTreeMap<String, f64>,
    /// Requests per second of hyper-util alone against itself.
    pub(crate) aa: f64,
    pub(crate) quartiles: Quartiles,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Quartiles {
    pub(crate) requests_per_second: BTreeMap<String, [f64; 2]>,
    pub(crate) cpu: BTreeMap<String, [f64; 2]>,
    pub(crate) p50: BTreeMap<String, [f64; 2]>,
    pub(crate) p99: BTreeMap<String, [f64; 2]>,
}

type Figure = fn(&Duel) -> f64;

impl Results {
    pub(crate) fn new(duels: &BTreeMap<String, Vec<Duel>>) -> Self {
        let mut results = Self::default();
        for (name, duels) in duels {
            let of = |figure: Figure, share| {
                (quantile(duels.iter().map(figure).collect(), share) * 1e4).round() / 1e4
            };
            results.absolute.insert(name.clone(), of(|duel| duel.per_second, 0.5).round());
            if name == "bare" {
                results.aa = of(|duel| duel.requests_per_second, 0.5);
                continue;
            }
            let quartiles = &mut results.quartiles;
            let rows: [(Figure, _, _); 4] = [
                (
                    |duel| duel.requests_per_second,
                    &mut results.requests_per_second,
                    &mut quartiles.requests_per_second,
                ),
                (|duel| duel.cpu, &mut results.cpu, &mut quartiles.cpu),
                (|duel| duel.p50, &mut results.p50, &mut quartiles.p50),
                (|duel| duel.p99, &mut results.p99, &mut quartiles.p99),
            ];
            for (figure, medians, quartiles) in rows {
                medians.insert(name.clone(), of(figure, 0.5));
                quartiles.insert(name.clone(), [of(figure, 0.25), of(figure, 0.75)]);
            }
        }
        results
    }
}
