//! The curves and the sizes.

use std::collections::BTreeMap;

use serde::Serialize;

/// As printed with `--json`.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    /// Instructions per request: by what it is among, client and number.
    pub(crate) instructions: BTreeMap<&'static str, BTreeMap<&'static str, BTreeMap<usize, f64>>>,
    /// Bytes of the heap: by what holds them, and client.
    pub(crate) heap: BTreeMap<&'static str, BTreeMap<&'static str, f64>>,
}

/// The most over the least.
pub(crate) fn spread(curve: &BTreeMap<usize, f64>) -> f64 {
    let (least, most) = curve.values().fold((f64::MAX, 0.0_f64), |(least, most), &instructions| {
        (least.min(instructions), most.max(instructions))
    });
    most / least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_the_most_over_the_least() {
        assert_eq!(spread(&BTreeMap::from([(1, 50.0), (10, 40.0), (100, 44.0)])), 1.25);
    }
}
