//! The configuration of a node: a TOML file, what the environment sets instead, and the defaults.
//!
//! `docs/configuration.md` describes every key. A mistake is told with its line and what was expected.

mod delivery;
mod file;
#[cfg(test)]
mod tests;
mod tls;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use levada_gateway::AdminCallers;
use levada_types::{AccountId, Region};
use thiserror::Error;

pub use delivery::{Delivery, Mail, Secret, Sms, SmsBody};
pub use tls::Tls;

/// Where clients are served by default: the port that local AWS tools expect.
const HTTP_LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4566);
const DATA_DIR_DEFAULT: &str = "./levada-data";
/// Partitions of a cluster that is made anew.
const PARTITIONS_DEFAULT: u32 = 24;
/// More would cost memory and heartbeats without a gain on machines of today.
const PARTITIONS_MAX: u32 = 1_024;
/// What AWS says: a name can be taken again 60 s after its queue was deleted.
const DELETED_NAME_WAIT_SECS_DEFAULT: u32 = 60;
const DELETED_NAME_WAIT_SECS_MAX: u32 = 60;
const ON_DEMAND_WINDOW_SECS_DEFAULT: u32 = 60;
const ON_DEMAND_WINDOW_SECS_MAX: u32 = 900;

/// A node's configuration, complete and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the node keeps what it must not forget.
    pub data_dir: PathBuf,
    /// The account of callers whose access key is not itself an account number.
    pub account: AccountId,
    /// The region of callers whose signature names none.
    pub region: Region,
    /// What queue URLs begin with; `None`: the host by which the caller came.
    pub public_url: Option<String>,
    /// Where clients are served in plain text.
    pub http_listen: SocketAddr,
    /// Where and how they are served over TLS, if they are.
    pub tls: Option<Tls>,
    /// The other nodes; `None` for a node that is alone.
    pub peers: Option<Peers>,
    /// Partitions of a cluster that is made anew.
    pub partitions: u32,
    /// For how long a deleted queue's name stays taken, in seconds.
    pub deleted_name_wait_secs: u32,
    /// Whether shards of new streams take no more in a second than AWS's do.
    pub kinesis_limits: bool,
    /// For how long what comes to a stream in on-demand mode is counted before its shards are split or merged, in seconds.
    pub on_demand_window_secs: u32,
    /// What leaves the broker for subscriptions of topics.
    pub delivery: Delivery,
    /// Who may operate the cluster over HTTP.
    pub admin_callers: AdminCallers,
    /// What is logged.
    pub log: Log,
    /// Queues that exist once the cluster is ready.
    pub queues: Vec<Queue>,
}

/// The nodes that make up a cluster at its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Where this node listens for the others.
    pub listen: SocketAddr,
    /// Where the others reach this node.
    pub address: String,
    /// All of them. A node that is not among them makes no cluster: it asks them to be let in.
    pub members: Vec<String>,
    /// A directory of a node that was taken out of the cluster is emptied, and the node asks to be let in again.
    pub rejoin: bool,
    /// What this node fails together with, such as a rack or a site; empty if not said.
    pub zone: String,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// A level, or directives such as `levada=debug,openraft=info`.
    pub filter: String,
    /// For people or for machines.
    pub format: LogFormat,
}

/// The form of a line of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// A queue that should exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// The account that owns it; the default one if none is named.
    pub account: Option<AccountId>,
    /// Its region; the default one if none is named.
    pub region: Option<Region>,
    /// Attributes, in AWS's names.
    pub attributes: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// The configuration cannot be used; each says where and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system said.
        error: String,
    },
    /// The file has a mistake.
    #[error("the configuration {path} has a mistake:\n{error}")]
    Mistake {
        /// The file.
        path: String,
        /// Line, column, the line itself, and what was expected.
        error: String,
    },
    /// A variable of the environment has a mistake.
    #[error("the environment variable {name} is {value:?}: {expected}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// Each setting is right by itself, but not all of them together.
    #[error("{0}")]
    Together(String),
}

impl Config {
    /// From a file, if there is one, and the environment, which `variable` reads.
    pub fn load(
        path: Option<&Path>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut file = match path {
            Some(path) => read(path)?,
            None => file::File::default(),
        };
        overlay(&mut file, &variable)?;
        complete(file, &variable)
    }
}

fn read(path: &Path) -> Result<file::File, ConfigError> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|e| ConfigError::Unreadable {
        path: shown.clone(),
        error: e.to_string(),
    })?;
    toml::from_str(&text).map_err(|e| ConfigError::Mistake {
        path: shown,
        error: e.to_string().trim_end().to_owned(),
    })
}

/// Sets what the environment says instead of the file.
fn overlay(
    file: &mut file::File,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    // An empty variable is as good as none: that is how container platforms leave one out.
    let get = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(dir) = get("LEVADA_DATA_DIR") {
        file.data_dir = Some(dir.into());
    }
    if let Some(value) = get("LEVADA_HTTP_LISTEN") {
        file.http.listen = Some(parsed("LEVADA_HTTP_LISTEN", value, file::ADDRESS_EXPECTED)?);
    }
    tls::overlay(&mut file.http.tls, &get)?;
    delivery::overlay(&mut file.delivery, &get)?;
    if let Some(value) = get("LEVADA_PEERS_LISTEN") {
        file.peers.listen = Some(parsed(
            "LEVADA_PEERS_LISTEN",
            value,
            file::ADDRESS_EXPECTED,
        )?);
    }
    if let Some(value) = get("LEVADA_PEERS_ADDRESS") {
        if !file::is_host_and_port(&value) {
            return Err(ConfigError::Variable {
                name: "LEVADA_PEERS_ADDRESS",
                value,
                expected: format!("expected {}", file::MEMBER_EXPECTED),
            });
        }
        file.peers.address = Some(value);
    }
    if let Some(value) = get("LEVADA_PEERS_REJOIN") {
        file.peers.rejoin = Some(parsed("LEVADA_PEERS_REJOIN", value, "true or false")?);
    }
    if let Some(value) = get("LEVADA_PEERS_MEMBERS") {
        let members: Vec<String> = value
            .split(',')
            .map(|member| member.trim().to_owned())
            .collect();
        if let Some(bad) = members
            .iter()
            .find(|member| !file::is_host_and_port(member))
        {
            let expected = format!(
                "{bad:?} is not {}, several separated by commas",
                file::MEMBER_EXPECTED
            );
            return Err(ConfigError::Variable {
                name: "LEVADA_PEERS_MEMBERS",
                value,
                expected,
            });
        }
        file.peers.members = members;
    }
    if let Some(value) = get("LEVADA_PEERS_ZONE") {
        if !file::is_zone(&value) {
            return Err(ConfigError::Variable {
                name: "LEVADA_PEERS_ZONE",
                value,
                expected: format!("expected {}", file::ZONE_EXPECTED),
            });
        }
        file.peers.zone = Some(value);
    }
    if let Some(value) = get("LEVADA_PUBLIC_URL") {
        if !file::is_base_url(&value) {
            let expected = format!("expected {}", file::URL_EXPECTED);
            return Err(ConfigError::Variable {
                name: "LEVADA_PUBLIC_URL",
                value,
                expected,
            });
        }
        file.public_url = Some(value);
    }
    if let Some(value) = get("LEVADA_PARTITIONS") {
        let expected = format!("a whole number from 1 to {PARTITIONS_MAX}");
        let count: u32 = parsed("LEVADA_PARTITIONS", value.clone(), &expected)?;
        if !(1..=PARTITIONS_MAX).contains(&count) {
            return Err(ConfigError::Variable {
                name: "LEVADA_PARTITIONS",
                value,
                expected: format!("expected {expected}"),
            });
        }
        file.partitions = Some(count);
    }
    if let Some(value) = get("LEVADA_ADMIN_CALLERS") {
        let Some(callers) = file::admin_callers(&value) else {
            return Err(ConfigError::Variable {
                name: "LEVADA_ADMIN_CALLERS",
                value,
                expected: format!("expected {}", file::CALLERS_EXPECTED),
            });
        };
        file.admin.callers = Some(callers);
    }
    if let Some(value) = get("LEVADA_LOG") {
        file.log.filter = Some(value);
    }
    Ok(())
}

fn parsed<T: FromStr>(name: &'static str, value: String, expected: &str) -> Result<T, ConfigError> {
    value.parse().map_err(|_| ConfigError::Variable {
        name,
        value,
        expected: format!("expected {expected}"),
    })
}

/// Fills in the defaults and checks what holds between settings.
fn complete(
    file: file::File,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let data_dir = file.data_dir.unwrap_or_else(|| DATA_DIR_DEFAULT.into());
    let http_listen = file.http.listen.unwrap_or(HTTP_LISTEN_DEFAULT);
    let tls = tls::complete(file.http.tls, http_listen, &data_dir)?;
    let peers = peers(file.peers, variable)?;
    let listens: Vec<SocketAddr> = std::iter::once(http_listen)
        .chain(tls.as_ref().map(|tls| tls.listen))
        .chain(peers.as_ref().map(|peers| peers.listen))
        .collect();
    Ok(Config {
        delivery: delivery::complete(file.sns, file.delivery, &listens)?,
        tls,
        data_dir,
        account: file.account.unwrap_or(AccountId::DEFAULT),
        region: file.region.unwrap_or_else(Region::us_east_1),
        public_url: file
            .public_url
            .map(|url| url.trim_end_matches('/').to_owned()),
        http_listen,
        peers,
        partitions: file.partitions.unwrap_or(PARTITIONS_DEFAULT),
        deleted_name_wait_secs: file
            .sqs
            .deleted_name_wait_secs
            .unwrap_or(DELETED_NAME_WAIT_SECS_DEFAULT),
        kinesis_limits: file.kinesis.limits.unwrap_or(false),
        on_demand_window_secs: file
            .kinesis
            .on_demand_window_secs
            .unwrap_or(ON_DEMAND_WINDOW_SECS_DEFAULT),
        admin_callers: file.admin.callers.unwrap_or_default(),
        log: Log {
            filter: file.log.filter.unwrap_or_else(|| "info".to_owned()),
            format: file.log.format.unwrap_or_default(),
        },
        queues: file.queues,
    })
}

fn peers(
    file: file::Peers,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Peers>, ConfigError> {
    let together = |text: String| Err(ConfigError::Together(text));
    match (file.listen, file.members.is_empty()) {
        (None, true) if file.address.is_none() && file.zone.is_none() => return Ok(None),
        (None, _) => return together("peers.members is set and peers.listen is not: say where this node listens for the others, such as 0.0.0.0:7100".into()),
        (Some(_), true) => return together("peers.listen is set and peers.members is not: name every node of the cluster, this one included; or leave out both for a node that is alone".into()),
        (Some(_), false) => {}
    }
    let Some(listen) = file.listen else {
        return Ok(None);
    };
    if let Some(twice) = file
        .members
        .iter()
        .enumerate()
        .find(|(n, member)| file.members[..*n].contains(member))
    {
        return together(format!("peers.members names {} twice", twice.1));
    }
    let own = match file.address {
        Some(address) => Some(address),
        None => own_address(&file.members, listen, variable("HOSTNAME").as_deref()),
    };
    match own {
        Some(address) => Ok(Some(Peers {
            listen,
            address,
            members: file.members,
            rejoin: file.rejoin.unwrap_or(false),
            zone: file.zone.unwrap_or_default(),
        })),
        None => together(format!(
            "which of peers.members ({}) is this node? Set peers.address or LEVADA_PEERS_ADDRESS to one of them; or to another address, for a node that asks them to be let in",
            file.members.join(", ")
        )),
    }
}

/// The member that is this node: the one with the address that it listens on, else the only one whose
/// host is this machine's name or begins with it, as a StatefulSet's pods are named.
fn own_address(members: &[String], listen: SocketAddr, hostname: Option<&str>) -> Option<String> {
    if let Some(exact) = members.iter().find(|member| **member == listen.to_string()) {
        return Some(exact.clone());
    }
    let hostname = hostname.filter(|name| !name.is_empty())?;
    let is_this = |member: &&String| {
        let host = member
            .rsplit_once(':')
            .map_or(member.as_str(), |(host, _)| host);
        host == hostname
            || host
                .strip_prefix(hostname)
                .is_some_and(|rest| rest.starts_with('.'))
    };
    let mut named = members.iter().filter(is_this);
    named.next().filter(|_| named.next().is_none()).cloned()
}
