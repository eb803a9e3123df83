//! What is refused, word for word.
//!
//! Where each is from:
//! - *recorded*: what AWS answered to a test suite that others keep (localstack/localstack,
//!   tests/aws/services/sns/test_sns_filter_policy.snapshot.json, of May 2024); the place in the text is AWS's too.
//! - *library*: the words of aws/event-ruler (JsonRuleCompiler, CIDR, ComparableNumber, WildcardParser), which the recorded ones
//!   are the words of. AWS was not seen to say them for SNS.
//! - *ours*: not found anywhere.

use levada_policy::filter::{FilterError, FilterPolicy, FilterScope};

fn refused(policy: &str, scope: FilterScope) -> String {
    match FilterPolicy::parse(policy, scope) {
        Ok(_) => format!("{policy} is taken"),
        Err(error) => error.to_string(),
    }
}

/// Policies as AWS quotes them, with the words and the column.
fn check(cases: &[(&str, &str, u32)]) {
    for (policy, message, column) in cases {
        let wanted = format!(
            "FilterPolicy: {message}\n at [Source: (String)\"{policy}\"; line: 1, column: {column}]"
        );
        assert_eq!(refused(policy, FilterScope::MessageAttributes), wanted);
        // With blanks AWS quotes the same: it compiles what it has written anew.
        let spaced = policy.replace(':', " : ").replace(',', ",\n  ");
        assert_eq!(refused(&spaced, FilterScope::MessageBody), wanted);
    }
}

/// Recorded.
#[test]
fn of_the_language() {
    check(&[
        (
            r#"{"key":[["value"]]}"#,
            "Match value must be String, number, true, false, or null",
            10,
        ),
        (
            r#"{"key":[{"wrong-operator":true}]}"#,
            "Unrecognized match type wrong-operator",
            31,
        ),
        (
            r#"{"key":[{"suffix":"value","prefix":"value2"}]}"#,
            "Only one key allowed in match expression",
            37,
        ),
        (
            r#"{"key":[{"suffix":100}]}"#,
            "suffix match pattern must be a string",
            22,
        ),
        (
            r#"{"key":[{"suffix":null}]}"#,
            "suffix match pattern must be a string",
            23,
        ),
        (
            r#"{"key":{"suffix":"value"}}"#,
            "\"suffix\" must be an object or an array",
            19,
        ),
        (
            r#"{"key":[{"suffix":[]}]}"#,
            "suffix match pattern must be a string",
            20,
        ),
        (
            r#"{"key":[{"suffix":["test","test2"]}]}"#,
            "suffix match pattern must be a string",
            20,
        ),
        (
            r#"{"key":{"suffix":"value","prefix":"value"}}"#,
            "\"suffix\" must be an object or an array",
            19,
        ),
        (
            r#"{"key":{"not-an-operator":"value"}}"#,
            "\"not-an-operator\" must be an object or an array",
            28,
        ),
        (
            r#"{"key_a":"value_one"}"#,
            "\"key_a\" must be an object or an array",
            11,
        ),
        (
            r#"{"key":[{"exists":null}]}"#,
            "exists match pattern must be either true or false.",
            23,
        ),
        (
            r#"{"key":[{"exists":"no"}]}"#,
            "exists match pattern must be either true or false.",
            20,
        ),
        (
            r#"{"key":[{"anything-but":{"wrong-operator":null}}]}"#,
            "Unsupported anything-but pattern: wrong-operator",
            47,
        ),
        (
            r#"{"key":[{"anything-but":{"suffix":"test"}}]}"#,
            "Unsupported anything-but pattern: suffix",
            36,
        ),
        (
            r#"{"key":[{"anything-but":{"exists":false}}]}"#,
            "Unsupported anything-but pattern: exists",
            40,
        ),
        (
            r#"{"key":[{"anything-but":{"prefix":false}}]}"#,
            "prefix match pattern must be a string",
            40,
        ),
    ]);
}

/// Recorded.
#[test]
fn of_numeric() {
    check(&[
        (
            r#"{"key":[{"numeric":[]}]}"#,
            "Invalid member in numeric match: ]",
            22,
        ),
        (
            r#"{"key":[{"numeric":["operator"]}]}"#,
            "Unrecognized numeric range operator: operator",
            32,
        ),
        (
            r#"{"key":[{"numeric":[1,"<="]}]}"#,
            "Invalid member in numeric match: 1",
            22,
        ),
        (
            r#"{"key":[{"numeric":["=","000"]}]}"#,
            "Value of equals must be numeric",
            26,
        ),
        (
            r#"{"key":[{"numeric":[">="]}]}"#,
            "Value of >= must be numeric",
            26,
        ),
        (
            r#"{"key":[{"numeric":["<",100,">",10]}]}"#,
            "Too many elements in numeric expression",
            30,
        ),
        (
            r#"{"key":[{"numeric":[">=",1,">",2]}]}"#,
            "Bad numeric range operator: >",
            31,
        ),
        (
            r#"{"key":[{"numeric":[">",3,"<",1]}]}"#,
            "Bottom must be less than top",
            33,
        ),
        (
            r#"{"key":[{"numeric":[">",20,"<="]}]}"#,
            "Value of <= must be numeric",
            33,
        ),
        (
            r#"{"key":[{"numeric":[">",20,30]}]}"#,
            "Bad value in numeric range: 30",
            30,
        ),
        (
            r#"{"key":[{"numeric":[">",20,"test"]}]}"#,
            "Bad numeric range operator: test",
            34,
        ),
        (
            r#"{"key":[{"numeric":[">","20","<","30"]}]}"#,
            "Value of > must be numeric",
            26,
        ),
        (
            r#"{"key":[{"numeric":[">",20,"<","30"]}]}"#,
            "Value of < must be numeric",
            33,
        ),
        (
            r#"{"key":[{"numeric":[">",20,"<",30,"<",50]}]}"#,
            "Too many terms in numeric range expression",
            36,
        ),
    ]);
}

/// Library; "Empty arrays are not allowed" was also seen by users of SNS (aws/aws-cdk, issue 16549). The bound on numbers is
/// that of "Filter policy constraints", the words are ComparableNumber's with it.
#[test]
fn of_the_language_as_the_library_has_it() {
    check(&[
        (r#"["key"]"#, "Filter is not an object", 2),
        (r#""key""#, "Filter is not an object", 2),
        (r#"{"key":[]}"#, "Empty arrays are not allowed", 10),
        (r#"{"key":{}}"#, "Empty objects are not allowed", 10),
        (r#"{"key":[{}]}"#, "Match expression name not found", 11),
        (
            r#"{"key":[{"prefix":1}]}"#,
            "prefix match pattern must be a string",
            20,
        ),
        (
            r#"{"key":[{"wildcard":1}]}"#,
            "wildcard match pattern must be a string",
            22,
        ),
        (
            r#"{"key":[{"cidr":1}]}"#,
            "prefix match pattern must be a string",
            18,
        ),
        (
            r#"{"key":[{"equals-ignore-case":1}]}"#,
            "equals-ignore-case match pattern must be a string",
            32,
        ),
        (
            r#"{"key":[{"numeric":1}]}"#,
            "Value of numeric must be an array.",
            21,
        ),
        (
            r#"{"key":[{"anything-but":null}]}"#,
            "Value of anything-but must be an array or single string/number value.",
            29,
        ),
        (
            r#"{"key":[{"anything-but":{}}]}"#,
            "Anything-But expression name not found",
            27,
        ),
        (
            r#"{"key":[{"anything-but":{"prefix":""}}]}"#,
            "Null prefix/suffix not allowed",
            36,
        ),
        (
            r#"{"key":[{"anything-but":["a",1]}]}"#,
            "Inside anything but list, either all values are number or string, mixed type is not supported",
            32,
        ),
        (
            r#"{"key":[{"anything-but":[true]}]}"#,
            "Inside anything but list, start|null|boolean is not supported.",
            30,
        ),
        (
            r#"{"key":[{"numeric":["=",1000000001]}]}"#,
            "Value must be between -1.0E9 and 1.0E9, inclusive",
            35,
        ),
        // No operator, as its objects have reserved names; so an array of expressions, of which the first is wrong.
        (
            r#"{"$or":[{"numeric":123},{"prefix":"abc"}]}"#,
            "Value of numeric must be an array.",
            23,
        ),
        (
            r#"{"$or":[{"a":[1]},{}]}"#,
            "Empty objects are not allowed",
            21,
        ),
        (r#"{"$or":[{"a":[1]}]}"#, "Unrecognized match type a", 15),
    ]);
}

/// Library: these are told without a place.
#[test]
fn of_patterns() {
    let cases = [
        (
            r#"{"key":[{"cidr":"10.0.0.0"}]}"#,
            "FilterPolicy: Malformed CIDR, one '/' required",
        ),
        (
            r#"{"key":[{"cidr":"10.0.0.0/33"}]}"#,
            "FilterPolicy: IPv4 mask bits must be < 33",
        ),
        (
            r#"{"key":[{"wildcard":"a**b"}]}"#,
            "FilterPolicy: Consecutive wildcard characters at pos 2",
        ),
        (
            r#"{"key":[{"wildcard":"a\\b"}]}"#,
            "FilterPolicy: Invalid escape character at pos 2",
        ),
    ];
    for (policy, wanted) in cases {
        assert_eq!(refused(policy, FilterScope::MessageBody), wanted);
    }
}

/// The beginning recorded (test_sns.snapshot.json of the same suite asserts it); what follows is the parser's own.
#[test]
fn of_what_is_no_json() {
    assert_eq!(
        refused("{invalidjson}", FilterScope::MessageAttributes),
        "FilterPolicy: failed to parse JSON. Unexpected character ('i' (code 105)): was expecting double-quote to start \
         field name\n at [Source: (String)\"{invalidjson}\"; line: 1, column: 3]"
    );
    for policy in [
        "{",
        "{\"a\":[1]",
        "{\"a\":[1]} x",
        "{\"a\":[1],}",
        "nonsense",
    ] {
        let told = refused(policy, FilterScope::MessageBody);
        assert!(
            told.starts_with("FilterPolicy: failed to parse JSON. "),
            "{told}"
        );
    }
}

/// Recorded, but for the size, which is ours.
#[test]
fn of_bounds() {
    use FilterScope::{MessageAttributes as Attributes, MessageBody as Body};
    let too_complex = "FilterPolicy: Filter policy is too complex";
    let too_many_keys = "FilterPolicy: Filter policy can not have more than 5 keys";
    let values = |count: usize| {
        let values: Vec<String> = (0..count)
            .map(|value| format!("\"value{value}\""))
            .collect();
        format!("[{}]", values.join(","))
    };
    let one = values(1);
    let cases = [
        (
            format!(r#"{{"key":{}}}"#, values(151)),
            Attributes,
            too_complex,
        ),
        (
            format!(r#"{{"key1":{},"key2":{}}}"#, values(100), values(51)),
            Attributes,
            too_complex,
        ),
        (
            format!(r#"{{"a":{one},"b":{one},"c":{one},"d":{one},"e":{one},"f":{one}}}"#),
            Attributes,
            too_many_keys,
        ),
        (
            format!(r#"{{"a":{one},"b":{one},"c":{one},"d":{one},"e":{one},"f":{one}}}"#),
            Body,
            too_many_keys,
        ),
        // 3 levels of 4, 2 of 3, 1 of 3: 216.
        (
            format!(
                r#"{{"a":{{"b":{{"c":{}}}}},"d":{{"e":{}}},"f":{}}}"#,
                values(4),
                values(3),
                values(3)
            ),
            Body,
            too_complex,
        ),
        (
            r#"{"object":{"key":[{"prefix":"auto-"}]}}"#.to_owned(),
            Attributes,
            "Filter policy scope MessageAttributes does not support nested filter policy",
        ),
        (
            format!("{{\"key\":[\"{}\"]}}", "x".repeat(256 * 1_024)),
            Body,
            "FilterPolicy: Filter policy is larger than 262144 bytes",
        ),
    ];
    for (policy, scope, wanted) in cases {
        assert_eq!(refused(&policy, scope), wanted);
    }
}

/// Recorded: 152 and 160 are too much, 150 is not.
#[test]
fn of_combinations_with_or() {
    let refused = |text: &str, scope| FilterPolicy::parse(text, scope).err();
    let flat = |source: &str, names: &str, spaces: &str| {
        format!(
            r#"{{"source":{source},"$or":[{{"metricName":{names}}},{{"metricType":["1","2","3","4"],
            "$or":[{{"metricId":[1234,4321,5678,9012]}},{{"spaceId":{spaces}}}]}}]}}"#
        )
    };
    let over = flat(
        r#"["1","2","3","4"]"#,
        r#"["1","2","3","4","5","6"]"#,
        "[1,2,3,4]",
    );
    assert_eq!(
        refused(&over, FilterScope::MessageAttributes),
        Some(FilterError::TooComplex)
    );
    let just = flat(
        r#"["1","2","3"]"#,
        r#"["1","2","3","4","5","6"]"#,
        "[1,2,3,4,5,6,7]",
    );
    assert_eq!(refused(&just, FilterScope::MessageAttributes), None);
    let nested = r#"{"$or":[{"metricName":["1","2","3"]},{"namespace":["1","2"]}],
        "detail":{"scope":["1","2"],"$or":[{"source":["1"]},{"type":["1","2","3"]}]}}"#;
    assert_eq!(
        refused(nested, FilterScope::MessageBody),
        Some(FilterError::TooComplex)
    );
}

/// From a report of the wildcards that SNS has since July 2025 (chaosreload.github.io, "SNS message filtering operators"): at
/// most three in a pattern; one is a point, several are three each; a key's points are taken times its patterns; at most 100.
#[test]
fn of_wildcards() {
    let patterns = |pattern: &str, count: usize| {
        let all: Vec<String> = (0..count)
            .map(|number| format!("{{\"wildcard\":\"{number}{pattern}\"}}"))
            .collect();
        format!("{{\"key\":[{}]}}", all.join(","))
    };
    let refused = |text: &str| FilterPolicy::parse(text, FilterScope::MessageBody).err();
    assert_eq!(refused(&patterns("*", 10)), None);
    assert_eq!(refused(&patterns("*", 11)), Some(FilterError::TooComplex));
    assert_eq!(refused(&patterns("*x*", 4)), None);
    assert_eq!(refused(&patterns("*x*", 5)), Some(FilterError::TooComplex));
    assert_eq!(refused(&patterns("*x*y*", 1)), None);
    assert_eq!(
        refused(&patterns("*x*y*z*", 1)),
        Some(FilterError::TooComplex)
    );
}

/// Recorded.
#[test]
fn of_scopes() {
    let told = "RandomValue"
        .parse::<FilterScope>()
        .map_err(|error| error.to_string());
    let wanted = "FilterPolicyScope: Invalid value [RandomValue]. Please use either MessageBody or MessageAttributes";
    assert_eq!(told, Err(wanted.to_owned()));
    for scope in [FilterScope::MessageAttributes, FilterScope::MessageBody] {
        assert_eq!(scope.as_str().parse(), Ok(scope));
    }
}
