//! `ReplayPolicy`: which messages of an archive a subscription is to get anew. Wordings are ours: AWS documents none.

use levada_types::Timestamp;
use serde_json::Value;

use super::attribute_error::{AttributeError, object};

pub(super) const NAME: &str = "ReplayPolicy";

/// Messages that were published from one time on, to another or for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayPolicy {
    /// From when on.
    pub starting_point: Timestamp,
    /// Until when, this millisecond included; for good, if there is none.
    pub ending_point: Option<Timestamp>,
}

impl ReplayPolicy {
    /// `{"PointType": "Timestamp", "StartingPoint": "...", "EndingPoint": "..."}`; `{}` takes it away.
    pub(super) fn parse(value: &str) -> Result<Option<Self>, AttributeError> {
        let map = object(NAME, value)?;
        if map.is_empty() {
            return Ok(None);
        }
        let known = ["PointType", "StartingPoint", "EndingPoint"];
        if let Some(other) = map.keys().find(|key| !known.contains(&key.as_str())) {
            let reason = format!("invalid JSON. Attribute {other} is unknown.");
            return Err(AttributeError::new(NAME, reason));
        }
        if map.get("PointType").and_then(Value::as_str) != Some("Timestamp") {
            return Err(AttributeError::new(NAME, "PointType must be Timestamp."));
        }
        let point = |name: &str| match map.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_str().and_then(time) {
                Some(time) => Ok(Some(time)),
                None => {
                    let reason = format!("{name} must be a time such as 2023-09-22T09:50:20.000Z.");
                    Err(AttributeError::new(NAME, reason))
                }
            },
        };
        let starting_point = point("StartingPoint")?
            .ok_or_else(|| AttributeError::new(NAME, "StartingPoint must be specified."))?;
        let ending_point = point("EndingPoint")?;
        if ending_point.is_some_and(|end| end <= starting_point) {
            return Err(AttributeError::new(
                NAME,
                "EndingPoint must be later than StartingPoint.",
            ));
        }
        Ok(Some(Self {
            starting_point,
            ending_point,
        }))
    }

    /// Whether a message that was published at a time is to be replayed.
    pub fn has(&self, time: Timestamp) -> bool {
        time >= self.starting_point && self.ending_point.is_none_or(|end| time <= end)
    }
}

/// `YYYY-MM-DDThh:mm:ss`, a fraction if need be, of which milliseconds count, and `Z`.
fn time(text: &str) -> Option<Timestamp> {
    let rest = text.strip_suffix('Z')?;
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let is_laid_out = whole.bytes().enumerate().all(|(at, b)| match at {
        4 | 7 => b == b'-',
        10 => b == b'T',
        13 | 16 => b == b':',
        _ => b.is_ascii_digit(),
    });
    let has_fraction = !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 19 || !is_laid_out || !has_fraction {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<u64>().ok();
    let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?)?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let secs = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp::from_millis(secs * 1_000 + millis))
}

/// Days from 1970-01-01 to a day that there is.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let february = 28 + u64::from(is_leap);
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    let length = *lengths.get(before)?;
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    // Leap years before this one, since the year 0.
    let leap_years = |year: u64| year / 4 - year / 100 + year / 400;
    let leap_days = leap_years(year - 1) - leap_years(1969);
    let of_year: u64 = lengths.iter().take(before).sum();
    Some((year - 1970) * 365 + leap_days + of_year + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sns::timestamp;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        for millis in [
            0,
            951_782_400_001,
            1_077_926_399_999,
            1_709_164_800_000,
            1_709_251_199_999,
            4_107_542_400_000,
            253_402_300_799_999,
        ] {
            let at = Timestamp::from_millis(millis);
            assert_eq!(time(&timestamp(at).to_string()), Some(at));
        }
        let at = |millis| Some(Timestamp::from_millis(millis));
        assert_eq!(time("1970-01-01T00:00:01Z"), at(1_000));
        assert_eq!(time("1970-01-01T00:00:01.5Z"), at(1_500));
        assert_eq!(time("1970-01-01T00:00:01.123456789Z"), at(1_123));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "Z",
            "2023-09-22",
            "2023-09-22T09:50:20",
            "2023-09-22T09:50:20.Z",
            "2023-09-22T09:50:20.1xZ",
            "2023-09-22 09:50:20Z",
            "2023-13-22T09:50:20Z",
            "2023-00-22T09:50:20Z",
            "2023-02-29T09:50:20Z",
            "2023-09-00T09:50:20Z",
            "2023-09-22T24:50:20Z",
            "2023-09-22T09:60:20Z",
            "2023-09-22T09:50:60Z",
            "1969-12-31T23:59:59Z",
            "2023-09-22T09:50:20+02:00",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn both_ends_belong_to_it() {
        let policy = r#"{"PointType":"Timestamp","StartingPoint":"1970-01-01T00:00:01Z","EndingPoint":"1970-01-01T00:00:02Z"}"#;
        let policy = ReplayPolicy::parse(policy).unwrap().unwrap();
        let has = |millis| policy.has(Timestamp::from_millis(millis));
        assert_eq!(
            [999, 1_000, 2_000, 2_001].map(has),
            [false, true, true, false]
        );
        let for_good = ReplayPolicy {
            ending_point: None,
            ..policy
        };
        assert!(for_good.has(Timestamp::NEVER));
    }
}
