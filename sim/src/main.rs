//! Three nodes in one process, on a seed: simulated time, network and disks below the product's own code.
//!
//! `cargo run --manifest-path sim/Cargo.toml -- --seeds 1000` runs each seed in a process of its own, because
//! randomness and what is static belong to a process. The parent (`seeds`) prints what came out, and for a failure
//! the command that repeats it; the child (`run`) is the simulation. Why it is made so: docs/adr/0014-simulation.md.

mod changes;
mod event;
mod invariants;
mod lease_event;
mod machine;
mod nemesis;
mod net;
mod random;
mod run;
mod seeds;
mod standstill;
mod stepped;
mod stream_event;
mod topic_event;
mod trace;
mod workload;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// In the child's environment: its seed, for `determinism.c` too.
const SEED_VARIABLE: &str = "LEVADA_SIM_SEED";

/// Runs a cluster of three nodes in simulated time, with faults, and checks what must hold.
#[derive(Clone, Debug, Parser)]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Only this one.
    #[arg(long, conflicts_with_all = ["seeds", "first"])]
    seed: Option<u64>,
    /// For how many simulated seconds faults happen.
    #[arg(long, default_value_t = 40)]
    fault_secs: u64,
    /// Run each seed twice: everything that happens must be the same.
    #[arg(long)]
    check_determinism: bool,
    /// Only these faults, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "canary")]
    only: Vec<nemesis::Kind>,
    /// Put a bug in, and the fault that brings it to light. This must fail.
    #[arg(long, value_enum)]
    canary: Option<nemesis::Canary>,
    /// Print every event. `RUST_LOG` shows what the nodes say; it changes nothing of what they do.
    #[arg(long)]
    trace: bool,
    /// Seeds that run at one time; 0 for one on each core.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Go on after a failure.
    #[arg(long)]
    keep_going: bool,
    /// Set by the parent: where the simulated disks are.
    #[arg(long, hide = true)]
    dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match std::env::var(SEED_VARIABLE).map(|seed| seed.parse()) {
        Ok(Ok(seed)) => one(&args, seed),
        Ok(Err(_)) => {
            eprintln!("{SEED_VARIABLE} is not a number");
            ExitCode::FAILURE
        }
        Err(_) => seeds::run_all(&args),
    }
}

/// The child: one seed.
fn one(args: &Args, seed: u64) -> ExitCode {
    let Some(dir) = &args.dir else {
        eprintln!("give --seed rather than set {SEED_VARIABLE}");
        return ExitCode::FAILURE;
    };
    if let Err(error) = show_logs() {
        eprintln!("RUST_LOG: {error}");
        return ExitCode::FAILURE;
    }
    let options = run::Options {
        seed,
        fault_ms: args.fault_secs * 1_000,
        prints: args.trace,
        canary: args.canary,
        faults: &args.only,
    };
    // On a thread of its own: each thread has its own sequence of randomness, and what was drawn before now, for
    // the arguments and the log, is to change nothing.
    let ran = std::thread::scope(|scope| scope.spawn(|| run::run(options, dir)).join());
    let ran = ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match ran {
        Ok(report) => {
            println!("{}", seeds::line(&report));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("at {} ms: {failure}", trace::now_ms());
            ExitCode::from(seeds::BROKEN)
        }
    }
}

/// Sends what the nodes say to standard error, if `RUST_LOG` says which of it. `Targets` and not `EnvFilter`: that one
/// makes hash tables as it goes, and each takes a random number from the simulation.
fn show_logs() -> Result<(), Box<dyn std::error::Error>> {
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::util::SubscriberInitExt as _;

    let Ok(wanted) = std::env::var("RUST_LOG") else {
        return Ok(());
    };
    let targets: tracing_subscriber::filter::Targets = wanted.parse()?;
    let lines = tracing_subscriber::fmt::layer()
        .with_timer(SimulatedTime)
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init()?;
    Ok(())
}

/// Log lines carry the simulated time.
struct SimulatedTime;

impl tracing_subscriber::fmt::time::FormatTime for SimulatedTime {
    fn format_time(
        &self,
        to: &mut tracing_subscriber::fmt::format::Writer<'_>,
    ) -> std::fmt::Result {
        write!(to, "{:>8}", trace::now_ms())
    }
}
