//! `levada kubernetes`: what a pod of a StatefulSet runs beside its node, so that nobody need run `levada cluster`.
//!
//! Kubernetes says how many members there should be, in the StatefulSet's `replicas`, and tells a pod nothing. So
//! each pod has a second container that looks (`members`): the one beside the lowest member that is up has the cluster
//! expect a pod that is there and no member, and take out a member whose pod is not wanted any more. It uses the
//! operations that an operator has, with all that they refuse. `pre-stop` is for the node's `preStop` hook.

mod api;
mod plan;

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Client, Error, see};
use api::Api;
use plan::{Names, Step};

/// How often the StatefulSet and the members are compared.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a pod that goes looks whether it has been let go.
const LEAVE_LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a pod may take to answer a connection before it counts as not there yet.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Times that the API server is asked by a pod that goes.
const ASKS_MAX: u32 = 3;

/// Where the pod is.
#[derive(Args)]
pub(crate) struct Pod {
    /// The pod's name, which ends in its ordinal.
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pod: String,
    /// The pod's namespace.
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE")]
    namespace: String,
    /// The headless service that gives the pods their names.
    #[arg(long, value_name = "NAME", env = "LEVADA_KUBERNETES_SERVICE")]
    service: String,
    /// The cluster's domain.
    #[arg(
        long,
        value_name = "DOMAIN",
        env = "LEVADA_KUBERNETES_DOMAIN",
        default_value = "cluster.local"
    )]
    domain: String,
    /// Where peers listen.
    #[arg(
        long,
        value_name = "PORT",
        env = "LEVADA_KUBERNETES_PEERS_PORT",
        default_value_t = 7100
    )]
    peers_port: u16,
    /// This pod's node.
    #[arg(
        long,
        value_name = "URL",
        env = "LEVADA_ENDPOINT",
        default_value = "http://127.0.0.1:4566"
    )]
    endpoint: String,
}

/// What a pod runs.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Keep the cluster's members those that the StatefulSet wants, until SIGTERM.
    Members {
        #[command(flatten)]
        pod: Pod,
    },
    /// Before the node is stopped: wait until the cluster has let go of a pod that is not wanted any more; hand over
    /// what any other one leads.
    PreStop {
        #[command(flatten)]
        pod: Pod,
        /// For how long the node still serves before it hands over, while the services forget it.
        #[arg(long, value_name = "SECONDS", default_value_t = 5)]
        linger_secs: u64,
        /// For how long the cluster may take to let go of a pod.
        #[arg(long, value_name = "SECONDS", default_value_t = 270)]
        leave_secs: u64,
    },
}

/// Runs the command.
pub(crate) async fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Members { pod } => {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                never = keep_members(&pod) => never,
                _ = terminate.recv() => Ok(()),
                _ = interrupt.recv() => Ok(()),
            }
        }
        Command::PreStop {
            pod,
            linger_secs,
            leave_secs,
        } => pre_stop(&pod, linger_secs, Duration::from_secs(leave_secs)).await,
    }
}

impl Pod {
    fn names(&self) -> Result<Names, Error> {
        Names::new(
            &self.pod,
            &self.service,
            &self.namespace,
            &self.domain,
            self.peers_port,
        )
        .ok_or_else(|| {
            Error::Answer(format!(
                "{:?} is no pod of a StatefulSet: its name does not end in a hyphen and a number",
                self.pod
            ))
        })
    }

    /// How many pods there should be.
    async fn replicas(&self, names: &Names) -> Result<u64, Error> {
        Api::in_cluster()?
            .replicas(&self.namespace, &names.set)
            .await
    }
}

/// Compares and acts, again and again. What went wrong is said once, and tried again.
async fn keep_members(pod: &Pod) -> Result<(), Error> {
    let names = pod.names()?;
    say(&format!(
        "keeping the members of {} those that its StatefulSet wants",
        names.set
    ))?;
    let mut said = String::new();
    loop {
        let line = match look_and_act(pod, &names).await {
            Ok(line) => line,
            Err(error) => error.to_string(),
        };
        if line != said && !line.is_empty() {
            say(&line)?;
        }
        said = line;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// One look. Says what was done; empty if nothing.
async fn look_and_act(pod: &Pod, names: &Names) -> Result<String, Error> {
    let status = see(&pod.endpoint).await?;
    if !plan::acts(&status, names) {
        return Ok(String::new());
    }
    let wanted = pod.replicas(names).await?;
    let operate = async |name: &str, body: Value| {
        Client::connect(&pod.endpoint)
            .await?
            .operate(&format!("/_levada/cluster/{name}"), &body)
            .await
    };
    match plan::step(&status, wanted, names) {
        None => Ok(String::new()),
        Some(Step::Remove(address)) => {
            operate("remove", json!({ "node": address })).await?;
            Ok(format!(
                "{wanted} replicas are wanted: {address} is being taken out"
            ))
        }
        Some(Step::Cancel(address)) => {
            operate("cancel", json!({})).await?;
            Ok(format!(
                "{wanted} replicas are wanted: {address} is not expected any more"
            ))
        }
        Some(Step::Add(address)) if is_there(&address).await => {
            operate("add", json!({ "address": address })).await?;
            Ok(format!(
                "{wanted} replicas are wanted: {address} is expected"
            ))
        }
        Some(Step::Add(address)) => Ok(format!(
            "{wanted} replicas are wanted: waiting for the pod at {address}"
        )),
    }
}

/// Whether a process listens: what is expected keeps other changes away, so that the pod comes first.
async fn is_there(address: &str) -> bool {
    tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address))
        .await
        .is_ok_and(|connected| connected.is_ok())
}

async fn pre_stop(pod: &Pod, linger_secs: u64, leave_max: Duration) -> Result<(), Error> {
    let names = pod.names()?;
    if is_wanted(pod, &names).await {
        tokio::time::sleep(Duration::from_secs(linger_secs)).await;
        let mut client = Client::connect(&pod.endpoint).await?;
        let done = client
            .operate("/_levada/cluster/step-down", &json!({}))
            .await?;
        return say(&format!(
            "{} partitions were handed over",
            done["handed_over"]
        ));
    }
    say(&format!(
        "{} is not wanted any more: waiting to be taken out",
        pod.pod
    ))?;
    let began = Instant::now();
    // Its process ends when it is out, and the status of one that never was a member names no node.
    while began.elapsed() < leave_max {
        match see(&pod.endpoint).await {
            Ok(document) if document["node"].is_string() => {}
            _ => return say("taken out"),
        }
        tokio::time::sleep(LEAVE_LOOK_EVERY).await;
    }
    say("not taken out in time; the cluster goes on with that when it can")
}

/// Whether the StatefulSet has a place for this pod. One that cannot be found out about is taken to stay.
async fn is_wanted(pod: &Pod, names: &Names) -> bool {
    for _ in 0..ASKS_MAX {
        match pod.replicas(names).await {
            // None at all is a cluster that is put away, and comes back with its volumes as it was.
            Ok(wanted) => return wanted == 0 || names.own < wanted,
            Err(error) => {
                // Without a standard error there is nobody to tell.
                let _ = say(&error.to_string());
            }
        }
        tokio::time::sleep(LEAVE_LOOK_EVERY).await;
    }
    true
}

fn say(line: &str) -> Result<(), Error> {
    writeln!(std::io::stderr(), "levada: {line}")?;
    Ok(())
}
