//! Numbers in words and in JSON.

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

/// JSON has no word for what is not finite: `null` stands for it, and is read as NaN.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands on references"
)]
pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    value.is_finite().then_some(*value).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

pub(super) mod points {
    use serde::{Deserialize as _, Deserializer, Serializer};

    type Pair = (Option<f64>, Option<f64>);

    pub(crate) fn serialize<S: Serializer>(
        points: &[(f64, f64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let finite = |value: f64| value.is_finite().then_some(value);
        serializer.collect_seq(points.iter().map(|&(x, y)| (finite(x), finite(y))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(f64, f64)>, D::Error> {
        let pairs = Vec::<Pair>::deserialize(deserializer)?;
        let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        Ok(pairs
            .into_iter()
            .map(|(x, y)| (or_nan(x), or_nan(y)))
            .collect())
    }
}

/// Beyond this, digits say nothing any more.
const HUGE: f64 = 1e15;

/// With so many digits after the point, and groups of three before it.
pub(super) fn fixed(value: f64, precision: usize) -> String {
    if value.is_nan() {
        return "–".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.into();
    }
    if value.abs() >= HUGE {
        return format!("{value:e}").replace('-', "−");
    }
    let digits = format!("{:.precision$}", value.abs());
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::new();
    if value < 0.0 && digits.bytes().any(|digit| matches!(digit, b'1'..=b'9')) {
        out.push('−');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

/// With three digits that count, or all before the point.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return fixed(value, 0);
    }
    let magnitude = magnitude(value);
    if magnitude < -6 {
        return format!("{value:.1e}").replace('-', "−");
    }
    let text = fixed(value, usize::try_from(2 - magnitude).unwrap_or(0));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').into()
    } else {
        text
    }
}

/// The power of ten of the first digit. Zero and what is not finite have 0.
#[expect(clippy::cast_possible_truncation, reason = "powers of ten are small")]
pub(super) fn magnitude(value: f64) -> i32 {
    let power = value.abs().log10().floor();
    if power.is_finite() { power as i32 } else { 0 }
}
