//! Which leases there should be: one for each shard that the application has to read, none for those that are read and gone. Pure.

use std::collections::{HashMap, HashSet};

use super::lease::Lease;
use crate::position::Checkpoint;
use crate::shards::Shard;

/// Shards that no lease, and no lease of an ancestor or a descendant, accounts for: where an application begins. Whether they are
/// read depends on the initial position.
pub(crate) fn unaccounted<'a>(shards: &'a [Shard], leases: &[Lease]) -> Vec<&'a Shard> {
    let leased: HashSet<&str> = leases.iter().map(|lease| lease.key.as_str()).collect();
    let by_id: HashMap<&str, &Shard> = shards.iter().map(|shard| (&*shard.id, shard)).collect();
    // Those that have a lease below them.
    let mut above: HashSet<&str> = HashSet::new();
    let parents = |id: &str| by_id.get(id).map_or(&[][..], |shard| &shard.parents);
    let mut open: Vec<&str> = leased.iter().copied().collect();
    while let Some(id) = open.pop() {
        for parent in parents(id) {
            if let Some(parent) = by_id.get(parent.as_str())
                && above.insert(&parent.id)
            {
                open.push(&parent.id);
            }
        }
    }
    let mut below: HashSet<&str> = leased.clone();
    for shard in parents_first(shards) {
        if shard
            .parents
            .iter()
            .any(|parent| below.contains(parent.as_str()))
        {
            below.insert(&shard.id);
        }
    }
    let found = shards.iter();
    found
        .filter(|shard| !above.contains(&*shard.id) && !below.contains(&*shard.id))
        .collect()
}

/// The leases that are to be made, parents first. `begins` are the shards at the initial position, of those that are not accounted
/// for; whatever follows on a shard with a lease is read from its beginning.
pub(crate) fn missing(
    shards: &[Shard],
    leases: &[Lease],
    begins: &HashSet<String>,
    start: &Checkpoint,
) -> Vec<Lease> {
    let mut leased: HashSet<&str> = leases.iter().map(|lease| lease.key.as_str()).collect();
    let mut made = Vec::new();
    for shard in parents_first(shards) {
        if leased.contains(&*shard.id) {
            continue;
        }
        let follows = shard
            .parents
            .iter()
            .any(|parent| leased.contains(parent.as_str()));
        let checkpoint = if follows {
            Checkpoint::TrimHorizon
        } else if begins.contains(&*shard.id) {
            start.clone()
        } else {
            continue;
        };
        leased.insert(&shard.id);
        made.push(Lease::new(shard, checkpoint));
    }
    made
}

/// The leases that are of no use any more: of shards that are processed to their ends and have expired, whose children have leases.
pub(crate) fn obsolete<'a>(shards: &[Shard], leases: &'a [Lease]) -> Vec<&'a Lease> {
    let listed: HashSet<&str> = shards.iter().map(|shard| &*shard.id).collect();
    let leased: HashSet<&str> = leases.iter().map(|lease| lease.key.as_str()).collect();
    let gone = leases
        .iter()
        .filter(|lease| lease.ended() && !listed.contains(lease.key.as_str()));
    gone.filter(|lease| {
        let children = &lease.children;
        !children.is_empty() && children.iter().all(|child| leased.contains(child.as_str()))
    })
    .collect()
}

/// Shards in an order in which none comes before its parents.
fn parents_first(shards: &[Shard]) -> Vec<&Shard> {
    let listed: HashSet<&str> = shards.iter().map(|shard| &*shard.id).collect();
    let mut done: HashSet<&str> = HashSet::new();
    let mut order = Vec::with_capacity(shards.len());
    let mut rest: Vec<&Shard> = shards.iter().collect();
    rest.sort_by(|a, b| a.id.cmp(&b.id));
    // Children have the greater ids, so one pass does; a circle, which cannot be, ends it too.
    while !rest.is_empty() {
        let before = order.len();
        rest.retain(|shard| {
            let waits = |parent: &String| {
                listed.contains(parent.as_str()) && !done.contains(parent.as_str())
            };
            if shard.parents.iter().any(waits) {
                return true;
            }
            done.insert(&shard.id);
            order.push(*shard);
            false
        });
        if order.len() == before {
            break;
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shards::tests::even;

    fn child(id: &str, parents: &[&Shard]) -> Shard {
        Shard {
            id: id.into(),
            parents: parents.iter().map(|parent| parent.id.to_string()).collect(),
            ..even(1).remove(0)
        }
    }

    fn ids<'a>(shards: impl IntoIterator<Item = &'a Shard>) -> HashSet<String> {
        shards
            .into_iter()
            .map(|shard| shard.id.to_string())
            .collect()
    }

    fn keys(leases: &[Lease]) -> Vec<&str> {
        leases.iter().map(|lease| lease.key.as_str()).collect()
    }

    #[test]
    fn a_new_application_begins_where_it_is_told_to() {
        let mut shards = even(2);
        shards.push(child("shardId-9", &[&shards[0]]));
        let begins = ids(unaccounted(&shards, &[]));
        assert_eq!(begins.len(), 3);
        // LATEST: the open ones.
        let open = ids([&shards[1], &shards[2]]);
        let made = missing(&shards, &[], &open, &Checkpoint::Latest);
        assert!(
            made.iter()
                .all(|lease| lease.checkpoint == Checkpoint::Latest)
        );
        assert_eq!(keys(&made), [&*shards[1].id, "shardId-9"]);
        // TRIM_HORIZON: the oldest ones, and what follows on them.
        let oldest = ids([&shards[0], &shards[1]]);
        let made = missing(&shards, &[], &oldest, &Checkpoint::TrimHorizon);
        assert_eq!(made.len(), 3);
    }

    #[test]
    fn what_follows_on_a_lease_is_read_from_its_beginning() {
        let mut shards = even(2);
        let leases: Vec<Lease> = shards
            .iter()
            .map(|s| Lease::new(s, Checkpoint::Latest))
            .collect();
        let merged = child("shardId-8", &[&shards[0], &shards[1]]);
        let again = child("shardId-9", &[&merged]);
        shards.extend([again, merged]);
        assert!(unaccounted(&shards, &leases).is_empty());
        let made = missing(&shards, &leases, &HashSet::new(), &Checkpoint::Latest);
        assert_eq!(keys(&made), ["shardId-8", "shardId-9"]);
        assert!(
            made.iter()
                .all(|lease| lease.checkpoint == Checkpoint::TrimHorizon)
        );
        assert_eq!(made[0].parents.len(), 2);
    }

    #[test]
    fn a_hole_that_a_crash_left_is_filled_and_what_lies_before_the_start_is_not() {
        let mut shards = even(3);
        let merged = child("shardId-9", &[&shards[1], &shards[2]]);
        shards.push(merged);
        // The application began at the merged shard and died before it made the lease of the first one.
        let leases = [Lease::new(&shards[3], Checkpoint::Latest)];
        let hole = unaccounted(&shards, &leases);
        assert_eq!(ids(hole), ids([&shards[0]]));
    }

    #[test]
    fn a_lease_goes_when_its_shard_is_gone_and_its_children_have_theirs() {
        let shards = even(1);
        let parent = child("shardId-old", &[]);
        let mut old = Lease::new(&parent, Checkpoint::ShardEnd);
        let new = Lease::new(&shards[0], Checkpoint::TrimHorizon);
        assert!(
            obsolete(&shards, &[old.clone(), new.clone()]).is_empty(),
            "its children are not known"
        );
        old.children = vec![new.key.clone()];
        assert!(
            obsolete(&shards, &[old.clone()]).is_empty(),
            "its child has no lease"
        );
        let both = [old, new];
        assert_eq!(obsolete(&shards, &both), [&both[0]]);
        let listed = [shards[0].clone(), parent];
        assert!(obsolete(&listed, &both).is_empty(), "its shard is there");
    }
}
