//! Conditions and filters: read once from their steps, then asked of any number of items.
//!
//! Values of different types are neither equal nor ordered, and what is not there has no order; so `<>` holds of it.
//! Source: "Comparison operator and function reference" in the DynamoDB developer guide.

use std::borrow::Cow;
use std::cmp::Ordering;

use bytes::Bytes;
use levada_types::{AttributeValue, Item, Number};

use super::path::find;
use crate::proto::{self, AttributePath, Combine, Comparator, condition_step, operand};

/// The steps make no condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

enum Operand<'a> {
    Path(&'a AttributePath),
    Value(AttributeValue),
    Size(&'a AttributePath),
}

enum Step<'a> {
    Compare(Comparator, Operand<'a>, Operand<'a>),
    Between(Operand<'a>, Operand<'a>, Operand<'a>),
    AnyOf(Operand<'a>, Vec<Operand<'a>>),
    Exists(&'a AttributePath, bool),
    HasType(&'a AttributePath, &'a str),
    BeginsWith(Operand<'a>, Operand<'a>),
    Contains(Operand<'a>, Operand<'a>),
    Combine(Combine),
}

/// A condition that can be evaluated. One of no steps holds of everything.
pub(super) struct Condition<'a>(Vec<Step<'a>>);

impl<'a> Condition<'a> {
    /// Reads the steps.
    pub(super) fn read(steps: &'a [proto::ConditionStep]) -> Result<Self, Malformed> {
        let mut height = 0_usize;
        let mut read = Vec::with_capacity(steps.len());
        for step in steps {
            let step = read_step(step)?;
            let taken = match step {
                Step::Combine(Combine::Not) => 1,
                Step::Combine(_) => 2,
                _ => 0,
            };
            height = height.checked_sub(taken).ok_or(Malformed)? + 1;
            read.push(step);
        }
        if height > 1 {
            return Err(Malformed);
        }
        Ok(Self(read))
    }

    /// Whether it holds of an item.
    pub(super) fn holds(&self, item: &Item) -> bool {
        let mut stack = Vec::new();
        for step in &self.0 {
            let holds = match step {
                Step::Combine(how) => {
                    let last = stack.pop().unwrap_or(false);
                    match how {
                        Combine::Not => !last,
                        Combine::And => stack.pop().unwrap_or(false) && last,
                        Combine::Or => stack.pop().unwrap_or(false) || last,
                    }
                }
                test => test.holds(item),
            };
            stack.push(holds);
        }
        stack.pop().unwrap_or(true)
    }
}

fn read_step(step: &proto::ConditionStep) -> Result<Step<'_>, Malformed> {
    use condition_step::Kind;
    Ok(match step.kind.as_ref().ok_or(Malformed)? {
        Kind::Compare(c) => Step::Compare(
            Comparator::try_from(c.comparator).map_err(|_| Malformed)?,
            read_operand(c.left.as_ref())?,
            read_operand(c.right.as_ref())?,
        ),
        Kind::Between(b) => Step::Between(
            read_operand(b.operand.as_ref())?,
            read_operand(b.low.as_ref())?,
            read_operand(b.high.as_ref())?,
        ),
        Kind::AnyOf(any) => {
            let list = any.list.iter().map(|operand| read_operand(Some(operand)));
            Step::AnyOf(
                read_operand(any.operand.as_ref())?,
                list.collect::<Result<_, _>>()?,
            )
        }
        Kind::Exists(path) => Step::Exists(path, true),
        Kind::Absent(path) => Step::Exists(path, false),
        Kind::HasType(has) => Step::HasType(has.path.as_ref().ok_or(Malformed)?, &has.r#type),
        Kind::BeginsWith(pair) => Step::BeginsWith(
            read_operand(pair.left.as_ref())?,
            read_operand(pair.right.as_ref())?,
        ),
        Kind::Contains(pair) => Step::Contains(
            read_operand(pair.left.as_ref())?,
            read_operand(pair.right.as_ref())?,
        ),
        Kind::Combine(how) => Step::Combine(Combine::try_from(*how).map_err(|_| Malformed)?),
    })
}

fn read_operand(operand: Option<&proto::Operand>) -> Result<Operand<'_>, Malformed> {
    let kind = operand.and_then(|operand| operand.kind.as_ref());
    Ok(match kind.ok_or(Malformed)? {
        operand::Kind::Path(path) => Operand::Path(path),
        operand::Kind::Size(path) => Operand::Size(path),
        operand::Kind::Value(value) => {
            Operand::Value(AttributeValue::decode(value).map_err(|_| Malformed)?)
        }
    })
}

impl Operand<'_> {
    /// Its value of an item; none if the item does not have it.
    fn of<'a>(&'a self, item: &'a Item) -> Option<Cow<'a, AttributeValue>> {
        match self {
            Self::Path(path) => find(item, path).map(Cow::Borrowed),
            Self::Value(value) => Some(Cow::Borrowed(value)),
            Self::Size(path) => {
                let size = size(find(item, path)?)? as u64;
                Some(Cow::Owned(AttributeValue::N(Number::from(size))))
            }
        }
    }
}

/// What `size` says of a value: characters, bytes, or elements.
fn size(value: &AttributeValue) -> Option<usize> {
    match value {
        AttributeValue::S(text) => Some(text.chars().count()),
        AttributeValue::B(bytes) => Some(bytes.len()),
        AttributeValue::Ss(set) => Some(set.len()),
        AttributeValue::Ns(set) => Some(set.len()),
        AttributeValue::Bs(set) => Some(set.len()),
        AttributeValue::L(list) => Some(list.len()),
        AttributeValue::M(map) => Some(map.len()),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => None,
    }
}

impl Step<'_> {
    fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Compare(comparator, left, right) => compare(
                *comparator,
                left.of(item).as_deref(),
                right.of(item).as_deref(),
            ),
            Self::Between(operand, low, high) => {
                let operand = operand.of(item);
                compare(Comparator::Ge, operand.as_deref(), low.of(item).as_deref())
                    && compare(Comparator::Le, operand.as_deref(), high.of(item).as_deref())
            }
            Self::AnyOf(operand, list) => {
                let operand = operand.of(item);
                operand.is_some() && list.iter().any(|one| one.of(item) == operand)
            }
            Self::Exists(path, wanted) => find(item, path).is_some() == *wanted,
            Self::HasType(path, name) => {
                find(item, path).is_some_and(|value| value.type_name() == *name)
            }
            Self::BeginsWith(left, right) => {
                match (left.of(item).as_deref(), right.of(item).as_deref()) {
                    (Some(AttributeValue::S(text)), Some(AttributeValue::S(head))) => {
                        text.starts_with(head)
                    }
                    (Some(AttributeValue::B(bytes)), Some(AttributeValue::B(head))) => {
                        bytes.starts_with(head)
                    }
                    _ => false,
                }
            }
            Self::Contains(left, right) => {
                match (left.of(item).as_deref(), right.of(item).as_deref()) {
                    (Some(left), Some(right)) => contains(left, right),
                    _ => false,
                }
            }
            Self::Combine(_) => false,
        }
    }
}

fn contains(left: &AttributeValue, right: &AttributeValue) -> bool {
    match (left, right) {
        (AttributeValue::S(text), AttributeValue::S(part)) => text.contains(part),
        (AttributeValue::B(bytes), AttributeValue::B(part)) => {
            part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
        }
        (AttributeValue::Ss(set), AttributeValue::S(one)) => set.contains(one),
        (AttributeValue::Ns(set), AttributeValue::N(one)) => set.contains(one),
        (AttributeValue::Bs(set), AttributeValue::B(one)) => set.contains::<Bytes>(one),
        (AttributeValue::L(list), one) => list.contains(one),
        _ => false,
    }
}

/// Which of two values of one type that has an order is first.
fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.cmp(right)),
        (AttributeValue::N(left), AttributeValue::N(right)) => Some(left.cmp(right)),
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn compare(
    comparator: Comparator,
    left: Option<&AttributeValue>,
    right: Option<&AttributeValue>,
) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return comparator == Comparator::Ne;
    };
    let order = || order(left, right);
    match comparator {
        Comparator::Eq => left == right,
        Comparator::Ne => left != right,
        Comparator::Lt => order().is_some_and(Ordering::is_lt),
        Comparator::Le => order().is_some_and(Ordering::is_le),
        Comparator::Gt => order().is_some_and(Ordering::is_gt),
        Comparator::Ge => order().is_some_and(Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use super::super::path::tests::{n, path, s};
    use super::*;
    use crate::proto::{AnyOf, Between, Comparison, ConditionStep, HasType, OperandPair};
    use condition_step::Kind;

    fn at(text: &str) -> Option<proto::Operand> {
        let kind = Some(operand::Kind::Path(path(text)));
        Some(proto::Operand { kind })
    }

    fn value(value: &AttributeValue) -> Option<proto::Operand> {
        let kind = Some(operand::Kind::Value(value.encode()));
        Some(proto::Operand { kind })
    }

    fn size_of(text: &str) -> Option<proto::Operand> {
        let kind = Some(operand::Kind::Size(path(text)));
        Some(proto::Operand { kind })
    }

    fn cmp(c: Comparator, left: Option<proto::Operand>, right: Option<proto::Operand>) -> Kind {
        Kind::Compare(Comparison {
            comparator: c as i32,
            left,
            right,
        })
    }

    fn holds(kinds: Vec<Kind>) -> bool {
        let steps: Vec<ConditionStep> = kinds
            .into_iter()
            .map(|kind| ConditionStep { kind: Some(kind) })
            .collect();
        let item: Item = [
            ("owner".into(), s("worker-1")),
            ("counter".into(), n("10")),
            ("flag".into(), AttributeValue::Bool(true)),
            (
                "parents".into(),
                AttributeValue::Ss(["a".into(), "b".into()].into()),
            ),
            ("list".into(), AttributeValue::L(vec![n("1"), s("x")])),
        ]
        .into();
        Condition::read(&steps).ok().unwrap().holds(&item)
    }

    #[test]
    fn values_are_compared_within_their_type() {
        use Comparator::{Eq, Ge, Gt, Le, Lt, Ne};
        for (c, left, right, expected) in [
            (Eq, "counter", n("10.0"), true),
            (Ne, "counter", n("10"), false),
            (Lt, "counter", n("9"), false),
            (Gt, "counter", n("9"), true),
            (Ge, "counter", n("10"), true),
            (Le, "counter", s("99"), false),
            (Eq, "counter", s("10"), false),
            (Ne, "counter", s("10"), true),
            (Lt, "owner", s("worker-2"), true),
            (Eq, "none", s("x"), false),
            (Ne, "none", s("x"), true),
            (Lt, "none", s("x"), false),
        ] {
            let step = cmp(c, at(left), value(&right));
            assert_eq!(holds(vec![step]), expected, "{left} {c:?} {right:?}");
        }
        assert!(holds(vec![cmp(Eq, size_of("owner"), value(&n("8")))]));
        assert!(holds(vec![cmp(Eq, size_of("parents"), value(&n("2")))]));
        assert!(!holds(vec![cmp(Eq, size_of("flag"), value(&n("1")))]));
    }

    #[test]
    fn functions_say_what_they_are_documented_to() {
        let pair = |left: &str, right: &AttributeValue| OperandPair {
            left: at(left),
            right: value(right),
        };
        assert!(holds(vec![Kind::BeginsWith(pair("owner", &s("work")))]));
        assert!(!holds(vec![Kind::BeginsWith(pair("counter", &s("1")))]));
        assert!(holds(vec![Kind::Contains(pair("owner", &s("ker-")))]));
        assert!(holds(vec![Kind::Contains(pair("parents", &s("b")))]));
        assert!(!holds(vec![Kind::Contains(pair("parents", &s("ab")))]));
        assert!(holds(vec![Kind::Contains(pair("list", &n("1")))]));
        assert!(holds(vec![Kind::Exists(path("list[1]"))]));
        assert!(holds(vec![Kind::Absent(path("list[2]"))]));
        let is = |r#type: &str| {
            Kind::HasType(HasType {
                path: Some(path("flag")),
                r#type: r#type.into(),
            })
        };
        assert!(holds(vec![is("BOOL")]) && !holds(vec![is("S")]));
        let between = |low: &str, high: &str| {
            Kind::Between(Between {
                operand: at("counter"),
                low: value(&n(low)),
                high: value(&n(high)),
            })
        };
        assert!(holds(vec![between("10", "11")]) && !holds(vec![between("11", "12")]));
        let any = |operand: &str, list: &[AttributeValue]| {
            Kind::AnyOf(AnyOf {
                operand: at(operand),
                list: list.iter().filter_map(value).collect(),
            })
        };
        assert!(holds(vec![any("counter", &[s("10"), n("10")])]));
        assert!(!holds(vec![any("none", &[s("10")])]));
    }

    #[test]
    fn steps_are_combined_on_a_stack() {
        let yes = || Kind::Exists(path("owner"));
        let no = || Kind::Absent(path("owner"));
        let combine = |how: Combine| Kind::Combine(how as i32);
        assert!(holds(vec![]));
        assert!(!holds(vec![yes(), no(), combine(Combine::And)]));
        assert!(holds(vec![yes(), no(), combine(Combine::Or)]));
        assert!(holds(vec![
            no(),
            combine(Combine::Not),
            yes(),
            combine(Combine::And)
        ]));
        for bad in [
            vec![combine(Combine::Not)],
            vec![yes(), combine(Combine::And)],
            vec![yes(), no()],
            vec![Kind::Combine(99)],
            vec![Kind::Compare(Comparison::default())],
        ] {
            let steps: Vec<ConditionStep> = bad
                .into_iter()
                .map(|kind| ConditionStep { kind: Some(kind) })
                .collect();
            assert!(Condition::read(&steps).is_err());
        }
    }
}
