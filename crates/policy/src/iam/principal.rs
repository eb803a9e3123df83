//! Who a statement is for. Source: "AWS JSON policy elements: Principal".

use super::request::Caller;
use crate::json::Json;

/// The principals that a statement lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Principals {
    anyone: bool,
    /// Everyone of these accounts.
    accounts: Vec<String>,
    /// Users, roles and sessions by ARN, or by what else they are called.
    names: Vec<String>,
    any_service: bool,
    services: Vec<String>,
    federated: Vec<String>,
}

impl Principals {
    pub(super) fn parse(json: &Json) -> Result<Self, String> {
        let mut principals = Self::default();
        match json {
            Json::Text(text) if text == "*" => principals.anyone = true,
            Json::Object(kinds) if !kinds.is_empty() => {
                for (kind, listed) in kinds {
                    for name in names(kind, listed)? {
                        principals.put(kind, name)?;
                    }
                }
            }
            _ => {
                return Err("Principal must be \"*\" or an object of AWS, Service, Federated or CanonicalUser".to_owned());
            }
        }
        Ok(principals)
    }

    fn put(&mut self, kind: &str, name: &str) -> Result<(), String> {
        match (kind, name) {
            ("AWS", "*") => self.anyone = true,
            ("Service", "*") => self.any_service = true,
            (_, name) if name.is_empty() || name.contains('*') => {
                return Err(format!(
                    "the principal \"{name}\" can't be: only \"*\" by itself stands for many"
                ));
            }
            ("AWS", name) => match account(name) {
                Some(account) => self.accounts.push(account.to_owned()),
                None => self.names.push(name.to_owned()),
            },
            ("CanonicalUser", name) => self.names.push(name.to_owned()),
            ("Service", name) => self.services.push(name.to_owned()),
            ("Federated", name) => self.federated.push(name.to_owned()),
            (other, _) => return Err(format!("there are no principals of the kind \"{other}\"")),
        }
        Ok(())
    }

    /// Whether the caller is one of them.
    pub(super) fn have(&self, caller: &Caller<'_>) -> bool {
        if self.anyone {
            return true;
        }
        let listed = |names: &[String], name: &str| names.iter().any(|known| known == name);
        match caller {
            Caller::Anonymous => false,
            Caller::Aws { account, names } => {
                listed(&self.accounts, account)
                    || names.iter().any(|name| listed(&self.names, name))
            }
            Caller::Service(name) => self.any_service || listed(&self.services, name),
            Caller::Federated(name) => listed(&self.federated, name),
        }
    }
}

fn names<'j>(kind: &str, listed: &'j Json) -> Result<Vec<&'j str>, String> {
    let text = |json: &'j Json| match json {
        Json::Text(text) => Ok(text.as_str()),
        _ => Err(format!("principals of the kind \"{kind}\" must be strings")),
    };
    match listed {
        Json::List(list) if !list.is_empty() => list.iter().map(text).collect(),
        Json::List(_) => Err(format!("no principals of the kind \"{kind}\" are listed")),
        one => Ok(vec![text(one)?]),
    }
}

/// The account that is meant by its digits or by the ARN of its root.
fn account(name: &str) -> Option<&str> {
    let digits = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(name) {
        return Some(name);
    }
    let parts: Vec<&str> = name.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "iam", "", account, "root"] if digits(account) => Some(account),
        _ => None,
    }
}
