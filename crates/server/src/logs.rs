//! What the process says on its standard error: a line for each thing that an operator should know, and
//! nothing while all is well.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::{ConfigError, Log, LogFormat};

/// Levels that may stand alone; then they are for Levada's own crates.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging. Called once, before anything else.
pub fn start_logs(log: &Log) -> Result<(), ConfigError> {
    let directives = directives(&log.filter);
    let filter = EnvFilter::try_new(&directives).map_err(|e| {
        let expected = "a level (error, warn, info, debug, trace) or directives such as levada=debug,openraft=info";
        ConfigError::Together(format!("log.level or LEVADA_LOG is {:?}: expected {expected} ({e})", log.filter))
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| ConfigError::Together(format!("cannot start the log: {e}")))
}

/// The libraries below say much that is of no use to an operator; openraft calls it an error when a
/// replica is shut down. What matters of theirs, our crates say.
fn directives(filter: &str) -> String {
    let filter = filter.trim().to_ascii_lowercase();
    if LEVELS.contains(&filter.as_str()) {
        format!("error,openraft=off,levada={filter}")
    } else {
        filter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_alone_is_for_our_own_crates() {
        assert_eq!(directives(" Debug "), "error,openraft=off,levada=debug");
        assert_eq!(directives("openraft=info"), "openraft=info");
        assert!(EnvFilter::try_new(directives("info")).is_ok());
    }
}
