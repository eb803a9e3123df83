//! Numbers of a table's attributes: decimal, exact, of up to 38 significant digits.
//!
//! Used by the wire, which reads and prints them, and by the engine, which compares, adds and orders them.
//! Source: "Data types" in the DynamoDB developer guide.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Significant digits of a number.
pub const DIGITS_MAX: usize = 38;
/// The greatest power of ten of a number's first digit.
const POWER_MAX: i32 = 125;
/// The least power of ten of a number's first digit.
const POWER_MIN: i32 = -130;

/// Why a text or a sum is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NumberError {
    /// It is not written as one.
    #[error("not a number")]
    Syntax,
    /// It has more than 38 significant digits.
    #[error("too many significant digits")]
    TooPrecise,
    /// It is 1E+126 or more, or as much below zero.
    #[error("too large")]
    Overflow,
    /// It is nearer to zero than 1E-130.
    #[error("too small")]
    Underflow,
}

/// A number. Equal numbers are equal values, however they were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    /// Without zeros at its end; 0 of zero.
    significand: u128,
    /// The power of ten of the significand's last digit; 0 of zero.
    exponent: i16,
}

impl Number {
    /// Zero.
    pub const ZERO: Self = Self {
        negative: false,
        significand: 0,
        exponent: 0,
    };

    /// From decimal digits, the most significant first, of which the last has this power of ten.
    fn from_digits(negative: bool, digits: &[u8], exponent: i32) -> Result<Self, NumberError> {
        let Some(first) = digits.iter().position(|digit| *digit != 0) else {
            return Ok(Self::ZERO);
        };
        let last = digits.iter().rposition(|d| *d != 0).unwrap_or(first);
        let dropped = i32::try_from(digits.len() - 1 - last).map_err(|_| NumberError::Overflow)?;
        let digits = &digits[first..=last];
        let exponent = exponent.checked_add(dropped).ok_or(NumberError::Overflow)?;
        let length = i32::try_from(digits.len()).map_err(|_| NumberError::TooPrecise)?;
        let power = exponent
            .checked_add(length - 1)
            .ok_or(NumberError::Overflow)?;
        if digits.len() > DIGITS_MAX {
            return Err(NumberError::TooPrecise);
        }
        if power > POWER_MAX {
            return Err(NumberError::Overflow);
        }
        if power < POWER_MIN {
            return Err(NumberError::Underflow);
        }
        let value = digits
            .iter()
            .fold(0, |n, digit| n * 10 + u128::from(*digit));
        Ok(Self {
            negative,
            significand: value,
            exponent: i16::try_from(exponent).map_err(|_| NumberError::Overflow)?,
        })
    }

    /// Its significant digits, the most significant first; none of zero.
    fn digits(&self) -> Vec<u8> {
        let mut digits = Vec::with_capacity(DIGITS_MAX);
        let mut rest = self.significand;
        while rest > 0 {
            digits.push((rest % 10) as u8);
            rest /= 10;
        }
        digits.reverse();
        digits
    }

    /// The power of ten of its first digit; of zero, below that of any other.
    fn power(&self) -> i32 {
        match self.significand {
            0 => POWER_MIN - 1,
            n => i32::from(self.exponent) + n.ilog10() as i32,
        }
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        self.power()
            .cmp(&other.power())
            .then_with(|| self.digits().cmp(&other.digits()))
    }

    /// The same number on the other side of zero.
    #[must_use]
    pub fn negated(self) -> Self {
        Self {
            negative: !self.negative && self.significand != 0,
            ..self
        }
    }

    /// The sum, if it is exact within the digits that a number has.
    pub fn plus(&self, other: &Self) -> Result<Self, NumberError> {
        if self.significand == 0 {
            return Ok(*other);
        }
        if other.significand == 0 {
            return Ok(*self);
        }
        let (larger, smaller) = match self.cmp_magnitude(other) {
            Ordering::Less => (other, self),
            _ => (self, other),
        };
        // Columns from the highest power, with one for a carry, to the lowest.
        let lowest = i32::from(larger.exponent.min(smaller.exponent));
        let columns = usize::try_from(larger.power() + 2 - lowest).unwrap_or(0);
        let spread = |number: &Self| {
            let mut column = vec![0_i8; columns];
            let shift = usize::try_from(i32::from(number.exponent) - lowest).unwrap_or(0);
            let digits = number.digits();
            let first = columns - shift - digits.len();
            for (to, digit) in column[first..].iter_mut().zip(digits) {
                *to = digit as i8;
            }
            column
        };
        let (mut sum, term) = (spread(larger), spread(smaller));
        let sign = if larger.negative == smaller.negative {
            1
        } else {
            -1
        };
        let mut carry = 0;
        for (column, digit) in sum.iter_mut().zip(term).rev() {
            let total = *column + sign * digit + carry;
            carry = total.div_euclid(10);
            *column = total.rem_euclid(10);
        }
        let digits: Vec<u8> = sum.into_iter().map(i8::unsigned_abs).collect();
        Self::from_digits(larger.negative, &digits, lowest)
    }

    /// Bytes that sort as numbers do. None of them is a beginning of another's.
    pub fn sortable(&self) -> Vec<u8> {
        if self.significand == 0 {
            return vec![0x80];
        }
        let power = u16::try_from(self.power() - POWER_MIN).unwrap_or(u16::MAX);
        let mut magnitude = power.to_be_bytes().to_vec();
        magnitude.extend(self.digits().iter().map(|digit| digit + 1));
        magnitude.push(0);
        if self.negative {
            magnitude.iter_mut().for_each(|byte| *byte = !*byte);
            magnitude.insert(0, 0x40);
        } else {
            magnitude.insert(0, 0xc0);
        }
        magnitude
    }

    /// What it counts of an item's size, in bytes.
    pub fn size(&self) -> usize {
        let digits = self
            .significand
            .checked_ilog10()
            .map_or(0, |n| n as usize + 1);
        digits.div_ceil(2) + 1 + usize::from(self.negative)
    }
}

impl From<u64> for Number {
    fn from(n: u64) -> Self {
        // 20 digits at most.
        n.to_string().parse().unwrap_or(Self::ZERO)
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let (negative, rest) = match text.as_bytes() {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut digits = Vec::with_capacity(rest.len().min(2 * DIGITS_MAX));
        let (mut behind_point, mut seen_point, mut seen_digit) = (0_i32, false, false);
        let mut at = 0;
        while let Some(byte) = rest.get(at) {
            match byte {
                b'0'..=b'9' => {
                    seen_digit = true;
                    behind_point += i32::from(seen_point);
                    // Zeros before the first digit say nothing.
                    if *byte != b'0' || !digits.is_empty() {
                        digits.push(byte - b'0');
                    }
                }
                b'.' if !seen_point => seen_point = true,
                b'e' | b'E' => break,
                _ => return Err(NumberError::Syntax),
            }
            at += 1;
        }
        if !seen_digit {
            return Err(NumberError::Syntax);
        }
        let exponent = match rest.get(at + 1..) {
            None => 0,
            Some(exponent) => read_exponent(exponent)?,
        };
        Self::from_digits(negative, &digits, exponent.saturating_sub(behind_point))
    }
}

fn read_exponent(text: &[u8]) -> Result<i32, NumberError> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NumberError::Syntax);
    }
    // Beyond any number's, and far from overflowing.
    const EXPONENT_MAX: i32 = 1_000_000;
    let exponent = digits.iter().fold(0_i32, |n, digit| {
        (n * 10 + i32::from(digit - b'0')).min(EXPONENT_MAX)
    });
    Ok(if negative { -exponent } else { exponent })
}

impl fmt::Display for Number {
    /// In plain notation, as DynamoDB gives numbers back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if self.negative {
            text.push('-');
        }
        let digits = self.significand.to_string();
        match usize::try_from(self.exponent) {
            Ok(zeros) => {
                text.push_str(&digits);
                text.extend(std::iter::repeat_n('0', zeros));
            }
            Err(_) => {
                let behind = usize::from(self.exponent.unsigned_abs());
                if let Some(before) = digits.len().checked_sub(behind).filter(|n| *n > 0) {
                    text.push_str(&digits[..before]);
                    text.push('.');
                    text.push_str(&digits[before..]);
                } else {
                    text.push_str("0.");
                    text.extend(std::iter::repeat_n('0', behind - digits.len()));
                    text.push_str(&digits);
                }
            }
        }
        f.write_str(&text)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn n(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_told_in_plain_notation() {
        for (written, told) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("007", "7"),
            ("1.50", "1.5"),
            ("-.5", "-0.5"),
            ("12e2", "1200"),
            ("1E-3", "0.001"),
            ("123456789.000123", "123456789.000123"),
            ("+1e+2", "100"),
        ] {
            assert_eq!(n(written).to_string(), told, "{written}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "e5", "1e", "1e+", "1.2.3", " 1", "0x1", "NaN"] {
            assert_eq!(text.parse::<Number>(), Err(NumberError::Syntax), "{text:?}");
        }
        let digits = |count| "1".repeat(count).parse::<Number>();
        assert!(digits(38).is_ok());
        assert_eq!(digits(39), Err(NumberError::TooPrecise));
        assert!("9.9e125".parse::<Number>().is_ok());
        assert_eq!("1e126".parse::<Number>(), Err(NumberError::Overflow));
        assert!("1e-130".parse::<Number>().is_ok());
        assert_eq!("1e-131".parse::<Number>(), Err(NumberError::Underflow));
        assert_eq!(
            "1e99999999999".parse::<Number>(),
            Err(NumberError::Overflow)
        );
        assert_eq!("0e999".parse::<Number>(), Ok(Number::ZERO));
    }

    #[test]
    fn order_is_that_of_the_bytes() {
        let rising = [
            "-1e125", "-20", "-12.5", "-12", "-1", "-0.5", "-1e-130", "0", "1e-130", "0.05", "0.5",
            "1", "1.2", "1.25", "2", "10", "12", "120", "1e125",
        ];
        for (i, a) in rising.iter().enumerate() {
            for (j, b) in rising.iter().enumerate() {
                assert_eq!(n(a).cmp(&n(b)), i.cmp(&j), "{a} {b}");
                assert_eq!(n(a).sortable().cmp(&n(b).sortable()), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn sums_are_exact() {
        for (a, b, sum) in [
            ("1", "2", "3"),
            ("99", "1", "100"),
            ("100", "-1", "99"),
            ("-100", "1", "-99"),
            ("0.1", "0.2", "0.3"),
            ("5", "-5", "0"),
            ("-7", "-8", "-15"),
            ("1e20", "1e-10", "100000000000000000000.0000000001"),
            ("0", "-3", "-3"),
        ] {
            assert_eq!(n(a).plus(&n(b)), Ok(n(sum)), "{a} + {b}");
            assert_eq!(n(b).plus(&n(a)), Ok(n(sum)), "{b} + {a}");
        }
        assert_eq!(n("1e125").plus(&n("1")), Err(NumberError::TooPrecise));
        assert_eq!(n("9e125").plus(&n("1e125")), Err(NumberError::Overflow));
    }
}
