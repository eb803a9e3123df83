//! Expressions as the wire read them, as the engine's steps.

use levada_engine::proto::{self, condition_step, operand, path_step, set_step};
use levada_types::AttributeValue;
use levada_wire::dynamodb::expression::{
    Comparator, ConditionStep, KeyQuery, Operand, Path, PathStep, RangeTest, SetStep, Update,
};

/// A path.
pub(super) fn path(path: Path) -> proto::AttributePath {
    let steps = path.0.into_iter().map(|step| {
        let kind = match step {
            PathStep::Name(name) => path_step::Kind::Name(name),
            PathStep::Index(index) => path_step::Kind::Index(index),
        };
        proto::PathStep { kind: Some(kind) }
    });
    proto::AttributePath {
        steps: steps.collect(),
    }
}

/// Paths.
pub(super) fn paths(paths: Vec<Path>) -> Vec<proto::AttributePath> {
    paths.into_iter().map(path).collect()
}

fn operand(from: Operand) -> proto::Operand {
    let kind = match from {
        Operand::Path(at) => operand::Kind::Path(path(at)),
        Operand::Value(value) => operand::Kind::Value(value.encode()),
        Operand::Size(at) => operand::Kind::Size(path(at)),
    };
    proto::Operand { kind: Some(kind) }
}

/// A condition.
pub(super) fn condition(steps: Vec<ConditionStep>) -> Vec<proto::ConditionStep> {
    let steps = steps.into_iter().map(|step| proto::ConditionStep {
        kind: Some(condition_step(step)),
    });
    steps.collect()
}

fn condition_step(step: ConditionStep) -> condition_step::Kind {
    use condition_step::Kind;
    let some = |from| Some(operand(from));
    let pair = |left, right| proto::OperandPair {
        left: some(left),
        right: some(right),
    };
    match step {
        ConditionStep::Compare(comparator, left, right) => Kind::Compare(proto::Comparison {
            comparator: match comparator {
                Comparator::Eq => proto::Comparator::Eq,
                Comparator::Ne => proto::Comparator::Ne,
                Comparator::Lt => proto::Comparator::Lt,
                Comparator::Le => proto::Comparator::Le,
                Comparator::Gt => proto::Comparator::Gt,
                Comparator::Ge => proto::Comparator::Ge,
            } as i32,
            left: some(left),
            right: some(right),
        }),
        ConditionStep::Between(one, low, high) => Kind::Between(proto::Between {
            operand: some(one),
            low: some(low),
            high: some(high),
        }),
        ConditionStep::AnyOf(one, list) => Kind::AnyOf(proto::AnyOf {
            operand: some(one),
            list: list.into_iter().map(operand).collect(),
        }),
        ConditionStep::Exists(at) => Kind::Exists(path(at)),
        ConditionStep::Absent(at) => Kind::Absent(path(at)),
        ConditionStep::HasType(at, r#type) => Kind::HasType(proto::HasType {
            path: Some(path(at)),
            r#type,
        }),
        ConditionStep::BeginsWith(left, right) => Kind::BeginsWith(pair(left, right)),
        ConditionStep::Contains(left, right) => Kind::Contains(pair(left, right)),
        ConditionStep::And => Kind::Combine(proto::Combine::And as i32),
        ConditionStep::Or => Kind::Combine(proto::Combine::Or as i32),
        ConditionStep::Not => Kind::Combine(proto::Combine::Not as i32),
    }
}

/// An update.
pub(super) fn update(update: Update) -> proto::Update {
    let with_value = |(at, value): (Path, AttributeValue)| proto::AddAction {
        path: Some(path(at)),
        value: value.encode(),
    };
    let set = update.set.into_iter().map(|(at, value)| proto::SetAction {
        path: Some(path(at)),
        value: value.into_iter().map(set_step).collect(),
    });
    proto::Update {
        set: set.collect(),
        remove: paths(update.remove),
        add: update.add.into_iter().map(with_value).collect(),
        delete: update.delete.into_iter().map(with_value).collect(),
    }
}

fn set_step(step: SetStep) -> proto::SetStep {
    use set_step::Kind;
    let kind = match step {
        SetStep::Path(at) => Kind::Path(path(at)),
        SetStep::Value(value) => Kind::Value(value.encode()),
        SetStep::IfNotExists(at) => Kind::IfNotExists(path(at)),
        SetStep::Plus => Kind::Operator(proto::SetOperator::Plus as i32),
        SetStep::Minus => Kind::Operator(proto::SetOperator::Minus as i32),
        SetStep::ListAppend => Kind::Operator(proto::SetOperator::ListAppend as i32),
    };
    proto::SetStep { kind: Some(kind) }
}

/// The keys of a query.
pub(super) fn keys(query: KeyQuery) -> (bytes::Bytes, Option<proto::RangeCondition>) {
    let range = query
        .range
        .map(|(test, value, high)| proto::RangeCondition {
            test: match test {
                RangeTest::Eq => proto::RangeTest::Eq,
                RangeTest::Lt => proto::RangeTest::Lt,
                RangeTest::Le => proto::RangeTest::Le,
                RangeTest::Gt => proto::RangeTest::Gt,
                RangeTest::Ge => proto::RangeTest::Ge,
                RangeTest::Between => proto::RangeTest::Between,
                RangeTest::BeginsWith => proto::RangeTest::BeginsWith,
            } as i32,
            value: value.encode(),
            high: high.map(|high| high.encode()).unwrap_or_default(),
        });
    (query.hash.encode(), range)
}
