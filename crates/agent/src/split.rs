//! Makes records of the bytes of a file. Pure: it is given bytes from the beginning of a record on, and whether more may
//! come. A record is a line, or lines from one that matches an expression to the next that does.

use std::ops::Range;

use regex::bytes::Regex;

/// How a flow's records are told apart.
#[derive(Clone, Debug)]
pub(crate) struct Splitter {
    /// What the first line of a record matches; without it each line is one.
    pub(crate) start: Option<Regex>,
    /// Bytes of a record. What is longer is cut into several.
    pub(crate) record_bytes_max: usize,
}

/// What is known of what follows the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// More may come.
    Open,
    /// The lines that are there are whole records; a line without an end may still get one.
    Lines,
    /// Nothing comes any more.
    Final,
}

/// A record at the beginning of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Bytes until the next record begins.
    pub(crate) len: usize,
    /// Where the record stands in them, without the end of its last line.
    pub(crate) body: Range<usize>,
    /// What was cut off because it is too long goes on in the next one.
    pub(crate) is_piece: bool,
}

impl Splitter {
    /// The first record, if it is known where it ends. More than `record_bytes_max` bytes always hold one.
    pub(crate) fn next(&self, bytes: &[u8], ending: Ending) -> Option<Cut> {
        let (whole, torn) = match &self.start {
            None => match self.line_end(bytes) {
                Some(end) => return Some(whole(bytes, end)),
                None => (0, bytes.len()),
            },
            Some(start) => match self.lines(start, bytes) {
                Lines::Ended(end) => return Some(whole(bytes, end)),
                Lines::Open { whole, torn } => (whole, torn),
            },
        };
        if torn > self.record_bytes_max {
            return Some(if whole > 0 {
                Cut {
                    is_piece: true,
                    ..self::whole(bytes, whole)
                }
            } else {
                piece(bytes, self.record_bytes_max)
            });
        }
        match ending {
            Ending::Final if torn > 0 => Some(self.last(bytes, whole)),
            Ending::Lines if whole > 0 && whole == torn => Some(self::whole(bytes, whole)),
            _ => None,
        }
    }

    /// What nothing follows: lines, and perhaps one without an end, which may begin a record of its own.
    fn last(&self, bytes: &[u8], whole: usize) -> Cut {
        let begins_another = self.start.as_ref().is_some_and(|start| {
            whole > 0 && whole < bytes.len() && start.is_match(&bytes[whole..])
        });
        self::whole(bytes, if begins_another { whole } else { bytes.len() })
    }

    /// Where the first line ends, if that is within the bound.
    fn line_end(&self, bytes: &[u8]) -> Option<usize> {
        let window = &bytes[..bytes.len().min(self.record_bytes_max.saturating_add(1))];
        memchr::memchr(b'\n', window).map(|at| at + 1)
    }

    fn lines(&self, start: &Regex, bytes: &[u8]) -> Lines {
        let mut end = 0;
        while let Some(len) = memchr::memchr(b'\n', &bytes[end..]) {
            let line = &bytes[end..=end + len];
            if end > 0 && start.is_match(trimmed(line)) {
                return Lines::Ended(end);
            }
            // A line's end is not counted.
            if end + line.len() > self.record_bytes_max.saturating_add(1) {
                break;
            }
            end += line.len();
        }
        Lines::Open {
            whole: end,
            torn: bytes.len(),
        }
    }
}

enum Lines {
    /// The next record begins there.
    Ended(usize),
    /// So many bytes of whole lines, and so many with what follows them.
    Open { whole: usize, torn: usize },
}

fn whole(bytes: &[u8], end: usize) -> Cut {
    Cut {
        len: end,
        body: 0..trimmed(&bytes[..end]).len(),
        is_piece: false,
    }
}

/// So many bytes at most, and no character cut in two.
fn piece(bytes: &[u8], len_max: usize) -> Cut {
    let is_inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let back = (0..4.min(len_max)).find(|back| !is_inside(len_max - back));
    let len = len_max - back.unwrap_or(0);
    Cut {
        len,
        body: 0..len,
        is_piece: true,
    }
}

/// Without the end of the last line.
fn trimmed(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn splitter(start: Option<&str>, record_bytes_max: usize) -> Splitter {
        Splitter {
            start: start.map(|start| Regex::new(start).unwrap()),
            record_bytes_max,
        }
    }

    fn all(splitter: &Splitter, text: &str, ending: Ending) -> Vec<String> {
        let mut rest = text.as_bytes();
        let mut records = Vec::new();
        while let Some(cut) = splitter.next(rest, ending) {
            records.push(String::from_utf8(rest[cut.body.clone()].to_vec()).unwrap());
            rest = &rest[cut.len..];
        }
        records
    }

    #[test]
    fn a_line_is_a_record_and_a_torn_one_waits() {
        let lines = splitter(None, 100);
        assert_eq!(all(&lines, "a\r\n\nb", Ending::Open), ["a", ""]);
        assert_eq!(all(&lines, "a\n\nb", Ending::Lines), ["a", ""]);
        assert_eq!(all(&lines, "a\n\nb", Ending::Final), ["a", "", "b"]);
    }

    #[test]
    fn a_record_of_lines_goes_to_the_next_that_begins_one() {
        let records = splitter(Some(r"^\d"), 100);
        let text = "cut off\n1 a\n  at b\n  at c\n2 d\n  at";
        assert_eq!(
            all(&records, text, Ending::Open),
            ["cut off", "1 a\n  at b\n  at c"]
        );
        // The last line may become "  at e".
        assert_eq!(all(&records, text, Ending::Lines).len(), 2);
        assert_eq!(all(&records, text, Ending::Final)[2], "2 d\n  at");
        assert_eq!(
            all(&records, "1 a\n  at b\n", Ending::Lines),
            ["1 a\n  at b"]
        );
        assert_eq!(all(&records, "1 a\n  at b\n", Ending::Open), [""; 0]);
    }

    #[test]
    fn what_is_too_long_is_cut_between_lines_or_characters() {
        assert_eq!(
            all(&splitter(None, 4), "12345678\n", Ending::Open),
            ["1234", "5678"]
        );
        assert_eq!(
            all(&splitter(None, 4), "123ä5\n", Ending::Open),
            ["123", "ä5"]
        );
        assert_eq!(
            all(&splitter(Some("^#"), 6), "#1\n23\n45\n67\n#", Ending::Open),
            ["#1\n23", "45\n67"]
        );
    }

    fn check_whole(text: &str, splitter: &Splitter) -> Result<(), TestCaseError> {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let cut = splitter.next(rest, Ending::Final).unwrap();
            prop_assert!(cut.len > 0 && cut.len <= rest.len());
            prop_assert!(cut.body.len() <= splitter.record_bytes_max);
            prop_assert!(std::str::from_utf8(&rest[cut.body.clone()]).is_ok());
            // What is between two records is the end of a line.
            prop_assert!([&b""[..], b"\n", b"\r\n"].contains(&&rest[cut.body.end..cut.len]));
            rest = &rest[cut.len..];
        }
        Ok(())
    }

    /// The records when the text comes bit by bit, and is looked at from the last record's end each time.
    fn piecemeal(splitter: &Splitter, text: &str, steps: &[usize]) -> Vec<Vec<u8>> {
        let bytes = text.as_bytes();
        let (mut at, mut seen) = (0, 0);
        let mut records = Vec::new();
        for step in steps.iter().copied().chain([bytes.len()]) {
            seen = bytes.len().min(seen + step);
            while let Some(cut) = splitter.next(&bytes[at..seen], Ending::Open) {
                records.push(bytes[at..at + cut.body.end].to_vec());
                at += cut.len;
            }
        }
        records
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_too_long(text in "[a#ä\\r\\n]{0,60}", max in 4_usize..20) {
            check_whole(&text, &splitter(None, max))?;
            check_whole(&text, &splitter(Some("^#"), max))?;
        }

        #[test]
        fn it_does_not_matter_in_which_pieces_bytes_come(
            text in "[a#\\n]{0,60}", steps in prop::collection::vec(0_usize..9, 0..12)
        ) {
            for splitter in [splitter(None, 1000), splitter(Some("^#"), 1000)] {
                prop_assert_eq!(piecemeal(&splitter, &text, &steps), piecemeal(&splitter, &text, &[]));
            }
        }

        #[test]
        fn more_than_the_bound_always_holds_a_record(text in "[a#\\n]{9,60}", max in 4_usize..8) {
            prop_assert!(splitter(None, max).next(text.as_bytes(), Ending::Open).is_some());
            prop_assert!(splitter(Some("^#"), max).next(text.as_bytes(), Ending::Open).is_some());
        }
    }
}
