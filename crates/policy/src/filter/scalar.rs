//! The values that policies and messages have: texts, numbers, `true`, `false`, `null`.
//!
//! A number is kept with five digits after the point, which is the accuracy that AWS documents; what more it has is cut off.
//! One beyond a thousand million is kept as it is written, and equals only what is written the same.

use std::sync::Arc;

use levada_types::limits::{FILTER_NUMBER_DECIMALS, FILTER_NUMBER_MAX};

/// How many of the smallest unit make one.
pub(super) const NUMBER_UNITS: i64 = 10_i64.pow(FILTER_NUMBER_DECIMALS as u32);
/// The greatest number, in the smallest unit.
pub(super) const UNITS_MAX: i64 = FILTER_NUMBER_MAX * NUMBER_UNITS;
/// Digits before the point of the greatest number.
const WHOLE_DIGITS_MAX: i64 = 10;

/// A value in a policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Scalar {
    Text(Arc<str>),
    Number(i64),
    /// A number out of bounds, as it is written.
    Beyond(Arc<str>),
    True,
    False,
    Null,
}

/// A value in a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(std::borrow::Cow<'a, str>),
    Number(i64),
    Beyond(std::borrow::Cow<'a, str>),
    True,
    False,
    Null,
}

impl Scalar {
    /// A number as it is written in a policy.
    pub(super) fn number(text: &str) -> Self {
        units(text).map_or_else(|| Self::Beyond(text.into()), Self::Number)
    }

    pub(super) fn equals(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Text(this), Value::Text(that)) | (Self::Beyond(this), Value::Beyond(that)) => {
                **this == **that
            }
            (Self::Number(this), Value::Number(that)) => this == that,
            (Self::True, Value::True) | (Self::False, Value::False) | (Self::Null, Value::Null) => {
                true
            }
            _ => false,
        }
    }
}

impl<'a> Value<'a> {
    /// A number as it is written in a message.
    pub(super) fn number(text: &'a str) -> Self {
        units(text).map_or_else(|| Self::Beyond(text.into()), Self::Number)
    }

    /// Its text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A number in the smallest unit, if it is one and within the bounds. However long it is written, it costs its length.
pub(super) fn units(text: &str) -> Option<i64> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, power(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = || whole.bytes().chain(fraction.bytes());
    if !digits().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let zeros = digits().take_while(|digit| *digit == b'0').count();
    let total = whole.len() + fraction.len();
    if zeros == total {
        return Some(0);
    }
    // Where the point is among the digits that count.
    let point = i64::try_from(whole.len())
        .ok()?
        .saturating_sub(i64::try_from(zeros).ok()?)
        .saturating_add(exponent);
    if point > WHOLE_DIGITS_MAX {
        return None;
    }
    let wanted = usize::try_from(point + FILTER_NUMBER_DECIMALS as i64).unwrap_or(0);
    let taken = digits()
        .skip(zeros)
        .chain(std::iter::repeat(b'0'))
        .take(wanted);
    let size = taken.fold(0_i64, |size, digit| size * 10 + i64::from(digit - b'0'));
    (size <= UNITS_MAX).then_some(if negative { -size } else { size })
}

/// An exponent; one beyond all measure is as good as a great one.
fn power(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let size = digits.parse().unwrap_or(i64::MAX / 4);
    let size = size.min(i64::MAX / 4);
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_kept_to_five_digits() {
        let cases = [
            ("0", Some(0)),
            ("-0.0", Some(0)),
            ("301.5", Some(30_150_000)),
            ("3.015e2", Some(30_150_000)),
            ("-3015E-1", Some(-30_150_000)),
            ("+5", Some(500_000)),
            (".5", Some(50_000)),
            ("5.", Some(500_000)),
            ("0.00001", Some(1)),
            ("0.000019", Some(1)),
            ("0.000009", Some(0)),
            ("-0.000009", Some(0)),
            ("1e9", Some(UNITS_MAX)),
            ("-1000000000", Some(-UNITS_MAX)),
            ("1000000000.00001", None),
            ("1e10", None),
            ("123456789012", None),
            ("0e99999999999999999999", Some(0)),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", Some(0)),
            ("000000000000000000007", Some(700_000)),
            ("", None),
            ("-", None),
            (".", None),
            ("e5", None),
            ("1e", None),
            ("1e+", None),
            ("1.2.3", None),
            ("abc", None),
            ("NaN", None),
            ("1 ", None),
            ("é", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(units(text), wanted, "{text}");
        }
        assert_eq!(units(&format!("0.{}1", "0".repeat(100_000))), Some(0));
        assert_eq!(units(&"9".repeat(100_000)), None);
    }
}
