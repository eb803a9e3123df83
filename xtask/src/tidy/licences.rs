//! The licence of every dependency, against the list in deny.toml.
//!
//! cargo-deny does this too, and more, but takes minutes to build; this runs everywhere at no cost and from
//! the same list. Expressions are SPDX, and the older `MIT/Apache-2.0`, which means OR.

use serde_json::Value;

/// A finding for each package whose licence the list does not allow.
pub(super) fn check(metadata: &Value, rules: &str) -> Vec<String> {
    let Some(allowed) = allowed(rules) else {
        return vec!["deny.toml: no `allow = [...]` under [licenses]".to_owned()];
    };
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|package| {
            let name = package["name"].as_str().unwrap_or_default();
            match package["license"].as_str() {
                Some(licence) if permits(licence, &allowed) => None,
                Some(licence) => Some(format!(
                    "{name}: its licence, {licence}, is not allowed by deny.toml"
                )),
                None => Some(format!("{name}: states no licence")),
            }
        })
        .collect()
}

/// The strings of `allow` in the `[licenses]` table: the one place of deny.toml that is read here.
fn allowed(rules: &str) -> Option<Vec<&str>> {
    let (_, table) = rules.split_once("[licenses]")?;
    let (_, list) = table.split_once("allow = [")?;
    let (list, _) = list.split_once(']')?;
    Some(list.split('"').skip(1).step_by(2).collect())
}

fn permits(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser {
        tokens: &tokens,
        allowed,
    };
    let permitted = parser.any();
    // What is left over was not understood, and what is not understood is not permitted.
    permitted && parser.tokens.is_empty()
}

/// Recursive descent over `any := all (OR all)*`, `all := one (AND one)*`, `one := (any) | id [WITH id]`.
struct Parser<'a> {
    tokens: &'a [&'a str],
    allowed: &'a [&'a str],
}

impl Parser<'_> {
    fn any(&mut self) -> bool {
        let mut permitted = self.all();
        while self.take("OR") {
            permitted |= self.all();
        }
        permitted
    }

    fn all(&mut self) -> bool {
        let mut permitted = self.one();
        while self.take("AND") {
            permitted &= self.one();
        }
        permitted
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let permitted = self.any();
            return self.take(")") && permitted;
        }
        let Some((id, rest)) = self.tokens.split_first() else {
            return false;
        };
        self.tokens = rest;
        if self.take("WITH") {
            let Some((exception, rest)) = self.tokens.split_first() else {
                return false;
            };
            self.tokens = rest;
            let whole = format!("{id} WITH {exception}");
            return self.allowed.contains(&whole.as_str());
        }
        self.allowed.contains(id)
    }

    fn take(&mut self, word: &str) -> bool {
        match self.tokens.split_first() {
            Some((first, rest)) if *first == word => {
                self.tokens = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULES: &str = "[bans]\n[licenses]\nallow = [\n  \"MIT\",\n  \"Unicode-3.0\",\n]\n";

    #[test]
    fn expressions_are_understood() {
        let allowed = allowed(RULES).unwrap();
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "(GPL-3.0 OR MIT) AND Unicode-3.0",
        ] {
            assert!(permits(good, &allowed), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT WITH odd-exception",
            "(MIT",
            "MIT MIT",
            "",
        ] {
            assert!(!permits(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn a_package_without_an_allowed_licence_is_found() {
        let metadata = json!({"packages": [
            {"name": "good", "license": "MIT"},
            {"name": "copyleft", "license": "AGPL-3.0"},
            {"name": "silent", "license": null},
        ]});
        let findings = check(&metadata, RULES);
        assert_eq!(findings.len(), 2);
        assert!(findings[0].starts_with("copyleft") && findings[1].starts_with("silent"));
    }

    #[test]
    fn a_missing_list_is_a_finding() {
        assert_eq!(check(&json!({"packages": []}), "[licenses]\n").len(), 1);
    }
}
