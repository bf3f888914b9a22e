//! Quantiles.

/// The value below which this share lies, between neighbours by their distance.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = (values.len() - 1) as f64 * share;
    let (below, above) = (values[at.floor() as usize], values[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantile_between_two_values_is_interpolated() {
        let values = vec![4.0, 1.0, 3.0, 2.0];
        assert_eq!([0.0, 0.5, 0.75, 1.0].map(|share| quantile(values.clone(), share)), [1.0, 2.5, 3.25, 4.0]);
    }
}
