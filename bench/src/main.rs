//! `levada-bench`: the reference server, the load generator and the suite behind `scripts/bench`.
//!
//! It knows Levada only as a process that serves SQS and Kinesis over HTTP: nothing here is linked with the broker.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks by printing"
)]

mod http;
mod load;
mod reference;
mod suite;
mod template;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use http::Api;
use load::Plan;
use load::drain::Encoding;

/// Measures Levada against a bare HTTP server on the same machine.
#[derive(Parser)]
#[command(name = "levada-bench")]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Serve the reference: parse, digest, answer, and nothing else
    Reference {
        /// Where to listen
        #[arg(long, default_value = "127.0.0.1:4600")]
        listen: String,
    },
    /// Run one load and print what was seen as a line of JSON
    Load(LoadArguments),
    /// Run the scenarios and print the figures (scripts/bench)
    Suite(SuiteArguments),
}

#[derive(Args)]
struct SuiteArguments {
    /// The broker's binary
    #[arg(long, default_value = "target/release/levada")]
    binary: PathBuf,
    /// Ferrokinesis's binary, for the figures of streams
    #[arg(long, env = "FERROKINESIS_BIN")]
    ferrokinesis: Option<PathBuf>,
    /// Where the servers' directories are made, and removed again
    #[arg(long, default_value = "target")]
    directory: PathBuf,
    /// Shorter loads and smaller backlogs
    #[arg(long)]
    quick: bool,
    /// Say which scenarios there are
    #[arg(long)]
    list: bool,
    /// Scenarios; all of them if none is named
    scenarios: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Mode {
    /// SendMessage, or SendMessageBatch where --batch is above 1
    Send,
    /// Publish, to the topic that --queue names
    Publish,
    /// PutRecord, or PutRecords where --batch is above 1, to the stream that --queue names
    Put,
    /// Send, receive and delete at once; the latency is from send to receipt
    Steady,
    /// One client that sends, receives and deletes in turn
    Cycle,
    /// GetRecords of the stream's shards, all at once, from their beginnings to their ends
    Drain,
    /// Idle long polls; reports the CPU of the servers meanwhile
    Parked,
}

#[derive(Args)]
struct LoadArguments {
    #[arg(value_enum)]
    mode: Mode,
    /// host:port, may be given several times
    #[arg(long = "endpoint", default_value = "127.0.0.1:4566")]
    endpoints: Vec<String>,
    /// A queue, topic or stream that exists, or --create
    #[arg(long, default_value = "bench")]
    queue: String,
    /// Create it first
    #[arg(long)]
    create: bool,
    /// Sending connections, or parked polls
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Receiving connections (steady)
    #[arg(long, default_value_t = 12)]
    receivers: usize,
    /// Messages a request, 1 to 10, or records, 1 to 500
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Ask in CBOR, not in JSON (drain)
    #[arg(long)]
    cbor: bool,
    /// Length of a message's body
    #[arg(long, default_value_t = 1024)]
    bytes: usize,
    /// FIFO: message groups, used in turn
    #[arg(long)]
    groups: Option<u64>,
    /// Messages sent and not yet received (steady)
    #[arg(long, default_value_t = 128)]
    window: usize,
    /// Seconds that are not counted
    #[arg(long, default_value_t = 1.0)]
    warmup_s: f64,
    /// Seconds that are counted
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Stop after this many messages
    #[arg(long)]
    messages: Option<u64>,
    /// A server, for its CPU time; may be given several times
    #[arg(long = "pid")]
    pids: Vec<u32>,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().role {
        Role::Reference { listen } => reference(&listen),
        Role::Load(arguments) => load(&arguments),
        Role::Suite(arguments) => suite(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("levada-bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn reference(listen: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await;
        let listener = listener.map_err(|error| format!("cannot listen on {listen}: {error}"))?;
        reference::serve(listener, reference::Bare)
            .await
            .map_err(|error| error.to_string())
    })
}

fn suite(arguments: SuiteArguments) -> Result<(), String> {
    if arguments.list {
        suite::SCENARIOS
            .iter()
            .for_each(|(name, what)| println!("{name:<15} {what}"));
        return Ok(());
    }
    let options = suite::Options {
        binary: arguments.binary,
        ferrokinesis: arguments.ferrokinesis,
        directory: arguments.directory,
        quick: arguments.quick,
        scenarios: arguments.scenarios,
    };
    runtime(1)?.block_on(suite::run(options))
}

/// One thread is the cheapest for what runs beside the servers; more help on a machine of their own.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, String> {
    let mut builder = if threads > 1 {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder
        .worker_threads(threads.max(1))
        .enable_all()
        .build()
        .map_err(|error| error.to_string())
}

fn load(arguments: &LoadArguments) -> Result<(), String> {
    let plan = plan(arguments)?;
    runtime(arguments.threads)?.block_on(async {
        if arguments.create {
            create(&plan).await?;
        }
        let line = match arguments.mode {
            Mode::Send | Mode::Publish | Mode::Put => json(&load::send::run(&plan).await),
            Mode::Steady => json(&load::steady::run(&plan).await),
            Mode::Cycle => json(
                &load::cycle::run(&plan)
                    .await
                    .map_err(|error| error.to_string())?,
            ),
            Mode::Drain => drained(&plan, arguments.cbor).await?,
            Mode::Parked => parked(&plan).await.map_err(|error| error.to_string())?,
        };
        println!("{line}");
        Ok(())
    })
}

async fn create(plan: &Plan) -> Result<(), String> {
    let endpoint = &plan.endpoints[0];
    match plan.api {
        Api::Sqs => {}
        Api::Sns => return suite::topics::create(endpoint, &plan.queue).await,
        Api::Kinesis => {
            return suite::streams::create(endpoint, &plan.queue, reference::STREAM_SHARDS)
                .await
                .map(|_| ());
        }
    }
    let attributes = match plan.groups {
        Some(_) => serde_json::json!({"FifoQueue": "true"}),
        None => serde_json::json!({}),
    };
    let body = serde_json::json!({"QueueName": plan.queue, "Attributes": attributes});
    let created = http::once(endpoint, Api::Sqs, "CreateQueue", &body).await;
    created.map(|_| ()).map_err(|error| error.to_string())
}

async fn drained(plan: &Plan, cbor: bool) -> Result<String, String> {
    let shards = suite::streams::shards(&plan.endpoints[0], &plan.queue).await?;
    let encoding = if cbor { Encoding::Cbor } else { Encoding::Json };
    let before_s = usage::cpu_s(&plan.pids);
    let drained = load::drain::run(plan, &shards, encoding).await;
    let drained = drained.map_err(|error| error.to_string())?;
    let used_s = usage::cpu_s(&plan.pids) - before_s;
    let report = serde_json::json!({
        "name": plan.name,
        "records": drained.records,
        "seconds": drained.time.as_secs_f64(),
        "records_per_s": drained.records as f64 / drained.time.as_secs_f64(),
        "cpu_s_per_100k": used_s * 1e5 / drained.records.max(1) as f64,
    });
    Ok(report.to_string())
}

async fn parked(plan: &Plan) -> Result<String, http::CallError> {
    let polls = load::parked::park(plan).await?;
    tokio::time::sleep(plan.warmup).await;
    let before_s = usage::cpu_s(&plan.pids);
    tokio::time::sleep(plan.duration).await;
    let used_s = usage::cpu_s(&plan.pids) - before_s;
    let core_percent = 100.0 * used_s / plan.duration.as_secs_f64();
    let report = serde_json::json!({
        "name": "parked",
        "parked": polls.len(),
        "servers_core_percent": core_percent,
    });
    Ok(report.to_string())
}

fn plan(arguments: &LoadArguments) -> Result<Plan, String> {
    let seconds = |value: f64, name: &str| {
        Duration::try_from_secs_f64(value).map_err(|error| format!("{name}: {error}"))
    };
    let (api, batch_max) = match arguments.mode {
        Mode::Put | Mode::Drain => (Api::Kinesis, 500),
        Mode::Publish => (Api::Sns, 1),
        Mode::Send | Mode::Steady | Mode::Cycle | Mode::Parked => (Api::Sqs, 10),
    };
    if !(1..=batch_max).contains(&arguments.batch) {
        return Err(format!("--batch: 1 to {batch_max} a request"));
    }
    if arguments.connections == 0 || arguments.groups == Some(0) {
        return Err("--connections and --groups: at least 1".to_owned());
    }
    Ok(Plan {
        name: arguments.queue.clone(),
        api,
        endpoints: arguments.endpoints.clone(),
        queue: arguments.queue.clone(),
        connections: arguments.connections,
        receivers: arguments.receivers,
        batch: arguments.batch,
        message_bytes: arguments.bytes,
        groups: arguments.groups,
        window: arguments.window,
        warmup: seconds(arguments.warmup_s, "--warmup-s")?,
        duration: seconds(arguments.seconds, "--seconds")?,
        messages_max: arguments.messages,
        pids: arguments.pids.clone(),
    })
}

fn json(report: &impl serde::Serialize) -> String {
    // Numbers and strings always serialize.
    serde_json::to_string(report).unwrap_or_default()
}
