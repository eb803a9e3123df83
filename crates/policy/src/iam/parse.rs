//! From a policy's text to its statements. What is not understood is refused: a policy must not say less than it seems to.

use levada_types::limits::{IAM_POLICY_BYTES_MAX, IAM_POLICY_DEPTH_MAX};

use super::condition::Condition;
use super::pattern::{Pattern, Syntax};
use super::principal::Principals;
use super::{Listed, Policy, PolicyError, Statement};
use crate::json::{Json, tree};

/// The version of the language that has variables.
const WITH_VARIABLES: &str = "2012-10-17";
const VERSIONS: &[&str] = &[WITH_VARIABLES, "2008-10-17"];

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    if text.len() > IAM_POLICY_BYTES_MAX {
        return Err(PolicyError::TooLarge(IAM_POLICY_BYTES_MAX));
    }
    let document = |reason: &str| PolicyError::Document(reason.to_owned());
    let json = tree(text, IAM_POLICY_DEPTH_MAX).map_err(PolicyError::Document)?;
    let Json::Object(elements) = json else {
        return Err(document("it is not an object"));
    };
    let mut id = None;
    let mut variables = false;
    let mut statements = None;
    for (name, value) in elements {
        match (name.as_str(), value) {
            ("Version", Json::Text(version)) if VERSIONS.contains(&version.as_str()) => {
                variables = version == WITH_VARIABLES;
            }
            ("Version", _) => return Err(document("Version must be 2012-10-17 or 2008-10-17")),
            ("Id", Json::Text(text)) => id = Some(text),
            ("Id", _) => return Err(document("Id must be a string")),
            ("Statement", Json::List(list)) => statements = Some(list),
            ("Statement", one @ Json::Object(_)) => statements = Some(vec![one]),
            ("Statement", _) => return Err(document("Statement must be an object or an array")),
            (other, _) => return Err(document(&format!("\"{other}\" is no element of a policy"))),
        }
    }
    let statements = statements
        .filter(|list| !list.is_empty())
        .ok_or_else(|| document("it has no statements"))?;
    let statements = (1..)
        .zip(&statements)
        .map(|(number, json)| {
            statement(json, variables).map_err(|reason| PolicyError::Statement { number, reason })
        })
        .collect::<Result<_, _>>()?;
    Ok(Policy { id, statements })
}

/// The elements that were found so far.
#[derive(Default)]
struct Parts {
    sid: Option<String>,
    denies: Option<bool>,
    principals: Option<Listed<Principals>>,
    actions: Option<Listed<Vec<Pattern>>>,
    resources: Option<Listed<Vec<Pattern>>>,
    conditions: Vec<Condition>,
}

fn statement(json: &Json, variables: bool) -> Result<Statement, String> {
    let Json::Object(elements) = json else {
        return Err("it is not an object".to_owned());
    };
    let mut parts = Parts::default();
    for (name, value) in elements {
        parts.take(name, value, variables)?;
    }
    Ok(Statement {
        sid: parts.sid,
        denies: parts.denies.ok_or("it has no Effect")?,
        principals: parts
            .principals
            .ok_or("it has neither Principal nor NotPrincipal")?,
        actions: parts.actions.ok_or("it has neither Action nor NotAction")?,
        resources: parts.resources,
        conditions: parts.conditions,
    })
}

impl Parts {
    fn take(&mut self, name: &str, value: &Json, variables: bool) -> Result<(), String> {
        // Actions have wildcards only, resources variables too.
        let actions = Syntax {
            wildcards: true,
            variables: false,
        };
        let resources = Syntax {
            wildcards: true,
            variables,
        };
        match (name, value) {
            ("Sid", Json::Text(sid)) => self.sid = Some(sid.clone()),
            ("Sid", _) => return Err("Sid must be a string".to_owned()),
            ("Effect", Json::Text(effect)) if effect == "Allow" => self.denies = Some(false),
            ("Effect", Json::Text(effect)) if effect == "Deny" => self.denies = Some(true),
            ("Effect", _) => return Err("Effect must be Allow or Deny".to_owned()),
            ("Principal", value) => {
                once(
                    &mut self.principals,
                    name,
                    Listed::These(Principals::parse(value)?),
                )?;
            }
            ("NotPrincipal", value) => {
                once(
                    &mut self.principals,
                    name,
                    Listed::AllBut(Principals::parse(value)?),
                )?;
            }
            ("Action", value) => {
                once(
                    &mut self.actions,
                    name,
                    Listed::These(patterns(name, value, actions)?),
                )?;
            }
            ("NotAction", value) => {
                once(
                    &mut self.actions,
                    name,
                    Listed::AllBut(patterns(name, value, actions)?),
                )?;
            }
            ("Resource", value) => {
                once(
                    &mut self.resources,
                    name,
                    Listed::These(patterns(name, value, resources)?),
                )?;
            }
            ("NotResource", value) => {
                once(
                    &mut self.resources,
                    name,
                    Listed::AllBut(patterns(name, value, resources)?),
                )?;
            }
            ("Condition", value) => self.conditions = conditions(value, variables)?,
            (other, _) => return Err(format!("\"{other}\" is no element of a statement")),
        }
        Ok(())
    }
}

/// An element and the one that excepts stand for the same, so only one of them may be there.
fn once<T>(part: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    if part.is_some() {
        return Err(format!("{name} can't be beside its opposite"));
    }
    *part = Some(value);
    Ok(())
}

fn patterns(name: &str, value: &Json, syntax: Syntax) -> Result<Vec<Pattern>, String> {
    let one = |json: &Json| match json {
        Json::Text(text) if !text.is_empty() => Pattern::parse(text, syntax),
        _ => Err(format!("{name} must be a string, or an array of strings")),
    };
    match value {
        Json::List(list) if list.is_empty() => Err(format!("{name} is an empty array")),
        Json::List(list) => list.iter().map(one).collect(),
        single => Ok(vec![one(single)?]),
    }
}

fn conditions(value: &Json, variables: bool) -> Result<Vec<Condition>, String> {
    let Json::Object(operators) = value else {
        return Err("Condition must be an object".to_owned());
    };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Json::Object(keys) = keys else {
            return Err(format!("{operator} must have an object of keys and values"));
        };
        for (key, values) in keys {
            conditions.push(Condition::parse(operator, key, values, variables)?);
        }
    }
    Ok(conditions)
}
