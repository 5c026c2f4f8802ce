//! What is made of many figures: medians, percentiles, and three digits of them.

/// The smallest value that so many percent of all do not exceed; not a number when there are none.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// The one in the middle, of an even number the lower one.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The median of the ratios within each round: what is measured in one round drifts together with
/// whatever else the machine does.
pub fn ratio(measured: &[f64], against: &[f64]) -> f64 {
    let ratios: Vec<f64> = measured.iter().zip(against).map(|(it, other)| it / other).collect();
    median(&ratios)
}

/// Three digits are what such a measurement is good for.
pub fn digits(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => "–".to_owned(),
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => grouped(value),
    }
}

/// A number of things, of three digits.
pub fn count(value: f64) -> String {
    if value.abs() < 100.0 { format!("{value:.0}") } else { digits(value) }
}

/// Whole, with a comma between thousands, as far as three digits go.
fn grouped(value: f64) -> String {
    let scale = 10f64.powf((value.abs().log10().floor() - 2.0).max(0.0));
    let whole = format!("{:.0}", (value / scale).round() * scale);
    let mut text = String::new();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|it| percentile(&hundred, it)), [50.0, 99.0, 100.0]);
        assert_eq!(percentile(&[3.0, 1.0], 99), 3.0);
        assert!(percentile(&[], 50).is_nan());
        assert_eq!(median(&[5.0, 1.0, 9.0, 7.0]), 5.0);
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        // Both were slow in the second round; the ratio of the medians would say 3.
        assert_eq!(ratio(&[2.0, 40.0, 6.0], &[1.0, 20.0, 2.0]), 2.0);
    }

    #[test]
    fn figures_have_three_digits() {
        let shown = [0.0, 1.234, 12.34, 123.4, 1234.0, 1_234_567.0, f64::NAN].map(digits);
        assert_eq!(shown, ["0.00", "1.23", "12.3", "123", "1,230", "1,230,000", "–"]);
        assert_eq!([1.0, 10.0, 4321.0].map(count), ["1", "10", "4,320"]);
    }
}
