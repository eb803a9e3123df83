//! A lease as an item of the table, in the attributes of Amazon's client library. Pure.
//!
//! Attributes that are not known are never touched: a change names what it sets.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::lease::Lease;
use crate::hash::HashRange;
use crate::position::Checkpoint;

/// The attributes, as the library names them.
pub(crate) mod names {
    pub(crate) const LEASE_KEY: &str = "leaseKey";
    pub(crate) const LEASE_OWNER: &str = "leaseOwner";
    pub(crate) const LEASE_COUNTER: &str = "leaseCounter";
    pub(crate) const CHECKPOINT: &str = "checkpoint";
    pub(crate) const SUB_SEQUENCE_NUMBER: &str = "checkpointSubSequenceNumber";
    pub(crate) const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
    pub(crate) const PARENTS: &str = "parentShardId";
    pub(crate) const CHILDREN: &str = "childShardIds";
    pub(crate) const FIRST_HASH_KEY: &str = "startingHashKey";
    pub(crate) const LAST_HASH_KEY: &str = "endingHashKey";
}

/// An item.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(crate) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The item of a lease.
pub(crate) fn write(lease: &Lease) -> Item {
    use names::{
        CHECKPOINT, CHILDREN, FIRST_HASH_KEY, LAST_HASH_KEY, LEASE_COUNTER, LEASE_KEY, LEASE_OWNER,
        OWNER_SWITCHES, PARENTS, SUB_SEQUENCE_NUMBER,
    };
    let checkpoint = &lease.checkpoint;
    let mut item = Item::from([
        (LEASE_KEY.to_owned(), text(&lease.key)),
        (LEASE_COUNTER.to_owned(), number(lease.counter)),
        (CHECKPOINT.to_owned(), text(checkpoint.word())),
        (
            SUB_SEQUENCE_NUMBER.to_owned(),
            number(checkpoint.sub_sequence_number()),
        ),
        (OWNER_SWITCHES.to_owned(), number(lease.owner_switches)),
    ]);
    if let Some(owner) = &lease.owner {
        item.insert(LEASE_OWNER.to_owned(), text(owner));
    }
    for (name, shards) in [(PARENTS, &lease.parents), (CHILDREN, &lease.children)] {
        // A set is never empty.
        if !shards.is_empty() {
            item.insert(name.to_owned(), AttributeValue::Ss(shards.clone()));
        }
    }
    if let Some(range) = lease.range {
        item.insert(FIRST_HASH_KEY.to_owned(), text(range.first.to_string()));
        item.insert(LAST_HASH_KEY.to_owned(), text(range.last.to_string()));
    }
    item
}

/// The lease of an item; `None` if it is something else, of which newer versions of the library keep several kinds here.
pub(crate) fn read(item: &Item) -> Option<Lease> {
    let string = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let count = |name: &str| -> Option<u64> { item.get(name)?.as_n().ok()?.parse().ok() };
    let set = |name: &str| {
        let value = item.get(name).and_then(|value| value.as_ss().ok());
        value.cloned().unwrap_or_default()
    };
    let sub_sequence_number = count(names::SUB_SEQUENCE_NUMBER).unwrap_or(0);
    let ends = string(names::FIRST_HASH_KEY).zip(string(names::LAST_HASH_KEY));
    Some(Lease {
        key: string(names::LEASE_KEY)?.clone(),
        owner: string(names::LEASE_OWNER).cloned(),
        counter: count(names::LEASE_COUNTER)?,
        checkpoint: Checkpoint::parse(string(names::CHECKPOINT)?, sub_sequence_number)?,
        owner_switches: count(names::OWNER_SWITCHES).unwrap_or(0),
        parents: set(names::PARENTS),
        children: set(names::CHILDREN),
        range: ends.and_then(|(first, last)| HashRange::parse(first, last)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::HashKey;
    use crate::position::{Position, SequenceNumber};

    fn lease() -> Lease {
        Lease {
            key: "shardId-000000000007".to_owned(),
            owner: Some("worker".to_owned()),
            counter: 12,
            checkpoint: Checkpoint::At(Position {
                sequence_number: SequenceNumber::parse(
                    "4959033827149025660855969253836157109592157",
                )
                .unwrap(),
                sub_sequence_number: 5,
            }),
            owner_switches: 2,
            parents: vec![
                "shardId-000000000001".to_owned(),
                "shardId-000000000002".to_owned(),
            ],
            children: vec!["shardId-000000000009".to_owned()],
            range: Some(HashRange {
                first: HashKey::new(5),
                last: HashKey::MAX,
            }),
        }
    }

    #[test]
    fn a_lease_is_read_as_it_is_written() {
        assert_eq!(read(&write(&lease())), Some(lease()));
        let bare = Lease {
            owner: None,
            checkpoint: Checkpoint::TrimHorizon,
            parents: Vec::new(),
            children: Vec::new(),
            range: None,
            ..lease()
        };
        assert_eq!(read(&write(&bare)), Some(bare));
    }

    #[test]
    fn an_item_has_the_types_of_amazons_library() {
        let item = write(&lease());
        assert_eq!(item["leaseCounter"], AttributeValue::N("12".to_owned()));
        assert_eq!(
            item["checkpointSubSequenceNumber"],
            AttributeValue::N("5".to_owned())
        );
        assert_eq!(item["startingHashKey"], AttributeValue::S("5".to_owned()));
        assert!(item["parentShardId"].is_ss() && item["childShardIds"].is_ss());
    }

    #[test]
    fn what_is_no_lease_is_left_alone() {
        let leader = Item::from([
            ("leaseKey".to_owned(), text("Leader")),
            ("entityType".to_owned(), text("LEADER")),
        ]);
        assert_eq!(read(&leader), None);
    }
}
