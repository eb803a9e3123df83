//! The agent as a process: its flows, its signals, and the line that says how things stand.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use rustix::process::{Resource, getrlimit, setrlimit};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::broker::{Broker, ClientError};
use crate::checkpoint::{CheckpointError, Store};
use crate::config::Config;
use crate::flow::{Flow, FlowError};
use crate::limits;
use crate::send::Sender;
use crate::status::Counters;
use crate::tailer::Tailer;

/// Why an agent cannot begin, or ended.
#[derive(Debug, Error)]
pub enum RunError {
    /// The directory of its state.
    #[error("{path}: {error}")]
    State {
        /// The directory, or its lock.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another agent has it.
    #[error("another agent uses {0}; end it, or give this one a state_dir of its own")]
    Locked(PathBuf),
    /// See [`CheckpointError`].
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// See [`ClientError`].
    #[error(transparent)]
    Client(#[from] ClientError),
    /// See [`FlowError`].
    #[error(transparent)]
    Flow(#[from] FlowError),
    /// A second signal came.
    #[error("ended before everything was sent; the rest is sent when it is started again")]
    Forced,
    /// The runtime.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(config: Config) -> Result<(), RunError> {
    let mut signals = Signals::new()?;
    let mut asked = signal(SignalKind::user_defined1())?;
    let _lock = lock(&config)?;
    raise_open_files();
    for note in &config.notes {
        warn!("{note}");
    }
    let broker = Arc::new(Broker::new(&config)?);
    let (stop, stopped) = watch::channel(None);
    let mut flows = JoinSet::new();
    let mut counters = Vec::new();
    for flow in config.flows {
        let (title, target, bounds) = (flow.title.clone(), flow.target.clone(), flow.buffer);
        let (poll, mine) = (config.poll, Arc::new(Counters::default()));
        let store = Store::new(&config.state_dir, &flow.name);
        let counted = mine.clone();
        let tailer =
            spawn_blocking(move || Tailer::open(flow, poll, store, counted, Instant::now()));
        let tailer = tailer.await.map_err(FlowError::from)??;
        let sender = Sender::new(
            title.clone(),
            broker.clone(),
            target,
            mine.clone(),
            stopped.clone(),
        );
        counters.push((title, mine));
        let flow = Flow {
            tailer,
            sender,
            bounds,
            poll,
            stop: stopped.clone(),
        };
        flows.spawn(flow.run());
    }
    info!("{} flows to {}", counters.len(), config.endpoint);
    let tell = || {
        for (title, counters) in &counters {
            info!("{title}: {}", counters.line());
        }
    };
    let mut status = interval(limits::STATUS_EVERY);
    status.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is now.
    status.tick().await;
    loop {
        tokio::select! {
            ended = flows.join_next() => match ended {
                Some(outcome) => outcome.map_err(FlowError::from)??,
                None => break,
            },
            () = signals.end() => {
                if stop.borrow().is_some() {
                    return Err(RunError::Forced);
                }
                stop.send_replace(Some(tokio::time::Instant::now() + limits::STOP_MAX));
            }
            _ = asked.recv() => tell(),
            _ = status.tick() => tell(),
        }
    }
    tell();
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Two agents with one state would each undo what the other wrote down. The lock goes with the process.
fn lock(config: &Config) -> Result<File, RunError> {
    let directory = &config.state_dir;
    let failed = |path: &PathBuf, error| RunError::State {
        path: path.clone(),
        error,
    };
    fs::create_dir_all(directory).map_err(|e| failed(directory, e))?;
    let path = directory.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| failed(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(RunError::Locked(directory.clone())),
        Err(TryLockError::Error(e)) => Err(failed(&path, e)),
    }
}

/// Lets the process open as many files as it is allowed to: each file that is followed is one.
fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(e) = setrlimit(Resource::Nofile, limit) {
        warn!("the number of open files stays as it is: {e}");
    }
}
