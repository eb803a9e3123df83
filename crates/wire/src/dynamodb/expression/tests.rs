//! Expressions as text, and what becomes of them.

use super::*;

type Names = BTreeMap<String, String>;

fn names() -> Names {
    [("#a", "alpha"), ("#b", "beta"), ("#pk", "leaseKey")]
        .map(|(key, name)| (key.to_owned(), name.to_owned()))
        .into()
}

fn values() -> Item {
    let n = |text: &str| AttributeValue::N(text.parse().unwrap());
    [
        (":s".into(), AttributeValue::S("S".into())),
        (":one".into(), n("1")),
        (":two".into(), n("2")),
        (":list".into(), AttributeValue::L(vec![])),
        (":set".into(), AttributeValue::Ss(["x".into()].into())),
        (":bool".into(), AttributeValue::Bool(true)),
    ]
    .into()
}

fn condition(text: &str) -> Result<Vec<ConditionStep>, String> {
    let (names, values) = (names(), values());
    let mut variables = Variables::new(Some(&names), Some(&values)).unwrap();
    let parsed = variables.condition("ConditionExpression", Some(text));
    parsed.map_err(|error| error.message.into_owned())
}

fn update(text: &str) -> Result<Update, String> {
    let (names, values) = (names(), values());
    let mut variables = Variables::new(Some(&names), Some(&values)).unwrap();
    variables
        .update(Some(text))
        .map_err(|error| error.message.into_owned())
}

fn path(name: &str) -> Path {
    Path::attribute(name)
}

#[test]
fn conditions_become_steps() {
    let steps = condition("attribute_exists(#pk) AND #a = :s OR NOT (b > :one)").unwrap();
    let value = |name: &str| Operand::Value(values()[name].clone());
    assert_eq!(
        steps,
        [
            ConditionStep::Exists(path("leaseKey")),
            ConditionStep::Compare(Comparator::Eq, Operand::Path(path("alpha")), value(":s")),
            ConditionStep::And,
            ConditionStep::Compare(Comparator::Gt, Operand::Path(path("b")), value(":one")),
            ConditionStep::Not,
            ConditionStep::Or,
        ]
    );
    let steps = condition("size(#a.l[3]) BETWEEN :one AND :two and c in (:one, :two)").unwrap();
    let deep = Path(vec![
        PathStep::Name("alpha".into()),
        PathStep::Name("l".into()),
        PathStep::Index(3),
    ]);
    assert_eq!(
        steps[0],
        ConditionStep::Between(Operand::Size(deep), value(":one"), value(":two"))
    );
    assert!(matches!(&steps[1], ConditionStep::AnyOf(_, list) if list.len() == 2));
}

#[test]
fn what_the_lock_client_says_is_understood() {
    for text in [
        "attribute_not_exists(#pk)",
        "attribute_exists(#pk) AND #a = :s",
        "(attribute_exists(#pk) AND #a = :s) OR (attribute_exists(#pk) AND #b = :one) OR attribute_not_exists(#pk)",
        "attribute_exists(#pk) AND #b = :one AND #a = :s",
    ] {
        assert!(condition(text).is_ok(), "{text}");
    }
    assert!(update("SET #a = :s, #b = :one").is_ok());
}

#[test]
fn what_is_wrong_is_told_in_words() {
    for (text, told) in [
        (
            "a = = :s",
            "Invalid ConditionExpression: Syntax error; token: \"=\", near: \"= = :s\"",
        ),
        (
            "a = :s AND",
            "Invalid ConditionExpression: Syntax error; token: \"<EOF>\", near: \"AND\"",
        ),
        (
            "",
            "Invalid ConditionExpression: The expression can not be empty;",
        ),
        (
            "#no = :s",
            "Invalid ConditionExpression: An expression attribute name used in the document path is not defined; attribute name: #no",
        ),
        (
            "a = :no",
            "Invalid ConditionExpression: An expression attribute value used in expression is not defined; attribute value: :no",
        ),
        (
            "a < :bool",
            "Invalid ConditionExpression: Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "f(a)",
            "Invalid ConditionExpression: Invalid function name; function: f",
        ),
        (
            "a BETWEEN :two AND :one",
            "Invalid ConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound",
        ),
    ] {
        assert_eq!(condition(text).unwrap_err(), told, "{text}");
    }
    for (text, told) in [
        (
            "SET a = :s SET b = :s",
            "Invalid UpdateExpression: The \"SET\" section can only be used once in an update expression;",
        ),
        (
            "SET a = :s, a.b = :s",
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]",
        ),
        (
            "SET a.b = :s REMOVE a[1]",
            "Invalid UpdateExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, [1]], path two: [a, b]",
        ),
        (
            "ADD a :s",
            "Invalid UpdateExpression: Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
    ] {
        assert_eq!(update(text).unwrap_err(), told, "{text}");
    }
}

#[test]
fn updates_have_four_sections() {
    let text = "SET a = if_not_exists(a, :one) + :two, l = list_append(:list, l) REMOVE c, d[1] ADD n :one DELETE s :set";
    let parsed = update(text).unwrap();
    let value = |name: &str| SetStep::Value(values()[name].clone());
    assert_eq!(
        parsed.set[0].1,
        [
            value(":one"),
            SetStep::IfNotExists(path("a")),
            value(":two"),
            SetStep::Plus
        ]
    );
    assert_eq!(
        parsed.set[1].1,
        [
            value(":list"),
            SetStep::Path(path("l")),
            SetStep::ListAppend
        ]
    );
    assert_eq!(
        (parsed.remove.len(), parsed.add.len(), parsed.delete.len()),
        (2, 1, 1)
    );
}

#[test]
fn bounds_hold() {
    let long = format!("a = :s AND {}", "b = :s AND ".repeat(400));
    assert!(
        condition(&long)
            .unwrap_err()
            .contains("maximum allowed size")
    );
    let many = format!("{}a = :s", "a=:s AND ".repeat(302));
    assert!(condition(&many).unwrap_err().contains("too many operators"));
    let deep = format!("{}a = :s{}", "(".repeat(1_000), ")".repeat(1_000));
    assert!(condition(&deep).unwrap_err().contains("nested too deeply"));
    let list = vec![":one"; 101].join(",");
    assert!(
        condition(&format!("a IN ({list})"))
            .unwrap_err()
            .contains("too many operands")
    );
}

#[test]
fn what_no_expression_refers_to_is_refused() {
    let (names, values) = (names(), values());
    let mut variables = Variables::new(Some(&names), Some(&values)).unwrap();
    let steps = variables.condition("ConditionExpression", Some("#a = :s AND #b = :one"));
    assert!(steps.is_ok());
    assert_eq!(
        variables.finish().unwrap_err().message,
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#pk}"
    );
    let none = Variables::new(None, Some(&values)).unwrap();
    assert_eq!(
        none.finish().unwrap_err().message,
        "ExpressionAttributeValues can only be specified when using expressions"
    );
}

#[test]
fn a_key_condition_says_one_thing_of_each_key() {
    let query = |text: &str| {
        let steps = condition(text).unwrap();
        key_query(&steps, "h", Some("r")).map_err(|error| error.message.into_owned())
    };
    let one = query("h = :s").unwrap();
    assert_eq!((one.hash, one.range), (values()[":s"].clone(), None));
    let two = query(":two > r AND h = :s").unwrap();
    assert_eq!(
        two.range,
        Some((RangeTest::Lt, values()[":two"].clone(), None))
    );
    let begins = query("h = :s AND begins_with(r, :s)").unwrap();
    assert_eq!(begins.range.unwrap().0, RangeTest::BeginsWith);
    assert_eq!(
        query("r = :s").unwrap_err(),
        "Query condition missed key schema element: h"
    );
    assert_eq!(
        query("h = :s AND x = :s").unwrap_err(),
        "Query condition missed key schema element: r"
    );
    assert_eq!(
        query("h > :one").unwrap_err(),
        "Query key condition not supported"
    );
    assert!(query("h = :s OR r = :s").is_err());
    assert!(query("h = :s AND h = :s").is_err());
}

#[test]
fn legacy_conditions_become_the_same_steps() {
    let value = values()[":s"].clone();
    let equal = ExpectedAttributeValue {
        value: Some(value.clone()),
        ..ExpectedAttributeValue::default()
    };
    let absent = ExpectedAttributeValue {
        exists: Some(false),
        ..ExpectedAttributeValue::default()
    };
    let both = [("a".to_owned(), equal), ("b".to_owned(), absent.clone())].into();
    let steps = expected(Some(&both), None).unwrap();
    assert_eq!(
        steps,
        [
            ConditionStep::Compare(
                Comparator::Eq,
                Operand::Path(path("a")),
                Operand::Value(value.clone())
            ),
            ConditionStep::Absent(path("b")),
            ConditionStep::And,
        ]
    );
    assert_eq!(
        expected(Some(&both), Some("OR")).unwrap()[2],
        ConditionStep::Or
    );
    let senseless = ExpectedAttributeValue {
        value: Some(value.clone()),
        ..absent
    };
    let refused = expected(Some(&[("a".to_owned(), senseless)].into()), None);
    assert!(refused.is_err());
    let put = AttributeValueUpdate {
        value: Some(value),
        action: None,
    };
    let delete = AttributeValueUpdate {
        value: None,
        action: Some("DELETE".into()),
    };
    let update = updates(Some(
        &[("a".to_owned(), put), ("b".to_owned(), delete)].into(),
    ))
    .unwrap();
    assert_eq!((update.set.len(), update.remove), (1, vec![path("b")]));
}
