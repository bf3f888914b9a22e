//! Numbers with their units.

use std::time::Duration;

/// A duration in milliseconds, always with two decimals, so that columns align.
pub(super) fn millis(time: Duration) -> String {
    match time.as_micros() {
        0..5 => "<0.01 ms".to_owned(),
        micros => format!("{:.2} ms", micros as f64 / 1e3),
    }
}

/// A metric's value with its unit. Annotations like `{request}` are left out.
pub(super) fn value(value: f64, unit: &str) -> String {
    match unit {
        "s" if value > 0.0 && value < 5e-6 => "<0.01 ms".to_owned(),
        "s" if value.abs() < 1.0 => format!("{} ms", decimal(value * 1e3)),
        "" | "1" => decimal(value),
        unit if unit.starts_with('{') => decimal(value),
        unit => format!("{} {unit}", decimal(value)),
    }
}

/// At most two decimals, without trailing zeros.
fn decimal(number: f64) -> String {
    let text = format!("{number:.2}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn millis_have_two_decimals() {
        for (micros, text) in
            [(0, "<0.01 ms"), (4, "<0.01 ms"), (5, "0.01 ms"), (2500, "2.50 ms"), (3_000_000, "3000.00 ms")]
        {
            assert_eq!(millis(Duration::from_micros(micros)), text);
        }
    }

    #[test]
    fn value_printed_with_unit() {
        for (number, unit, text) in [
            (0.00025, "s", "0.25 ms"),
            (0.000_004, "s", "<0.01 ms"),
            (0.0, "s", "0 ms"),
            (0.1, "s", "100 ms"),
            (2.5, "s", "2.5 s"),
            (1200.0, "By", "1200 By"),
            (1200.0, "{request}", "1200"),
            (0.5, "1", "0.5"),
            (-3.0, "", "-3"),
            (f64::NAN, "", "NaN"),
            (f64::INFINITY, "By", "inf By"),
        ] {
            assert_eq!(value(number, unit), text, "{number} {unit}");
        }
    }
}
