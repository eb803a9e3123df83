//! The TOML file as it is written: every key optional, no key unknown, every value checked where it
//! stands, so that the parser can name the line.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use levada_gateway::AdminCallers;
use levada_types::{AccountId, QueueName, Region};
use serde::de::{Deserialize, Deserializer, Error};

use super::{
    DELETED_NAME_WAIT_SECS_MAX, LogFormat, ON_DEMAND_WINDOW_SECS_MAX, PARTITIONS_MAX, Queue,
};

pub(super) const ADDRESS_EXPECTED: &str = "an IP address and a port such as 127.0.0.1:4566";
pub(super) const MEMBER_EXPECTED: &str =
    "a host and a port such as 10.0.0.1:7100 or levada-0.levada:7100";
pub(super) const CALLERS_EXPECTED: &str = "\"loopback\" or \"all\"";
pub(super) const URL_EXPECTED: &str = "a URL without a path such as https://queues.example.com";

/// The whole file.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) data_dir: Option<PathBuf>,
    #[serde(deserialize_with = "account")]
    pub(super) account: Option<AccountId>,
    #[serde(deserialize_with = "region")]
    pub(super) region: Option<Region>,
    #[serde(deserialize_with = "base_url")]
    pub(super) public_url: Option<String>,
    #[serde(deserialize_with = "partitions")]
    pub(super) partitions: Option<u32>,
    pub(super) http: Http,
    pub(super) peers: Peers,
    pub(super) sqs: Sqs,
    pub(super) kinesis: Kinesis,
    pub(super) sns: super::delivery::SnsTable,
    pub(super) delivery: super::delivery::Table,
    pub(super) admin: Admin,
    pub(super) log: Log,
    #[serde(deserialize_with = "queues")]
    pub(super) queues: Vec<Queue>,
}

/// `[http]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    #[serde(deserialize_with = "address")]
    pub(super) listen: Option<SocketAddr>,
    pub(super) tls: Tls,
}

/// `[http.tls]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    #[serde(deserialize_with = "address")]
    pub(super) listen: Option<SocketAddr>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) self_signed: Option<bool>,
}

/// `[peers]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Peers {
    #[serde(deserialize_with = "address")]
    pub(super) listen: Option<SocketAddr>,
    #[serde(deserialize_with = "member")]
    pub(super) address: Option<String>,
    #[serde(deserialize_with = "members")]
    pub(super) members: Vec<String>,
    pub(super) rejoin: Option<bool>,
    #[serde(deserialize_with = "zone")]
    pub(super) zone: Option<String>,
}

/// `[admin]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Admin {
    #[serde(deserialize_with = "callers")]
    pub(super) callers: Option<AdminCallers>,
}

/// `[sqs]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sqs {
    #[serde(deserialize_with = "deleted_name_wait_secs")]
    pub(super) deleted_name_wait_secs: Option<u32>,
}

/// `[kinesis]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Kinesis {
    pub(super) limits: Option<bool>,
    #[serde(deserialize_with = "on_demand_window_secs")]
    pub(super) on_demand_window_secs: Option<u32>,
}

/// `[log]`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    #[serde(rename = "level")]
    pub(super) filter: Option<String>,
    #[serde(deserialize_with = "format")]
    pub(super) format: Option<LogFormat>,
}

/// `[[queues]]`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct QueueTable {
    #[serde(deserialize_with = "queue_name")]
    name: String,
    #[serde(default, deserialize_with = "account")]
    account: Option<AccountId>,
    #[serde(default, deserialize_with = "region")]
    region: Option<Region>,
    #[serde(default, deserialize_with = "attributes")]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
}

fn queues<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Queue>, D::Error> {
    let tables = Vec::<QueueTable>::deserialize(d)?;
    let queue = |table: QueueTable| Queue {
        name: table.name,
        account: table.account,
        region: table.region,
        attributes: table.attributes,
        tags: table.tags,
    };
    Ok(tables.into_iter().map(queue).collect())
}

/// A text that means a `T`.
fn text_as<'de, D: Deserializer<'de>, T: FromStr>(
    d: D,
    expected: impl Display,
) -> Result<T, D::Error> {
    let text = String::deserialize(d)?;
    text.parse()
        .map_err(|_| D::Error::custom(format_args!("{text:?} is not {expected}")))
}

fn address<'de, D: Deserializer<'de>>(d: D) -> Result<Option<SocketAddr>, D::Error> {
    text_as(d, ADDRESS_EXPECTED).map(Some)
}

fn account<'de, D: Deserializer<'de>>(d: D) -> Result<Option<AccountId>, D::Error> {
    text_as(d, "an account: 12 digits such as \"000000000000\"").map(Some)
}

fn region<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Region>, D::Error> {
    text_as(d, "a region such as \"us-east-1\"").map(Some)
}

fn queue_name<'de, D: Deserializer<'de>>(d: D) -> Result<String, D::Error> {
    let expected = "a queue's name: 1 to 80 letters, digits, hyphens and underscores; a FIFO queue's ends in .fifo";
    text_as::<D, QueueName>(d, expected).map(|name| name.to_string())
}

/// Whether a text is a host and a port.
pub(super) fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let host_is_clean = !host.contains(|c: char| c.is_whitespace() || c == '/' || c == ',');
        !host.is_empty() && host_is_clean && port.parse::<u16>().is_ok_and(|port| port != 0)
    })
}

fn member<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(d)?;
    if is_host_and_port(&text) {
        return Ok(Some(text));
    }
    Err(D::Error::custom(format_args!(
        "{text:?} is not {MEMBER_EXPECTED}"
    )))
}

/// Bytes of a zone's name.
const ZONE_BYTES_MAX: usize = 64;
/// What a zone's name is.
pub(super) const ZONE_EXPECTED: &str =
    "a name of at most 64 letters, digits, hyphens, dots and underscores";

fn zone<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let zone = String::deserialize(d)?;
    if is_zone(&zone) {
        Ok(Some(zone))
    } else {
        Err(D::Error::custom(format!("{zone:?} is not {ZONE_EXPECTED}")))
    }
}

pub(super) fn is_zone(zone: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    !zone.is_empty() && zone.len() <= ZONE_BYTES_MAX && zone.chars().all(is_fit)
}

fn members<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    let members = Vec::<String>::deserialize(d)?;
    match members.iter().find(|member| !is_host_and_port(member)) {
        Some(bad) => Err(D::Error::custom(format_args!(
            "{bad:?} is not {MEMBER_EXPECTED}"
        ))),
        None => Ok(members),
    }
}

/// Whether a text is a scheme and a host, with nothing behind them.
pub(super) fn is_base_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest))
        .is_some_and(|host| {
            !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || "/?#@".contains(c))
        })
}

fn base_url<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(d)?;
    if is_base_url(&text) {
        return Ok(Some(text));
    }
    Err(D::Error::custom(format_args!(
        "{text:?} is not {URL_EXPECTED}"
    )))
}

/// A whole number within bounds.
fn within<'de, D: Deserializer<'de>>(d: D, min: u32, max: u32) -> Result<Option<u32>, D::Error> {
    let number = i64::deserialize(d)?;
    match u32::try_from(number) {
        Ok(n) if (min..=max).contains(&n) => Ok(Some(n)),
        _ => Err(D::Error::custom(format_args!(
            "{number} is not within {min} to {max}"
        ))),
    }
}

fn partitions<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    within(d, 1, PARTITIONS_MAX)
}

fn deleted_name_wait_secs<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    within(d, 0, DELETED_NAME_WAIT_SECS_MAX)
}

fn on_demand_window_secs<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u32>, D::Error> {
    within(d, 1, ON_DEMAND_WINDOW_SECS_MAX)
}

fn callers<'de, D: Deserializer<'de>>(d: D) -> Result<Option<AdminCallers>, D::Error> {
    let text = String::deserialize(d)?;
    let unknown = || D::Error::custom(format_args!("{text:?} is not {CALLERS_EXPECTED}"));
    admin_callers(&text).map(Some).ok_or_else(unknown)
}

/// Who may operate, by its name.
pub(super) fn admin_callers(text: &str) -> Option<AdminCallers> {
    match text {
        "loopback" => Some(AdminCallers::Loopback),
        "all" => Some(AdminCallers::All),
        _ => None,
    }
}

fn format<'de, D: Deserializer<'de>>(d: D) -> Result<Option<LogFormat>, D::Error> {
    match String::deserialize(d)?.as_str() {
        "text" => Ok(Some(LogFormat::Text)),
        "json" => Ok(Some(LogFormat::Json)),
        other => Err(D::Error::custom(format_args!(
            "{other:?} is not \"text\" or \"json\""
        ))),
    }
}

/// Attributes may be written as TOML has them: `VisibilityTimeout = 45`, `FifoQueue = true`, and a
/// policy as a table.
fn attributes<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, toml::Value>::deserialize(d)?;
    let text = |(name, value): (String, toml::Value)| {
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            table @ toml::Value::Table(_) => {
                serde_json::to_string(&table).map_err(D::Error::custom)?
            }
            _ => {
                let expected = "a text, a whole number, true, false, or a table";
                return Err(D::Error::custom(format_args!(
                    "the attribute {name} is not {expected}"
                )));
            }
        };
        Ok((name, text))
    };
    values.into_iter().map(text).collect()
}
