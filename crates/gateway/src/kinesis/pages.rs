//! Pages of listings: how many, from where, and the tokens of the next ones.

use levada_cluster::Stream;
use levada_types::limits::STREAM_LIST_RESULTS_MAX;
use levada_wire::kinesis::{KinesisError, KinesisErrorKind, ShardId};

use super::sealed::{Fields, GOOD_FOR_MS, Kind, Seal};
use crate::clock;

/// How many a page holds.
pub(super) fn size(asked: Option<i64>, default: usize) -> usize {
    let asked = asked.and_then(|n| usize::try_from(n).ok());
    asked
        .unwrap_or(default)
        .min(STREAM_LIST_RESULTS_MAX as usize)
}

/// The first so many, and whether there are more.
pub(super) fn cut<T>(rows: impl Iterator<Item = T>, max: usize) -> (Vec<T>, bool) {
    let mut page: Vec<T> = rows.take(max + 1).collect();
    let has_more = page.len() > max;
    page.truncate(max);
    (page, has_more)
}

/// The shard after which a page begins. It need not be there any more.
pub(super) fn shard_after(
    text: Option<&str>,
    stream: &Stream,
) -> Result<Option<u32>, KinesisError> {
    let Some(text) = text else { return Ok(None) };
    let ShardId(number) = text
        .parse()
        .map_err(|_| KinesisError::could_not_find_shard(text, &stream.row.name, stream.account))?;
    Ok(Some(u32::try_from(number).unwrap_or(u32::MAX)))
}

/// A token: when it was given, and what the next page needs.
pub(super) fn token(seal: &Seal, kind: Kind, numbers: &[u64], text: &str) -> String {
    let mut fields = clock::now_ms().to_be_bytes().to_vec();
    numbers
        .iter()
        .for_each(|n| fields.extend_from_slice(&n.to_be_bytes()));
    fields.extend_from_slice(text.as_bytes());
    seal.seal(kind, &fields)
}

/// What a token needs, unless it is no token of this kind or too old. `N` numbers and a text.
pub(super) fn open<const N: usize>(
    seal: &Seal,
    kind: Kind,
    token: &str,
) -> Result<([u64; N], String), KinesisError> {
    let invalid = || KinesisError::invalid_argument("Invalid NextToken.");
    let fields = seal.open(kind, token).ok_or_else(invalid)?;
    let mut fields = Fields(&fields);
    let given_ms = fields.u64().ok_or_else(invalid)?;
    if clock::now_ms().saturating_sub(given_ms) > GOOD_FOR_MS {
        return Err(KinesisError::new(
            KinesisErrorKind::ExpiredNextToken,
            "The NextToken has expired. Tokens are valid for 300 seconds.",
        ));
    }
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = fields.u64().ok_or_else(invalid)?;
    }
    Ok((numbers, fields.text().ok_or_else(invalid)?))
}
