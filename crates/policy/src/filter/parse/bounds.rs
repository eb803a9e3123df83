//! What bounds a policy, and its alternatives, of which there are never more than the bound on combinations.

use std::collections::{BTreeMap, BTreeSet};

use levada_types::limits::{
    FILTER_COMBINATIONS_MAX, FILTER_KEYS_MAX, FILTER_TERMS_MAX, FILTER_WILDCARD_POINTS_MAX,
    FILTER_WILDCARDS_MAX,
};

use super::super::condition::{Condition, Excluded};
use super::super::wildcard::Wildcard;
use super::{FilterError, Key, Node};

/// Whether a key with conditions lies in another.
pub(super) fn is_nested(nodes: &[Node]) -> bool {
    let mut nested = false;
    each_key(nodes, &mut |key| nested |= key.level > 1);
    nested
}

fn each_key<'n>(nodes: &'n [Node], take: &mut dyn FnMut(&'n Key)) {
    for node in nodes {
        match node {
            Node::Key(key) => take(key),
            Node::Or(alternatives) => {
                for alternative in alternatives {
                    each_key(alternative, take);
                }
            }
        }
    }
}

/// Keys and wildcards; what [`alternatives`] does not see.
pub(super) fn check(nodes: &[Node]) -> Result<(), FilterError> {
    let mut paths = BTreeSet::new();
    each_key(nodes, &mut |key| {
        paths.insert(&*key.path);
    });
    if paths.len() > FILTER_KEYS_MAX {
        return Err(FilterError::TooManyKeys);
    }
    check_wildcards(nodes)
}

/// Source: reports of the wildcards that SNS has since July 2025; the guide's own words were not found.
fn check_wildcards(nodes: &[Node]) -> Result<(), FilterError> {
    // By path: points and patterns.
    let mut keys: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut too_many = false;
    each_key(nodes, &mut |key| {
        for wildcard in key.conditions.iter().flat_map(wildcards) {
            let stars = wildcard.stars();
            too_many |= stars > FILTER_WILDCARDS_MAX;
            let (points, patterns) = keys.entry(&*key.path).or_default();
            *points += if stars > 1 {
                3 * stars as u64
            } else {
                stars as u64
            };
            *patterns += 1;
        }
    });
    let points: u64 = keys
        .values()
        .map(|(points, patterns)| points * patterns)
        .sum();
    if too_many || points > FILTER_WILDCARD_POINTS_MAX {
        return Err(FilterError::TooComplex);
    }
    Ok(())
}

fn wildcards(condition: &Condition) -> &[Wildcard] {
    match condition {
        Condition::Wildcard(wildcard) => std::slice::from_ref(wildcard),
        Condition::AnythingBut(excluded) => match &**excluded {
            Excluded::Wildcards(wildcards) => wildcards,
            _ => &[],
        },
        _ => &[],
    }
}

/// The policy with `$or` multiplied out, if that is not too much.
///
/// The combinations are those of "Filter policy constraints": of each alternative the product of its keys, a key being its
/// values times its level; and of all alternatives the sum. AWS was recorded to take 150 and to refuse 152 and 160 so counted.
pub(super) fn alternatives(nodes: &[Node]) -> Result<Vec<Vec<&Key>>, FilterError> {
    let alternatives = multiplied(nodes)?;
    let mut sum = 0_u64;
    for keys in &alternatives {
        if keys.len() > FILTER_TERMS_MAX {
            return Err(FilterError::TooComplex);
        }
        let product = keys.iter().fold(1_u64, |product, key| {
            product
                .saturating_mul(key.conditions.len() as u64)
                .saturating_mul(u64::from(key.level))
        });
        sum = sum.saturating_add(product);
    }
    if sum > FILTER_COMBINATIONS_MAX {
        return Err(FilterError::TooComplex);
    }
    Ok(alternatives)
}

fn multiplied(nodes: &[Node]) -> Result<Vec<Vec<&Key>>, FilterError> {
    let mut all = vec![Vec::new()];
    for node in nodes {
        match node {
            Node::Key(key) => {
                for keys in &mut all {
                    keys.push(key);
                }
            }
            Node::Or(alternatives) => {
                let mut longer = Vec::new();
                for alternative in alternatives {
                    for more in multiplied(alternative)? {
                        for keys in &all {
                            longer.push(keys.iter().copied().chain(more.iter().copied()).collect());
                        }
                    }
                    if longer.len() as u64 > FILTER_COMBINATIONS_MAX {
                        return Err(FilterError::TooComplex);
                    }
                }
                all = longer;
            }
        }
    }
    Ok(all)
}
