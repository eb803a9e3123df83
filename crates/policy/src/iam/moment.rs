//! Moments, as conditions on dates write them: ISO 8601, or seconds since 1970; and as ISO 8601 writes them.

/// Milliseconds since 1970, if it is a moment.
pub(super) fn moment_ms(text: &str) -> Option<i64> {
    if let Ok(secs) = text.parse::<i64>() {
        // Four digits are a year, as ISO 8601 has it.
        return if text.len() == 4 && secs >= 0 {
            days(secs, 1, 1).map(|days| days * DAY_MS)
        } else {
            secs.checked_mul(1_000)
        };
    }
    let (date, time) = match text.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = match (parts.next(), time) {
        (Some(day), _) => digits(day, 2)?,
        (None, None) => 1,
        (None, Some(_)) => return None,
    };
    let date_ms = days(year, month, day)? * DAY_MS;
    match time {
        None => Some(date_ms),
        Some(time) => date_ms.checked_add(time_ms(time)?),
    }
}

const DAY_MS: i64 = 86_400_000;

/// So many digits and nothing else.
fn digits(text: &str, count: usize) -> Option<i64> {
    let all = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

/// `12:30`, `12:30:15` or `12:30:15.5`, with `Z`, `+01:00` or nothing behind it, which is `Z`; the offset is taken off.
fn time_ms(text: &str) -> Option<i64> {
    let (clock, offset_ms) = match text.find(['Z', '+', '-']) {
        None => (text, 0),
        Some(place) => {
            let (clock, zone) = text.split_at(place);
            (clock, offset_ms(zone)?)
        }
    };
    let mut parts = clock.splitn(3, ':');
    let hours = digits(parts.next()?, 2).filter(|hours| *hours < 24)?;
    let minutes = digits(parts.next()?, 2).filter(|minutes| *minutes < 60)?;
    let secs_ms = match parts.next() {
        None => 0,
        Some(secs) => {
            let (whole, fraction) = secs.split_once('.').unwrap_or((secs, "0"));
            let whole = digits(whole, 2).filter(|secs| *secs < 61)?;
            if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
            whole * 1_000 + digits(&millis, 3)?
        }
    };
    Some((hours * 60 + minutes) * 60_000 + secs_ms - offset_ms)
}

fn offset_ms(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let hours = digits(hours, 2).filter(|hours| *hours < 24)?;
    let minutes = digits(minutes, 2).filter(|minutes| *minutes < 60)?;
    Some(sign * (hours * 60 + minutes) * 60_000)
}

/// Days since 1970 of a date of the Gregorian calendar, if there is that date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let in_month = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=in_month).contains(&day) {
        return None;
    }
    // Counted from March, so that the day that comes and goes is a year's last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before_year = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 1970-01-01 is day 719468 when counted from March of the year 0.
    Some(before_year + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// `2026-11-28T04:00:00Z`: a moment of a year from 0 on, to the second that it is in.
pub(super) fn written(moment_ms: i64) -> String {
    let (days, ms) = (moment_ms.div_euclid(DAY_MS), moment_ms.rem_euclid(DAY_MS));
    // Counted from March of the year 0, as in `days`; the calendar repeats after 400 years of 146097 days.
    let days = days + 719_468;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (cycle * 400 + year, month + 3)
    } else {
        (cycle * 400 + year + 1, month - 9)
    };
    let secs = ms / 1_000;
    let (hours, minutes, secs) = (secs / 3_600, secs / 60 % 60, secs % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{secs:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let cases = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01", Some(0)),
            ("1970", Some(0)),
            ("1970-02", Some(31 * DAY_MS)),
            ("2000-02-29T12:30:15.25Z", Some(951_827_415_250)),
            ("2026-11-28T05:00:00+01:00", Some(1_795_838_400_000)),
            ("2026-11-28T03:30-00:30", Some(1_795_838_400_000)),
            ("2026-11-28T04:00:00", Some(1_795_838_400_000)),
            ("1795838400", Some(1_795_838_400_000)),
            ("-1", Some(-1_000)),
            ("0000-03-01", Some(-719_468 * DAY_MS)),
            ("2023-02-29", None),
            ("2023-13-01", None),
            ("2023-00-01", None),
            ("2023-01-00", None),
            ("2023-01-01T", None),
            ("2023-01T10:00Z", None),
            ("2023-01-01T24:00Z", None),
            ("2023-01-01T10Z", None),
            ("2023-01-01T10:00:00.Z", None),
            ("2023-01-01T10:00:00+1", None),
            ("2023-01-01 10:00", None),
            ("99999999999999999999", None),
            ("9223372036854775807", None),
            ("", None),
            ("soon", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(moment_ms(text), wanted, "{text}");
        }
    }

    /// Day by day over what the calendar repeats after.
    #[test]
    fn days_follow_each_other() {
        let mut expected = days(1_600, 1, 1).unwrap_or(0);
        for year in 1_600..2_001 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(found) = days(year, month, day) {
                        assert_eq!(found, expected, "{year} {month} {day}");
                        let text = written(found * DAY_MS + 86_399_999);
                        assert_eq!(text, format!("{year:04}-{month:02}-{day:02}T23:59:59Z"));
                        expected += 1;
                    }
                }
            }
        }
    }
}
