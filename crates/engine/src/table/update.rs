//! What an update makes of an item. Every operand is read from the item as it was before.
//!
//! Source: "Update expressions" in the DynamoDB developer guide.

use levada_types::number::NumberError;
use levada_types::{AttributeValue, Item};

use super::path::find;
use crate::proto::{
    AddAction, AttributePath, SetOperator, SetStep, Update, WriteStatus, path_step, set_step,
};

/// The item after the update.
pub(super) fn apply(update: &Update, before: &Item) -> Result<Item, WriteStatus> {
    let mut after = before.clone();
    for action in &update.set {
        let value = evaluate(&action.value, before)?;
        put(&mut after, path_of(action.path.as_ref())?, value)?;
    }
    for action in &update.add {
        add(before, &mut after, action)?;
    }
    for action in &update.delete {
        delete(before, &mut after, action)?;
    }
    // From behind, so that the places of a list's elements are still those of before.
    let mut removed: Vec<&AttributePath> = update.remove.iter().collect();
    removed.sort_by(|a, b| places(b).cmp(places(a)));
    for path in removed {
        remove(&mut after, path)?;
    }
    Ok(after)
}

/// Whether it does nothing but take away: then it makes no item where there is none.
pub(super) fn only_takes(update: &Update) -> bool {
    update.set.is_empty()
        && update.add.is_empty()
        && !(update.remove.is_empty() && update.delete.is_empty())
}

/// The paths that it touches.
pub(super) fn paths(update: &Update) -> impl Iterator<Item = &AttributePath> {
    let set = update.set.iter().filter_map(|action| action.path.as_ref());
    let others = update.add.iter().chain(&update.delete);
    set.chain(others.filter_map(|action| action.path.as_ref()))
        .chain(&update.remove)
}

fn path_of(path: Option<&AttributePath>) -> Result<&AttributePath, WriteStatus> {
    path.ok_or(WriteStatus::Malformed)
}

/// A path's names and places, which can be ordered.
fn places(path: &AttributePath) -> impl Iterator<Item = (&str, u32)> {
    path.steps.iter().map(|step| match &step.kind {
        Some(path_step::Kind::Name(name)) => (name.as_str(), 0),
        Some(path_step::Kind::Index(index)) => ("", *index),
        None => ("", 0),
    })
}

fn decode(value: &[u8]) -> Result<AttributeValue, WriteStatus> {
    AttributeValue::decode(value).map_err(|_| WriteStatus::Malformed)
}

/// Runs the steps of what `SET` sets.
fn evaluate(steps: &[SetStep], item: &Item) -> Result<AttributeValue, WriteStatus> {
    let mut stack: Vec<AttributeValue> = Vec::new();
    for step in steps {
        let mut take = || stack.pop().ok_or(WriteStatus::Malformed);
        let value = match step.kind.as_ref().ok_or(WriteStatus::Malformed)? {
            set_step::Kind::Value(value) => decode(value)?,
            set_step::Kind::Path(path) => find(item, path)
                .cloned()
                .ok_or(WriteStatus::NoSuchAttribute)?,
            set_step::Kind::IfNotExists(path) => {
                let other = take()?;
                find(item, path).cloned().unwrap_or(other)
            }
            set_step::Kind::Operator(operator) => {
                let operator =
                    SetOperator::try_from(*operator).map_err(|_| WriteStatus::Malformed)?;
                let right = take()?;
                combine(operator, take()?, right)?
            }
        };
        stack.push(value);
    }
    match (stack.pop(), stack.is_empty()) {
        (Some(value), true) => Ok(value),
        _ => Err(WriteStatus::Malformed),
    }
}

fn combine(
    operator: SetOperator,
    left: AttributeValue,
    right: AttributeValue,
) -> Result<AttributeValue, WriteStatus> {
    let negates = operator == SetOperator::Minus;
    match (operator, left, right) {
        (SetOperator::ListAppend, AttributeValue::L(mut left), AttributeValue::L(right)) => {
            left.extend(right);
            Ok(AttributeValue::L(left))
        }
        (
            SetOperator::Plus | SetOperator::Minus,
            AttributeValue::N(left),
            AttributeValue::N(right),
        ) => {
            let right = if negates { right.negated() } else { right };
            left.plus(&right).map(AttributeValue::N).map_err(of_number)
        }
        _ => Err(WriteStatus::WrongOperandType),
    }
}

fn of_number(error: NumberError) -> WriteStatus {
    match error {
        NumberError::TooPrecise => WriteStatus::NumberTooPrecise,
        NumberError::Overflow | NumberError::Underflow => WriteStatus::NumberTooLarge,
        NumberError::Syntax => WriteStatus::Malformed,
    }
}

/// The map or list that holds what the path leads to, and the last step to it.
fn parent<'a, 'p>(
    item: &'a mut Item,
    path: &'p AttributePath,
) -> Result<(Parent<'a>, &'p path_step::Kind), WriteStatus> {
    let (last, before) = path.steps.split_last().ok_or(WriteStatus::Malformed)?;
    let mut at = Parent::Map(item);
    for step in before {
        let kind = step.kind.as_ref().ok_or(WriteStatus::Malformed)?;
        let below = match (at, kind) {
            (Parent::Map(map), path_step::Kind::Name(name)) => map.get_mut(name),
            (Parent::List(list), path_step::Kind::Index(index)) => list.get_mut(*index as usize),
            _ => None,
        };
        at = match below {
            Some(AttributeValue::M(map)) => Parent::Map(map),
            Some(AttributeValue::L(list)) => Parent::List(list),
            _ => return Err(WriteStatus::NoSuchPath),
        };
    }
    Ok((at, last.kind.as_ref().ok_or(WriteStatus::Malformed)?))
}

enum Parent<'a> {
    Map(&'a mut Item),
    List(&'a mut Vec<AttributeValue>),
}

/// Sets a value. Behind the end of a list it is appended.
fn put(item: &mut Item, path: &AttributePath, value: AttributeValue) -> Result<(), WriteStatus> {
    match parent(item, path)? {
        (Parent::Map(map), path_step::Kind::Name(name)) => {
            map.insert(name.clone(), value);
        }
        (Parent::List(list), path_step::Kind::Index(index)) => {
            match list.get_mut(*index as usize) {
                Some(place) => *place = value,
                None => list.push(value),
            }
        }
        _ => return Err(WriteStatus::NoSuchPath),
    }
    Ok(())
}

fn remove(item: &mut Item, path: &AttributePath) -> Result<(), WriteStatus> {
    match parent(item, path)? {
        (Parent::Map(map), path_step::Kind::Name(name)) => {
            map.remove(name);
        }
        (Parent::List(list), path_step::Kind::Index(index)) => {
            if (*index as usize) < list.len() {
                list.remove(*index as usize);
            }
        }
        _ => return Err(WriteStatus::NoSuchPath),
    }
    Ok(())
}

/// Adds to a number or to a set; what is not there counts as zero or as an empty set.
fn add(before: &Item, after: &mut Item, action: &AddAction) -> Result<(), WriteStatus> {
    let path = path_of(action.path.as_ref())?;
    let value = match (find(before, path), decode(&action.value)?) {
        (
            None,
            value @ (AttributeValue::N(_)
            | AttributeValue::Ss(_)
            | AttributeValue::Ns(_)
            | AttributeValue::Bs(_)),
        ) => value,
        (Some(AttributeValue::N(old)), AttributeValue::N(more)) => {
            AttributeValue::N(old.plus(&more).map_err(of_number)?)
        }
        (Some(AttributeValue::Ss(old)), AttributeValue::Ss(more)) => {
            AttributeValue::Ss(old | &more)
        }
        (Some(AttributeValue::Ns(old)), AttributeValue::Ns(more)) => {
            AttributeValue::Ns(old | &more)
        }
        (Some(AttributeValue::Bs(old)), AttributeValue::Bs(more)) => {
            AttributeValue::Bs(old | &more)
        }
        _ => return Err(WriteStatus::WrongOperandType),
    };
    put(after, path, value)
}

/// Takes elements out of a set. One that is left without any goes.
fn delete(before: &Item, after: &mut Item, action: &AddAction) -> Result<(), WriteStatus> {
    let path = path_of(action.path.as_ref())?;
    let left = match (find(before, path), decode(&action.value)?) {
        (None, AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_)) => {
            return Ok(());
        }
        (Some(AttributeValue::Ss(old)), AttributeValue::Ss(less)) => {
            let left = old - &less;
            (!left.is_empty()).then_some(AttributeValue::Ss(left))
        }
        (Some(AttributeValue::Ns(old)), AttributeValue::Ns(less)) => {
            let left = old - &less;
            (!left.is_empty()).then_some(AttributeValue::Ns(left))
        }
        (Some(AttributeValue::Bs(old)), AttributeValue::Bs(less)) => {
            let left = old - &less;
            (!left.is_empty()).then_some(AttributeValue::Bs(left))
        }
        _ => return Err(WriteStatus::WrongOperandType),
    };
    match left {
        Some(left) => put(after, path, left),
        None => remove(after, path),
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::tests::{n, path, s};
    use super::*;
    use crate::proto::SetAction;

    fn step(kind: set_step::Kind) -> SetStep {
        SetStep { kind: Some(kind) }
    }

    fn value(value: &AttributeValue) -> SetStep {
        step(set_step::Kind::Value(value.encode()))
    }

    fn operator(operator: SetOperator) -> SetStep {
        step(set_step::Kind::Operator(operator as i32))
    }

    fn set(at: &str, steps: Vec<SetStep>) -> Update {
        let action = SetAction {
            path: Some(path(at)),
            value: steps,
        };
        Update {
            set: vec![action],
            ..Update::default()
        }
    }

    fn action(at: &str, value: &AttributeValue) -> AddAction {
        AddAction {
            path: Some(path(at)),
            value: value.encode(),
        }
    }

    fn strings(all: &[&str]) -> AttributeValue {
        AttributeValue::Ss(all.iter().map(|s| (*s).into()).collect())
    }

    fn item() -> Item {
        [
            ("n".into(), n("5")),
            ("s".into(), s("text")),
            ("set".into(), strings(&["a", "b"])),
            ("l".into(), AttributeValue::L(vec![s("0"), s("1"), s("2")])),
            ("m".into(), AttributeValue::M([("k".into(), n("1"))].into())),
        ]
        .into()
    }

    #[test]
    fn set_computes_from_what_was() {
        let plus = vec![
            step(set_step::Kind::Path(path("n"))),
            value(&n("2")),
            operator(SetOperator::Plus),
        ];
        let mut update = set("n", plus.clone());
        update
            .set
            .extend(set("old", vec![step(set_step::Kind::Path(path("n")))]).set);
        let after = apply(&update, &item()).unwrap();
        assert_eq!((&after["n"], &after["old"]), (&n("7"), &n("5")));
        let or = |at: &str| vec![value(&n("9")), step(set_step::Kind::IfNotExists(path(at)))];
        assert_eq!(apply(&set("x", or("n")), &item()).unwrap()["x"], n("5"));
        assert_eq!(apply(&set("x", or("no")), &item()).unwrap()["x"], n("9"));
        let append = vec![
            step(set_step::Kind::Path(path("l"))),
            value(&AttributeValue::L(vec![s("3")])),
            operator(SetOperator::ListAppend),
        ];
        let AttributeValue::L(list) = &apply(&set("l", append), &item()).unwrap()["l"] else {
            panic!()
        };
        assert_eq!(list.len(), 4);
    }

    #[test]
    fn set_goes_into_maps_and_lists() {
        let after = apply(&set("m.new", vec![value(&s("v"))]), &item()).unwrap();
        assert_eq!(find(&after, &path("m.new")), Some(&s("v")));
        let after = apply(&set("l[9]", vec![value(&s("v"))]), &item()).unwrap();
        assert_eq!(find(&after, &path("l[3]")), Some(&s("v")));
        for at in ["no.x", "s.x", "m[0]", "l.x"] {
            let refused = apply(&set(at, vec![value(&s("v"))]), &item());
            assert_eq!(refused, Err(WriteStatus::NoSuchPath), "{at}");
        }
    }

    #[test]
    fn add_and_delete_work_on_numbers_and_sets() {
        let add = |at: &str, value: &AttributeValue| {
            let update = Update {
                add: vec![action(at, value)],
                ..Update::default()
            };
            apply(&update, &item()).map(|mut after| after.remove(at))
        };
        assert_eq!(add("n", &n("-7")), Ok(Some(n("-2"))));
        assert_eq!(add("new", &n("1")), Ok(Some(n("1"))));
        assert_eq!(
            add("set", &strings(&["c"])),
            Ok(Some(strings(&["a", "b", "c"])))
        );
        assert_eq!(add("s", &n("1")), Err(WriteStatus::WrongOperandType));
        assert_eq!(add("new", &s("1")), Err(WriteStatus::WrongOperandType));
        let delete = |at: &str, value: &AttributeValue| {
            let update = Update {
                delete: vec![action(at, value)],
                ..Update::default()
            };
            apply(&update, &item()).map(|mut after| after.remove(at))
        };
        assert_eq!(
            delete("set", &strings(&["a", "z"])),
            Ok(Some(strings(&["b"])))
        );
        assert_eq!(delete("set", &strings(&["a", "b"])), Ok(None));
        assert_eq!(delete("no", &strings(&["a"])), Ok(None));
        assert_eq!(delete("n", &n("1")), Err(WriteStatus::WrongOperandType));
    }

    #[test]
    fn elements_are_removed_by_the_places_they_had() {
        let update = Update {
            remove: vec![path("l[0]"), path("l[2]"), path("s"), path("no")],
            ..Update::default()
        };
        let after = apply(&update, &item()).unwrap();
        assert_eq!(after["l"], AttributeValue::L(vec![s("1")]));
        assert!(!after.contains_key("s"));
        assert!(only_takes(&update) && !only_takes(&Update::default()));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let one = |steps: Vec<SetStep>| apply(&set("x", steps), &item());
        let at = |at: &str| step(set_step::Kind::Path(path(at)));
        let plus = || operator(SetOperator::Plus);
        assert_eq!(one(vec![at("no")]), Err(WriteStatus::NoSuchAttribute));
        assert_eq!(
            one(vec![at("s"), at("n"), plus()]),
            Err(WriteStatus::WrongOperandType)
        );
        assert_eq!(one(vec![at("n"), plus()]), Err(WriteStatus::Malformed));
        assert_eq!(one(vec![at("n"), at("n")]), Err(WriteStatus::Malformed));
        let large = value(&n("9e125"));
        let sum = one(vec![large.clone(), large.clone(), plus()]);
        assert_eq!(sum, Err(WriteStatus::NumberTooLarge));
        let sum = one(vec![large, value(&n("1")), plus()]);
        assert_eq!(sum, Err(WriteStatus::NumberTooPrecise));
    }
}
