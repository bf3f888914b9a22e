//! Numbers with their units.

/// A percentile from histogram buckets: the true value is at most the bound.
pub(super) fn bound(seconds: Option<f64>) -> String {
    match seconds {
        None => "–".to_owned(),
        Some(seconds) if !seconds.is_finite() => "> 30 s".to_owned(),
        Some(seconds) if seconds < 1.0 => format!("≤ {} ms", decimal(seconds * 1e3)),
        Some(seconds) => format!("≤ {} s", decimal(seconds)),
    }
}

/// At most two decimals, without trailing zeros.
fn decimal(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_printed_with_sign_and_unit() {
        for (seconds, text) in [
            (Some(0.00025), "≤ 0.25 ms"),
            (Some(0.0025), "≤ 2.5 ms"),
            (Some(0.1), "≤ 100 ms"),
            (Some(2.5), "≤ 2.5 s"),
            (Some(30.0), "≤ 30 s"),
            (Some(f64::INFINITY), "> 30 s"),
            (None, "–"),
        ] {
            assert_eq!(bound(seconds), text);
        }
    }
}
