//! The `levada` binary: `serve`, `cluster`, `queues`, `streams`, `topics`, `lease`, `doctor`, `backup`, `restore`, `agent`, `kubernetes`, `bench`,
//! `version`.

mod agent;
mod api;
mod backup;
mod bench;
mod client;
mod cluster;
mod doctor;
mod kubernetes;
mod lease;
mod place;
mod s3;
mod view;
mod words;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use levada_server::{Config, Ending};

/// The log's and the blocks' buffers live for seconds and come again: this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Time for tasks that are left when a command has ended.
const RUNTIME_SHUTDOWN_MAX: Duration = Duration::from_millis(500);

/// A replicated message broker that speaks the API of Amazon SQS.
#[derive(Parser)]
#[command(name = "levada", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  levada serve                                 one durable node on http://127.0.0.1:4566, data in ./levada-data
  levada serve --config /etc/levada.toml       a node of a cluster
  levada cluster status                        nodes, partitions, leaders, lag
  levada queues list                           what waits in which queue, and for how long
  levada doctor                                what is wrong, and what to do
  aws --endpoint-url http://127.0.0.1:4566 sqs create-queue --queue-name orders";

#[derive(Subcommand)]
enum Command {
    /// Run a node until SIGTERM or SIGINT; a second signal ends it at once.
    #[command(after_help = "\
Examples:
  levada serve
  LEVADA_HTTP_LISTEN=0.0.0.0:4566 LEVADA_DATA_DIR=/data levada serve
  levada serve --config cluster-configs/three-node/node-1.toml
  levada serve --tls-self-signed            also https://127.0.0.1:4443; clients trust ./levada-data/tls/certificate.pem

docs/configuration.md describes every setting.")]
    Serve {
        /// A TOML file; without it a single node with the defaults.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        tls: TlsOptions,
    },
    /// Look at a cluster, and operate it.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// What waits in queues, and which messages those are.
    #[command(subcommand)]
    Queues(view::queues::Command),
    /// Streams, their shards, and the records in them.
    #[command(subcommand)]
    Streams(view::streams::Command),
    /// Topics, who has subscribed to them, and what waits for whom.
    #[command(subcommand)]
    Topics(view::topics::Command),
    /// Who reads which shard of a stream, and how far behind.
    #[command(subcommand)]
    Lease(lease::Command),
    /// Look at a configuration, a data directory and a running cluster, and say what is wrong.
    Doctor(doctor::Options),
    /// What a pod of a StatefulSet runs beside its node.
    #[command(subcommand)]
    Kubernetes(kubernetes::Command),
    /// Copy everything that a live cluster holds into a directory or a bucket.
    Backup(backup::BackupOptions),
    /// Make a fresh data directory from a backup.
    Restore(backup::RestoreOptions),
    /// Follow files and send what is written to them to a stream or a queue, until SIGTERM or SIGINT.
    #[command(after_help = "\
Examples:
  levada agent --config agent.toml
  levada agent check --config agent.toml
  levada agent --config /etc/aws-kinesis/agent.json     with kinesis.endpoint changed

SIGUSR1 logs how things stand. docs/agent.md describes every setting.")]
    Agent(agent::Options),
    /// Send, receive and delete messages through a running node, and say how fast that went.
    Bench(bench::Options),
    /// Print the version.
    Version,
}

/// What the settings of `[http.tls]` can be said by instead.
#[derive(clap::Args)]
struct TlsOptions {
    /// Also serve over TLS, here. Without it: the address of http.listen, port 4443.
    #[arg(long, value_name = "ADDRESS")]
    tls_listen: Option<SocketAddr>,
    /// The certificate and its chain, in PEM form.
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<String>,
    /// The certificate's private key, in PEM form.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Make certificate and key if they are not there: in the data directory, if their files are not named.
    #[arg(long)]
    tls_self_signed: bool,
}

impl TlsOptions {
    /// What a variable is to be, if an option says so.
    fn instead_of(&self, variable: &str) -> Option<String> {
        match variable {
            "LEVADA_HTTP_TLS_LISTEN" => self.tls_listen.map(|address| address.to_string()),
            "LEVADA_HTTP_TLS_CERTIFICATE" => self.tls_certificate.clone(),
            "LEVADA_HTTP_TLS_KEY" => self.tls_key.clone(),
            "LEVADA_HTTP_TLS_SELF_SIGNED" if self.tls_self_signed => Some("true".to_owned()),
            _ => None,
        }
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve { config, tls } => return serve(config, &tls),
        Command::Cluster(command) => run(cluster::run(command)),
        Command::Queues(command) => run(view::queues::run(command)),
        Command::Streams(command) => run(view::streams::run(command)),
        Command::Topics(command) => run(view::topics::run(command)),
        Command::Lease(command) => run(lease::run(command)),
        Command::Doctor(options) => return run(doctor::run(options)).unwrap_or_else(failed),
        Command::Kubernetes(command) => run(kubernetes::run(command)),
        Command::Backup(options) => run(backup::back_up(options)),
        Command::Restore(options) => run(backup::lay_down(options)),
        Command::Agent(options) => return run(agent::run(options)).map_or_else(failed, done),
        Command::Bench(options) => run(bench::run(options)),
        Command::Version => writeln!(std::io::stdout(), "levada {}", env!("CARGO_PKG_VERSION"))
            .map_err(client::Error::from),
    };
    outcome.map_or_else(failed, |()| ExitCode::SUCCESS)
}

fn serve(path: Option<PathBuf>, tls: &TlsOptions) -> ExitCode {
    let variable = |name: &str| tls.instead_of(name).or_else(|| std::env::var(name).ok());
    let started = Config::load(path.as_deref(), variable)
        .and_then(|config| levada_server::start_logs(&config.log).map(|()| config));
    let config = match started {
        Ok(config) => config,
        Err(e) => return failed(e),
    };
    match run(levada_server::serve(config)) {
        Ok(Ending::Graceful) => ExitCode::SUCCESS,
        // What is left is not waited for: the disk holds what was acknowledged.
        Ok(Ending::Forced) => std::process::exit(1),
        Err(e) => failed(e),
    }
}

/// Runs a command on a runtime of its own.
fn run<T, E: From<std::io::Error>>(command: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_MAX);
    outcome
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

fn failed(error: impl std::fmt::Display) -> ExitCode {
    // Without a standard error there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "levada: {error}");
    ExitCode::FAILURE
}
