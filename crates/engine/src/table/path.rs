//! Where a value is in an item: finding it, and what is left of an item when only some paths are wanted.

use std::collections::BTreeMap;

use levada_types::{AttributeValue, Item};

use crate::proto::{AttributePath, PathStep, path_step};

/// The value at a path.
pub(super) fn find<'a>(item: &'a Item, path: &AttributePath) -> Option<&'a AttributeValue> {
    let (first, rest) = path.steps.split_first()?;
    let Some(path_step::Kind::Name(name)) = &first.kind else {
        return None;
    };
    rest.iter().try_fold(item.get(name)?, |value, step| {
        match (value, step.kind.as_ref()?) {
            (AttributeValue::M(map), path_step::Kind::Name(name)) => map.get(name),
            (AttributeValue::L(list), path_step::Kind::Index(index)) => list.get(*index as usize),
            _ => None,
        }
    })
}

/// What of an item is at some paths. Elements of a list move together.
pub(super) fn project<'a>(item: &Item, paths: impl IntoIterator<Item = &'a AttributePath>) -> Item {
    let paths: Vec<&[PathStep]> = paths.into_iter().map(|p| p.steps.as_slice()).collect();
    select_of_map(item, &paths)
}

fn select_of_map(map: &Item, paths: &[&[PathStep]]) -> Item {
    let mut wanted: BTreeMap<&str, Vec<&[PathStep]>> = BTreeMap::new();
    for path in paths {
        if let Some((first, rest)) = path.split_first()
            && let Some(path_step::Kind::Name(name)) = &first.kind
        {
            wanted.entry(name).or_default().push(rest);
        }
    }
    let found = wanted.into_iter().filter_map(|(name, rest)| {
        let value = select(map.get(name)?, &rest)?;
        Some((name.to_owned(), value))
    });
    found.collect()
}

fn select(value: &AttributeValue, paths: &[&[PathStep]]) -> Option<AttributeValue> {
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value.clone());
    }
    match value {
        AttributeValue::M(map) => {
            let found = select_of_map(map, paths);
            (!found.is_empty()).then_some(AttributeValue::M(found))
        }
        AttributeValue::L(list) => {
            let mut wanted: BTreeMap<u32, Vec<&[PathStep]>> = BTreeMap::new();
            for path in paths {
                if let Some((first, rest)) = path.split_first()
                    && let Some(path_step::Kind::Index(index)) = &first.kind
                {
                    wanted.entry(*index).or_default().push(rest);
                }
            }
            let found: Vec<AttributeValue> = wanted
                .into_iter()
                .filter_map(|(index, rest)| select(list.get(index as usize)?, &rest))
                .collect();
            (!found.is_empty()).then_some(AttributeValue::L(found))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// `a.b[2].c` as a path.
    pub(crate) fn path(text: &str) -> AttributePath {
        let parts = text.replace('[', ".[");
        let steps = parts.split('.').map(|part| {
            let index = part.strip_prefix('[').and_then(|p| p.strip_suffix(']'));
            let kind = match index {
                Some(index) => path_step::Kind::Index(index.parse().unwrap()),
                None => path_step::Kind::Name(part.into()),
            };
            PathStep { kind: Some(kind) }
        });
        AttributePath {
            steps: steps.collect(),
        }
    }

    pub(crate) fn s(text: &str) -> AttributeValue {
        AttributeValue::S(text.into())
    }

    pub(crate) fn n(text: &str) -> AttributeValue {
        AttributeValue::N(text.parse().unwrap())
    }

    fn item() -> Item {
        let inner: Item = [("b".into(), s("1")), ("c".into(), s("2"))].into();
        let list = AttributeValue::L(vec![s("x"), AttributeValue::M(inner.clone()), s("z")]);
        [
            ("a".into(), AttributeValue::M(inner)),
            ("l".into(), list),
            ("k".into(), s("key")),
        ]
        .into()
    }

    #[test]
    fn values_are_found_by_their_paths() {
        let item = item();
        for (at, found) in [
            ("k", Some(s("key"))),
            ("a.b", Some(s("1"))),
            ("l[1].c", Some(s("2"))),
            ("l[2]", Some(s("z"))),
            ("l[3]", None),
            ("a[0]", None),
            ("k.b", None),
            ("none", None),
        ] {
            assert_eq!(find(&item, &path(at)), found.as_ref(), "{at}");
        }
    }

    #[test]
    fn a_projection_keeps_the_shape() {
        let paths = [
            path("a.c"),
            path("l[2]"),
            path("l[0]"),
            path("l[1].b"),
            path("no"),
        ];
        let found = project(&item(), &paths);
        let of_list = AttributeValue::M([("b".into(), s("1"))].into());
        let expected: Item = [
            ("a".into(), AttributeValue::M([("c".into(), s("2"))].into())),
            ("l".into(), AttributeValue::L(vec![s("x"), of_list, s("z")])),
        ]
        .into();
        assert_eq!(found, expected);
        assert_eq!(
            project(&item(), &[path("a"), path("a.b")])["a"],
            item()["a"]
        );
    }
}
