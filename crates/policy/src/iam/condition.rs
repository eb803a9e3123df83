//! Conditions: `"StringEquals": {"aws:SourceAccount": "123456789012"}`.
//!
//! Source: "IAM JSON policy elements: Condition operators", "Single-valued vs. multivalued context keys".

use super::moment::moment_ms;
use super::pattern::{Pattern, Syntax};
use super::request::Context;
use crate::cidr::Cidr;
use crate::json::Json;

/// A condition on one key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    /// As it is written.
    operator: String,
    /// In lower case.
    key: String,
    over: Over,
    if_exists: bool,
    /// The operator says `Not`.
    negated: bool,
    /// A value is as the operator has it, but for `Not`, if it is as one of these.
    wanted: Wanted,
}

/// How a key with several values is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Over {
    /// As one with one value; of several, one must do, or with `Not` all.
    Single,
    All,
    Any,
}

#[derive(Clone, Debug, PartialEq)]
enum Wanted {
    Text(Vec<Pattern>),
    TextIgnoringCase(Vec<Pattern>),
    Arn(Vec<Pattern>),
    Number(Order, Vec<f64>),
    MomentMs(Order, Vec<i64>),
    Bool(Vec<bool>),
    Address(Vec<Cidr>),
    /// The key is not there; or it is.
    Absent(bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, this: &T, that: &T) -> bool {
        match self {
            Self::Equal => this == that,
            Self::Less => this < that,
            Self::LessOrEqual => this <= that,
            Self::Greater => this > that,
            Self::GreaterOrEqual => this >= that,
        }
    }
}

/// What an operator's name says, without what stands before and behind it.
struct Operator {
    kind: Kind,
    negated: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Equals,
    IgnoringCase,
    Like,
    Arn,
    Number(Order),
    Moment(Order),
    Bool,
    Address,
    Null,
}

impl Operator {
    /// Case does not matter in the names.
    fn named(name: &str) -> Option<Self> {
        let (kind, negated) = match name.to_ascii_lowercase().as_str() {
            // Binary values are compared as what they are written as: in base64 there is one way to write them.
            "stringequals" | "binaryequals" => (Kind::Equals, false),
            "stringnotequals" => (Kind::Equals, true),
            "stringequalsignorecase" => (Kind::IgnoringCase, false),
            "stringnotequalsignorecase" => (Kind::IgnoringCase, true),
            "stringlike" => (Kind::Like, false),
            "stringnotlike" => (Kind::Like, true),
            // The two are the same, as documented.
            "arnequals" | "arnlike" => (Kind::Arn, false),
            "arnnotequals" | "arnnotlike" => (Kind::Arn, true),
            "numericequals" => (Kind::Number(Order::Equal), false),
            "numericnotequals" => (Kind::Number(Order::Equal), true),
            "numericlessthan" => (Kind::Number(Order::Less), false),
            "numericlessthanequals" => (Kind::Number(Order::LessOrEqual), false),
            "numericgreaterthan" => (Kind::Number(Order::Greater), false),
            "numericgreaterthanequals" => (Kind::Number(Order::GreaterOrEqual), false),
            "dateequals" => (Kind::Moment(Order::Equal), false),
            "datenotequals" => (Kind::Moment(Order::Equal), true),
            "datelessthan" => (Kind::Moment(Order::Less), false),
            "datelessthanequals" => (Kind::Moment(Order::LessOrEqual), false),
            "dategreaterthan" => (Kind::Moment(Order::Greater), false),
            "dategreaterthanequals" => (Kind::Moment(Order::GreaterOrEqual), false),
            "bool" => (Kind::Bool, false),
            "ipaddress" => (Kind::Address, false),
            "notipaddress" => (Kind::Address, true),
            "null" => (Kind::Null, false),
            _ => return None,
        };
        Some(Self { kind, negated })
    }
}

impl Condition {
    /// Reads what one operator has for one key.
    pub(super) fn parse(
        written: &str,
        key: &str,
        values: &Json,
        variables: bool,
    ) -> Result<Self, String> {
        let (over, rest) = match written.split_once(':') {
            None => (Over::Single, written),
            Some(("ForAllValues", rest)) => (Over::All, rest),
            Some(("ForAnyValue", rest)) => (Over::Any, rest),
            Some((other, _)) => return Err(format!("there is no \"{other}\" before an operator")),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let unknown = || format!("there is no operator \"{written}\"");
        let operator = Operator::named(name).ok_or_else(unknown)?;
        if matches!(operator.kind, Kind::Null) && (if_exists || over != Over::Single) {
            return Err(unknown());
        }
        let texts = texts(values)
            .filter(|texts| !texts.is_empty())
            .ok_or_else(|| {
                format!("{written} on {key} must have a string, or an array of strings")
            })?;
        let wanted = wanted(operator.kind, &texts, variables)
            .map_err(|reason| format!("{written} on {key}: {reason}"))?;
        Ok(Self {
            operator: written.to_owned(),
            key: key.to_lowercase(),
            over,
            if_exists,
            negated: operator.negated,
            wanted,
        })
    }

    pub(super) fn operator(&self) -> &str {
        &self.operator
    }

    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Whether it is on a key, or compares with what the key has.
    pub(super) fn looks_at(&self, key: &str) -> bool {
        let patterns = match &self.wanted {
            Wanted::Text(patterns) | Wanted::TextIgnoringCase(patterns) | Wanted::Arn(patterns) => {
                &patterns[..]
            }
            _ => &[],
        };
        self.key == key || patterns.iter().any(|pattern| pattern.looks_at(key))
    }

    /// Whether it holds for what is known of a request. One with `Not` and a variable that is not known holds where that
    /// denies, and does not where it would allow.
    pub(super) fn holds(&self, context: &Context, denies: bool) -> bool {
        let values = context.get(&self.key);
        if let Wanted::Absent(absent) = &self.wanted {
            // "The key is absent or its value is null".
            return values.is_none_or(<[String]>::is_empty) == *absent;
        }
        let Some(values) = values.filter(|values| !values.is_empty()) else {
            return match self.over {
                Over::Single => self.negated || self.if_exists,
                Over::All => true,
                Over::Any => self.if_exists,
            };
        };
        if self.negated && !self.is_filled(context) {
            return denies;
        }
        let mut each = values
            .iter()
            .map(|value| self.is_wanted(value, context) != self.negated);
        match (self.over, self.negated) {
            (Over::All, _) | (Over::Single, true) => each.all(|holds| holds),
            (Over::Any, _) | (Over::Single, false) => each.any(|holds| holds),
        }
    }

    fn is_filled(&self, context: &Context) -> bool {
        match &self.wanted {
            Wanted::Text(patterns) | Wanted::TextIgnoringCase(patterns) | Wanted::Arn(patterns) => {
                patterns.iter().all(|one| one.is_filled(context))
            }
            _ => true,
        }
    }

    fn is_wanted(&self, value: &str, context: &Context) -> bool {
        match &self.wanted {
            Wanted::Text(patterns) => patterns.iter().any(|one| one.matches(value, context)),
            Wanted::TextIgnoringCase(patterns) => patterns
                .iter()
                .any(|one| one.matches_ignoring_case(value, context)),
            Wanted::Arn(patterns) => patterns.iter().any(|one| one.matches_arn(value, context)),
            Wanted::Number(order, numbers) => number(value)
                .is_some_and(|this| numbers.iter().any(|that| order.holds(&this, that))),
            Wanted::MomentMs(order, moments) => moment_ms(value)
                .is_some_and(|this| moments.iter().any(|that| order.holds(&this, that))),
            Wanted::Bool(bools) => truth(value).is_some_and(|this| bools.contains(&this)),
            Wanted::Address(ranges) => ranges.iter().any(|range| range.contains(value)),
            Wanted::Absent(_) => false,
        }
    }
}

fn wanted(kind: Kind, texts: &[&str], variables: bool) -> Result<Wanted, String> {
    let patterns = |wildcards| {
        let syntax = Syntax {
            wildcards,
            variables,
        };
        let parsed = texts.iter().map(|text| Pattern::parse(text, syntax));
        parsed.collect::<Result<Vec<_>, _>>()
    };
    let no = |what: &str, text: &str| format!("\"{text}\" is no {what}");
    Ok(match kind {
        Kind::Equals => Wanted::Text(patterns(false)?),
        Kind::IgnoringCase => Wanted::TextIgnoringCase(patterns(false)?),
        Kind::Like => Wanted::Text(patterns(true)?),
        Kind::Arn => Wanted::Arn(patterns(true)?),
        Kind::Number(order) => Wanted::Number(
            order,
            each(texts, |text| number(text).ok_or_else(|| no("number", text)))?,
        ),
        Kind::Moment(order) => Wanted::MomentMs(
            order,
            each(texts, |text| {
                moment_ms(text).ok_or_else(|| no("date", text))
            })?,
        ),
        Kind::Bool => Wanted::Bool(each(texts, |text| {
            truth(text).ok_or_else(|| no("true or false", text))
        })?),
        Kind::Address => Wanted::Address(each(texts, Cidr::parse_or_address)?),
        Kind::Null => match each(texts, |text| {
            truth(text).ok_or_else(|| no("true or false", text))
        })?[..]
        {
            [absent] => Wanted::Absent(absent),
            _ => return Err("there can be one value only".to_owned()),
        },
    })
}

fn each<T>(texts: &[&str], parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    texts.iter().map(|text| parse(text)).collect()
}

/// The values as texts; numbers and truth values may be written without quotes.
fn texts(values: &Json) -> Option<Vec<&str>> {
    let text = |json| match json {
        &Json::Text(ref text) | &Json::Number(ref text) => Some(text.as_str()),
        Json::Bool(true) => Some("true"),
        Json::Bool(false) => Some("false"),
        _ => None,
    };
    match values {
        Json::List(list) => list.iter().map(text).collect(),
        one => Some(vec![text(one)?]),
    }
}

/// A number that is one: neither endless nor none.
fn number(text: &str) -> Option<f64> {
    let written = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    let number: f64 = text.parse().ok().filter(|_| written)?;
    number.is_finite().then_some(number)
}

fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}
