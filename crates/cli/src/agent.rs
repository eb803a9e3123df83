//! `levada agent`: follows files and sends what is written to them; `levada agent check` looks at its configuration only.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use levada_agent::{Config, ConfigError, RunError};
use thiserror::Error;

/// What is to be followed.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    file: Option<At>,
}

/// Whose configuration, and where its state is.
#[derive(Args)]
pub(crate) struct At {
    /// A TOML file, or an agent.json of Amazon's agent.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Where it keeps how far files were sent, instead of state_dir in the file.
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Say what a configuration means, and which files it finds now; nothing is read or sent.
    Check(At),
}

/// Why it did not run, or ended.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("no configuration; give one by --config FILE")]
    NoConfig,
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Logs(#[from] levada_server::ConfigError),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs it.
pub(crate) async fn run(options: Options) -> Result<(), Error> {
    let variable = |name: &str| std::env::var(name).ok();
    let load = |at: At| Config::load(&at.config, at.state_dir, variable);
    if let Some(Command::Check(at)) = options.command {
        let said = load(at)?.describe();
        return Ok(std::io::stdout().write_all(said.as_bytes())?);
    }
    let config = load(options.file.ok_or(Error::NoConfig)?)?;
    // The log is set as a node's is, by the same variables.
    let of_log = |name: &str| variable(name).filter(|_| name.starts_with("LEVADA_LOG"));
    levada_server::start_logs(&levada_server::Config::load(None, of_log)?.log)?;
    Ok(levada_agent::run(config).await?)
}
