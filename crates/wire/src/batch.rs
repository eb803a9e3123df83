//! What batches of messages have in common, whichever the service: how many entries there may be, and what their
//! ids are. Each service has its own words for what is wrong.

use levada_types::limits::{BATCH_ENTRIES_MAX, BATCH_ENTRY_ID_LEN_MAX};

/// What is wrong with a batch as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchFault<'a> {
    /// It has no entries.
    Empty,
    /// It has this many, which is too many.
    TooMany(usize),
    /// An id is empty, too long, or has other characters than letters, digits, `-` and `_`.
    InvalidId,
    /// Two entries have this id.
    Repeated(&'a str),
}

/// Checks the number of the entries and their ids.
pub(crate) fn check<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> Result<(), BatchFault<'a>> {
    match ids.len() {
        0 => return Err(BatchFault::Empty),
        1..=BATCH_ENTRIES_MAX => {}
        count => return Err(BatchFault::TooMany(count)),
    }
    let mut seen: Vec<&str> = Vec::with_capacity(BATCH_ENTRIES_MAX);
    for id in ids {
        let ok = (1..=BATCH_ENTRY_ID_LEN_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !ok {
            return Err(BatchFault::InvalidId);
        }
        if seen.contains(&id) {
            return Err(BatchFault::Repeated(id));
        }
        seen.push(id);
    }
    Ok(())
}
