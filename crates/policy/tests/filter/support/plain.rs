//! Filter policies evaluated as plainly as can be, over parsed JSON: what the crate is compared with.
//!
//! A body is made into flat ones, one for each way to take one element of each array of objects, and each is looked at by
//! itself. That costs what the product of the arrays is, so bodies of tests are small. It knows only what the generated
//! policies have.

use serde_json::{Map, Value};

/// A path and its values, in one way to choose elements.
type Flat = Vec<(String, Value)>;

/// Whether a body passes.
pub(crate) fn body_passes(policy: &Value, body: &Value) -> bool {
    let Value::Object(body) = body else {
        return false;
    };
    let ways = object_ways("", true, body);
    let all_paths: Vec<String> = ways
        .iter()
        .flatten()
        .map(|(path, _)| path.clone())
        .collect();
    ways.iter()
        .any(|flat| holds(policy, "", true, flat, &all_paths))
}

/// Whether a message with these values, by key, passes.
pub(crate) fn attributes_pass(policy: &Value, attributes: &[(String, Value)]) -> bool {
    let flat: Flat = attributes.to_vec();
    let paths: Vec<String> = flat.iter().map(|(path, _)| path.clone()).collect();
    holds(policy, "", true, &flat, &paths)
}

fn joined(prefix: &str, top: bool, name: &str) -> String {
    if top {
        name.to_owned()
    } else {
        format!("{prefix}.{name}")
    }
}

fn object_ways(prefix: &str, top: bool, object: &Map<String, Value>) -> Vec<Flat> {
    let mut ways = vec![Vec::new()];
    for (name, value) in object {
        let path = joined(prefix, top, name);
        ways = both(&ways, &value_ways(&path, value));
    }
    ways
}

fn both(these: &[Flat], those: &[Flat]) -> Vec<Flat> {
    let mut all = Vec::new();
    for this in these {
        for that in those {
            all.push(this.iter().chain(that).cloned().collect());
        }
    }
    all
}

fn value_ways(path: &str, value: &Value) -> Vec<Flat> {
    match value {
        Value::Object(object) => object_ways(path, false, object),
        Value::Array(elements) => {
            // Single values are there whichever element is taken.
            let single: Flat = elements
                .iter()
                .filter(|element| !element.is_object() && !element.is_array())
                .map(|element| (path.to_owned(), element.clone()))
                .collect();
            let mut ways: Vec<Flat> = elements
                .iter()
                .filter(|element| element.is_object() || element.is_array())
                .flat_map(|element| value_ways(path, element))
                .collect();
            if ways.is_empty() {
                ways.push(Vec::new());
            }
            both(&ways, &[single])
        }
        other => vec![vec![(path.to_owned(), other.clone())]],
    }
}

fn holds(policy: &Value, prefix: &str, top: bool, flat: &Flat, all_paths: &[String]) -> bool {
    let Value::Object(object) = policy else {
        return false;
    };
    object.iter().all(|(name, value)| {
        if name == "$or" {
            let Value::Array(alternatives) = value else {
                return false;
            };
            return alternatives
                .iter()
                .any(|alternative| holds(alternative, prefix, top, flat, all_paths));
        }
        let path = joined(prefix, top, name);
        match value {
            Value::Array(conditions) => conditions
                .iter()
                .any(|condition| meets(condition, &path, flat, all_paths)),
            nested => holds(nested, &path, false, flat, all_paths),
        }
    })
}

fn meets(condition: &Value, path: &str, flat: &Flat, all_paths: &[String]) -> bool {
    if condition == &serde_json::json!({"exists": false}) {
        return !all_paths.iter().any(|known| known == path);
    }
    flat.iter()
        .filter(|(known, _)| known == path)
        .any(|(_, value)| meets_value(condition, value))
}

fn meets_value(condition: &Value, value: &Value) -> bool {
    let Value::Object(expression) = condition else {
        return same(condition, value);
    };
    let (operator, operand) = expression
        .iter()
        .next()
        .expect("an expression has an operator");
    let text = value.as_str();
    match operator.as_str() {
        "exists" => true,
        "prefix" => text.is_some_and(|text| text.starts_with(operand.as_str().expect("text"))),
        "suffix" => text.is_some_and(|text| text.ends_with(operand.as_str().expect("text"))),
        "equals-ignore-case" => text.is_some_and(|text| {
            text.to_lowercase() == operand.as_str().expect("text").to_lowercase()
        }),
        "wildcard" => text
            .is_some_and(|text| wild(operand.as_str().expect("text").as_bytes(), text.as_bytes())),
        "cidr" => text.is_some_and(|text| in_range(operand.as_str().expect("text"), text)),
        "numeric" => value
            .as_f64()
            .is_some_and(|number| compares(operand.as_array().expect("list"), number)),
        "anything-but" => match operand {
            Value::Array(values) => !values.iter().any(|excluded| same(excluded, value)),
            Value::Object(_) => !meets_value(operand, value),
            single => !same(single, value),
        },
        other => panic!("{other} is not generated"),
    }
}

fn same(this: &Value, that: &Value) -> bool {
    match (this.as_f64(), that.as_f64()) {
        (Some(this), Some(that)) => this == that,
        _ => this == that,
    }
}

fn compares(list: &[Value], number: f64) -> bool {
    list.chunks(2).all(|pair| {
        let bound = pair[1].as_f64().expect("a number");
        match pair[0].as_str().expect("an operator") {
            "=" => number == bound,
            "<" => number < bound,
            "<=" => number <= bound,
            ">" => number > bound,
            _ => number >= bound,
        }
    })
}

/// By trying every length for a star.
fn wild(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|taken| wild(rest, &text[taken..])),
        [first, rest @ ..] => text.first() == Some(first) && wild(rest, &text[1..]),
    }
}

/// Of IPv4, by all its bits.
fn in_range(range: &str, address: &str) -> bool {
    let (network, bits) = range.split_once('/').expect("a range");
    let number = |text: &str| {
        let address: Option<std::net::Ipv4Addr> = text.parse().ok();
        address.map(|address| format!("{:032b}", u32::from(address)))
    };
    let bits: usize = bits.parse().expect("bits");
    match (number(network), number(address)) {
        (Some(network), Some(address)) => network[..bits] == address[..bits],
        _ => false,
    }
}
