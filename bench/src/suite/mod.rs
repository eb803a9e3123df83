//! The suite behind `scripts/bench`: every figure that the project promises, in one run on one machine, with
//! the reference beside it.
//!
//! A scenario starts its own servers and ends them; the suite's directory is removed at the end, also after
//! a Ctrl-C. One that cannot be run is reported and the others go on.

mod backlog;
mod failover;
mod idle;
mod server;
pub(crate) mod streams;
mod table;
mod throughput;
pub(crate) mod topics;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::http::{self, Api};
use crate::load::Plan;
use server::Server;
use table::{Figure, Table, ms};

/// Sending connections of the throughput figures.
const CONNECTIONS: usize = 64;

/// The message of all figures.
const MESSAGE_BYTES: usize = 1024;

/// Every scenario by its name, in the order in which they run.
pub(crate) const SCENARIOS: &[(&str, &str)] = &[
    (
        "one",
        "one node: SendMessage and SendMessageBatch at 64 connections, against the reference",
    ),
    ("latency", "one node: one client's SendMessage"),
    (
        "three",
        "three nodes: SendMessage and SendMessageBatch at 64 connections, against the reference",
    ),
    ("steady", "three nodes: send, receive and delete at once"),
    ("backlog", "one node: a queue of 5,000,000 waiting messages"),
    (
        "fifo-backlog",
        "one node: a FIFO queue of 1,000,000 waiting messages in 1,000 groups",
    ),
    (
        "idle",
        "three nodes: CPU at rest, and with 1,000 parked long polls",
    ),
    (
        "start",
        "from start to ready on an empty directory, one node and three",
    ),
    (
        "failover",
        "three nodes: each killed and paused under load, standard and FIFO",
    ),
    (
        "streams",
        "one node: PutRecord and PutRecords at 64 connections, against the reference and ferrokinesis",
    ),
    (
        "streams-three",
        "three nodes: PutRecord and PutRecords at 64 connections, against the reference and ferrokinesis",
    ),
    (
        "streams-backlog",
        "one node: GetRecords of 10 GB that are in no cache, against reading its files",
    ),
    (
        "streams-tail",
        "three nodes: from put to GetRecords without pause, and to SubscribeToShard",
    ),
    (
        "streams-idle",
        "three nodes: CPU and memory of 1,000 shards",
    ),
    (
        "topics",
        "one node: Publish at 64 connections, against SendMessage, and to ten queues",
    ),
    (
        "topics-filtered",
        "one node: Publish to 10,000 subscriptions, of which the filters let ten through",
    ),
    (
        "topics-dead",
        "one node: 1,000,000 messages for an endpoint that is gone",
    ),
    (
        "topics-many",
        "three nodes: 100,000 topics and 1,000,000 subscriptions",
    ),
];

/// How to run.
pub(crate) struct Options {
    /// The broker.
    pub(crate) binary: PathBuf,
    /// Ferrokinesis, to compare with.
    pub(crate) ferrokinesis: Option<PathBuf>,
    /// Where the suite makes its directory.
    pub(crate) directory: PathBuf,
    /// Shorter loads and smaller backlogs: for a look, not for a record.
    pub(crate) quick: bool,
    /// Names of scenarios; all where empty.
    pub(crate) scenarios: Vec<String>,
}

/// What the scenarios share.
struct Bench {
    binary: PathBuf,
    ferrokinesis: Option<PathBuf>,
    directory: PathBuf,
    quick: bool,
    table: Table,
}

impl Bench {
    /// A directory of its own for a scenario.
    fn home(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    async fn node(&self, name: &str) -> Result<Server, String> {
        let mut node = Server::node(&self.binary, &self.home(name))?;
        node.ready().await?;
        Ok(node)
    }

    async fn cluster(&self, name: &str) -> Result<Vec<Server>, String> {
        let mut nodes = Server::cluster(&self.binary, &self.home(name))?;
        for node in &mut nodes {
            node.ready().await?;
        }
        // Leaders spread over the nodes after the first elections; the figures are those of a settled cluster.
        tokio::time::sleep(Duration::from_secs(if self.quick { 1 } else { 3 })).await;
        Ok(nodes)
    }

    async fn reference(&self) -> Result<Server, String> {
        Server::reference(&self.directory).await
    }

    /// An error says why there is none.
    async fn ferrokinesis(&self) -> Result<Server, String> {
        match &self.ferrokinesis {
            Some(program) => Server::ferrokinesis(program, &self.directory).await,
            None => Err("scripts/bench --ferrokinesis installs it".to_owned()),
        }
    }

    fn seconds(&self, full: u64, quick: u64) -> Duration {
        Duration::from_secs(if self.quick { quick } else { full })
    }

    /// A figure: a time that may be so many times another one, which has a name.
    fn slower(&mut self, name: String, us: u64, (what, before_us): (&str, u64), limit: f64) {
        let times = us as f64 / before_us.max(1) as f64;
        self.table.figure(Figure {
            name,
            measured: format!(
                "{} ms, {what} {} ms ({times:.2} times)",
                ms(us),
                ms(before_us)
            ),
            target: format!("at most {limit:.2} times"),
            met: Some(times <= limit),
            ratio: None,
        });
    }

    /// A plan with what all figures have in common.
    fn plan(&self, name: &str, servers: &[Server], queue: &str) -> Plan {
        Plan {
            name: name.to_owned(),
            api: Api::Sqs,
            endpoints: servers.iter().map(|server| server.http.clone()).collect(),
            queue: queue.to_owned(),
            connections: CONNECTIONS,
            receivers: 0,
            batch: 1,
            message_bytes: MESSAGE_BYTES,
            groups: None,
            window: 0,
            warmup: Duration::from_secs(1),
            duration: self.seconds(6, 2),
            messages_max: None,
            pids: servers.iter().map(Server::pid).collect(),
        }
    }
}

/// Runs the scenarios and prints the table; an error if one could not be run.
pub(crate) async fn run(options: Options) -> Result<(), String> {
    let names = chosen(&options.scenarios)?;
    let directory = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(&options.directory);
    let directory =
        directory.map_err(|error| format!("{}: {error}", options.directory.display()))?;
    let mut bench = Bench {
        binary: options.binary,
        ferrokinesis: options.ferrokinesis,
        directory: directory.path().to_path_buf(),
        quick: options.quick,
        table: Table::default(),
    };
    for name in names {
        eprintln!("== {name}");
        let home = bench.home(name);
        let result = tokio::select! {
            result = scenario(&mut bench, name) => result,
            _ = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
        };
        if let Err(reason) = result {
            bench.table.failure(name, &reason);
        }
        // The next one has the disk to itself.
        std::fs::remove_dir_all(home).ok();
    }
    let quick = if bench.quick {
        " Quick: shorter loads, smaller backlogs."
    } else {
        ""
    };
    println!("{}{quick}\n\n{}", machine(), bench.table.markdown());
    if bench.table.complete() {
        Ok(())
    } else {
        Err("not every scenario could be run".to_owned())
    }
}

async fn scenario(bench: &mut Bench, name: &str) -> Result<(), String> {
    match name {
        "one" => throughput::one(bench).await,
        "latency" => throughput::latency(bench).await,
        "three" => throughput::three(bench).await,
        "steady" => throughput::steady(bench).await,
        "backlog" => backlog::standard(bench).await,
        "fifo-backlog" => backlog::fifo(bench).await,
        "idle" => idle::idle(bench).await,
        "start" => idle::start(bench).await,
        "failover" => failover::failover(bench).await,
        "streams" => streams::throughput::one(bench).await,
        "streams-three" => streams::throughput::three(bench).await,
        "streams-backlog" => streams::backlog::backlog(bench).await,
        "streams-tail" => streams::tail::tail(bench).await,
        "streams-idle" => streams::idle::idle(bench).await,
        "topics" => topics::throughput::topics(bench).await,
        "topics-filtered" => topics::filtered::filtered(bench).await,
        "topics-dead" => topics::dead::dead(bench).await,
        "topics-many" => topics::many::many(bench).await,
        other => Err(format!("there is no scenario {other}")),
    }
}

fn chosen(names: &[String]) -> Result<Vec<&'static str>, String> {
    let known = || SCENARIOS.iter().map(|(name, _)| *name);
    if let Some(unknown) = names
        .iter()
        .find(|name| !known().any(|known| known == *name))
    {
        let all: Vec<&str> = known().collect();
        return Err(format!(
            "there is no scenario {unknown}; there are {}",
            all.join(", ")
        ));
    }
    Ok(known()
        .filter(|known| names.is_empty() || names.iter().any(|name| name == known))
        .collect())
}

/// Creates a queue; a FIFO queue in high-throughput mode, where groups do not share a limit.
async fn create(server: &Server, queue: &str) -> Result<(), String> {
    let attributes = if queue.ends_with(".fifo") {
        json!({
            "FifoQueue": "true",
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        })
    } else {
        json!({})
    };
    let body = json!({"QueueName": queue, "Attributes": attributes});
    let created = http::once(&server.http, Api::Sqs, "CreateQueue", &body).await;
    created
        .map(|_| ())
        .map_err(|error| format!("CreateQueue {queue}: {error}"))
}

async fn delete(server: &Server, queue: &str) -> Result<(), String> {
    let body = json!({"QueueUrl": crate::template::queue_url(&server.http, queue)});
    let deleted = http::once(&server.http, Api::Sqs, "DeleteQueue", &body).await;
    deleted
        .map(|_| ())
        .map_err(|error| format!("DeleteQueue {queue}: {error}"))
}

/// Processor, cores and kernel: what a figure is worth nothing without.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{cores} cores ({model}), Linux {}, load and servers on the same cores.",
        kernel.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_chosen_by_name_and_run_in_their_order() {
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[]).unwrap().len(), SCENARIOS.len());
        assert_eq!(chosen(&names(&["idle", "one"])).unwrap(), ["one", "idle"]);
        assert!(
            chosen(&names(&["two"]))
                .unwrap_err()
                .contains("there are one, latency")
        );
    }
}
