//! One machine: a disk, a wall clock, a place on the network, and at times a process that is a node.
//!
//! The disk writes what has gathered in the log when the simulator's time says so; until then a power cut takes it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use levada_cluster::{Environment, Node, NodeOptions, StartError, StorePaths, Stores};
use levada_replica::{Blocking, Host};
use levada_storage::fault::{Fault, FaultDisk};
use levada_storage::{
    BlockOptions, BlockStore, CheckpointStore, FatalHook, LogOptions, LogStore, Space, Work,
};
use levada_types::Timestamp;

use crate::net::{MachineId, MachineTransport, Network, address};
use crate::random::Random;
use crate::stepped::Stepped;
use crate::trace::{self, Trace, event};

/// What every right wall clock says when the simulation begins.
const WALL_BEGIN_MS: u64 = 1_767_225_600_000;
/// Small stores, so that files end, are purged and are read again.
const LOG_FILE_BYTES: u64 = 256 << 10;
const LOG_PURGE_BYTES: u64 = 1 << 20;
const LOG_CACHE_BYTES: usize = 64 << 10;
const BLOCK_UNWRITTEN_BYTES: usize = 256 << 10;
const BLOCK_CACHE_BYTES: usize = 256 << 10;
const SEGMENT_BYTES: u64 = 1 << 20;
const DISK_BYTES: u64 = 64 << 30;

/// How a process ends without having been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process is killed. What it wrote is there, synced or not, and its port refuses.
    Kill,
    /// The machine loses power. What was not synced is lost or torn, and nobody hears a word.
    PowerLoss,
}

/// What is started: a node, when it has joined its cluster; or why not.
#[derive(Default)]
pub(crate) struct Slot {
    node: OnceLock<Node>,
    failure: OnceLock<StartError>,
    removed: AtomicBool,
}

impl Slot {
    /// The node, once it runs.
    pub(crate) fn node(&self) -> Option<&Node> {
        self.node.get()
    }

    /// Why the node did not start.
    pub(crate) fn failure(&self) -> Option<&StartError> {
        self.failure.get()
    }
}

/// What a running process holds of the disk.
type OpenStores = Arc<Mutex<Option<(Arc<LogStore>, Arc<BlockStore>)>>>;

struct Process {
    /// The first to go: its tasks use the rest.
    runtime: Stepped,
    slot: Arc<Slot>,
    stores: OpenStores,
    /// The disk failed under it.
    ended: Arc<AtomicBool>,
}

/// The pace of a disk, in milliseconds for each sync.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DiskPace {
    /// The least.
    pub(crate) min_ms: u64,
    /// The most.
    pub(crate) max_ms: u64,
}

impl Default for DiskPace {
    fn default() -> Self {
        Self {
            min_ms: 1,
            max_ms: 3,
        }
    }
}

/// One machine.
pub(crate) struct Machine {
    id: MachineId,
    members: usize,
    partitions: u32,
    dir: PathBuf,
    network: Arc<Network>,
    trace: Arc<Trace>,
    random: Random,
    disk: Arc<FaultDisk>,
    /// Open across crashes: every save is whole and durable before it returns.
    checkpoints: Arc<Mutex<Option<Arc<CheckpointStore>>>>,
    /// By how much the wall clock is wrong.
    skew_ms: Arc<AtomicI64>,
    free_bytes: Arc<AtomicU64>,
    pace: DiskPace,
    log_file_bytes: u64,
    next_write_ms: u64,
    process: Option<Process>,
    stopped: bool,
    boots: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Machine {
    /// A machine with an empty disk and no process.
    pub(crate) fn new(
        id: MachineId,
        members: usize,
        partitions: u32,
        dir: PathBuf,
        network: Arc<Network>,
        trace: Arc<Trace>,
        seed: u64,
    ) -> Self {
        let mut random = Random::of(seed, &format!("disk of machine {id}"));
        let disk = FaultDisk::new(random.within(0..=u64::MAX));
        Self {
            id,
            members,
            partitions,
            dir,
            network,
            trace,
            random,
            disk,
            checkpoints: Arc::default(),
            skew_ms: Arc::default(),
            free_bytes: Arc::new(AtomicU64::new(DISK_BYTES)),
            pace: DiskPace::default(),
            log_file_bytes: LOG_FILE_BYTES,
            next_write_ms: 0,
            process: None,
            stopped: false,
            boots: 0,
        }
    }

    /// Starts the node's process.
    pub(crate) fn start(&mut self, now_ms: u64) -> io::Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        event!(self.trace, "machine {} starts", self.id);
        self.network.power_on(self.id);
        self.boots += 1;
        let runtime = Stepped::new(now_ms)?;
        let process = Process {
            runtime,
            slot: Arc::default(),
            stores: OpenStores::default(),
            ended: Arc::default(),
        };
        let environment = self.environment(&process);
        let options = self.options();
        let (slot, trace, id) = (process.slot.clone(), self.trace.clone(), self.id);
        process.runtime.spawn(async move {
            match Node::start_in(environment, options).await {
                Ok(node) => {
                    let removed = node.removed();
                    let set = slot.node.set(node).is_ok();
                    debug_assert!(set, "a process starts one node");
                    removed.await;
                    slot.removed.store(true, Ordering::Relaxed);
                }
                Err(error) => {
                    event!(trace, "machine {id} does not start: {error}");
                    let removed = matches!(error, StartError::Removed(_));
                    slot.removed.store(removed, Ordering::Relaxed);
                    let set = slot.failure.set(error).is_ok();
                    debug_assert!(set, "a process starts one node");
                }
            }
        });
        self.process = Some(process);
        Ok(())
    }

    fn options(&self) -> NodeOptions {
        NodeOptions {
            data_dir: self.dir.clone(),
            peers_listen: Some(address(self.id)),
            members: (0..self.members).map(|m| address(m).to_string()).collect(),
            peers_address: address(self.id).to_string(),
            http_address: String::new(),
            zone: String::new(),
            partitions: self.partitions,
            on_demand_window: levada_cluster::ON_DEMAND_WINDOW_DEFAULT,
        }
    }

    fn environment(&self, process: &Process) -> Environment {
        let skew = self.skew_ms.clone();
        let wall = move || {
            let right = WALL_BEGIN_MS + trace::now_ms();
            Timestamp::from_millis(right.saturating_add_signed(skew.load(Ordering::Relaxed)))
        };
        let free = self.free_bytes.clone();
        let space = move |_: &std::path::Path| {
            Ok(Space {
                free_bytes: free.load(Ordering::Relaxed),
                total_bytes: DISK_BYTES,
            })
        };
        let (disk, checkpoints) = (self.disk.clone(), self.checkpoints.clone());
        let log_file_bytes = self.log_file_bytes;
        let ends = process.ended.clone();
        let (stores, ended) = (process.stores.clone(), process.ended.clone());
        let open = move |paths: &StorePaths| {
            let opened = open_stores(paths, log_file_bytes, &disk, &checkpoints, &ended)?;
            *lock(&stores) = Some((opened.log.clone(), opened.blocks.clone()));
            Ok(opened)
        };
        Environment {
            host: Host {
                wall: Arc::new(wall),
                blocking: Blocking::InPlace,
                end_process: Arc::new(move || ends.store(true, Ordering::Relaxed)),
            },
            transport: Some(Arc::new(MachineTransport::new(
                self.network.clone(),
                self.id,
            ))),
            open_stores: Arc::new(open),
            space: Arc::new(space),
        }
    }

    /// Lets the process run until `now_ms`, and its disk write. True if the process has ended by itself.
    pub(crate) fn step(&mut self, now_ms: u64) -> bool {
        let Some(process) = &self.process else {
            return false;
        };
        if self.stopped {
            return false;
        }
        if now_ms >= self.next_write_ms {
            let opened = lock(&process.stores).clone();
            if let Some((log, blocks)) = opened {
                log.work();
                blocks.work();
            }
            self.next_write_ms = now_ms + self.random.within(self.pace.min_ms..=self.pace.max_ms);
        }
        if process.ended.load(Ordering::Relaxed) {
            return true;
        }
        process.runtime.step(now_ms);
        process.ended.load(Ordering::Relaxed)
    }

    /// Ends the process.
    pub(crate) fn crash(&mut self, how: Crash) -> io::Result<()> {
        let Some(process) = self.process.take() else {
            return Ok(());
        };
        event!(self.trace, "machine {} crashes: {how:?}", self.id);
        self.stopped = false;
        if how == Crash::PowerLoss {
            self.network.power_off(self.id);
        }
        let log = lock(&process.stores)
            .as_ref()
            .map(|(log, _)| Arc::downgrade(log));
        self.disk.forget();
        let Process {
            runtime,
            slot,
            stores,
            ..
        } = process;
        drop(runtime);
        drop((slot, stores));
        debug_assert!(
            log.is_none_or(|log| log.upgrade().is_none()),
            "something outlives the process and holds its log"
        );
        match how {
            Crash::Kill => self.disk.resume(),
            Crash::PowerLoss => self.disk.restore()?,
        }
        Ok(())
    }

    /// Stops the process where it stands, as SIGSTOP does.
    pub(crate) fn stop(&mut self) {
        if self.process.is_some() {
            event!(self.trace, "machine {} is stopped", self.id);
            self.stopped = true;
        }
    }

    /// Lets it go on, later than it thinks.
    pub(crate) fn resume(&mut self, now_ms: u64) {
        if std::mem::take(&mut self.stopped)
            && let Some(process) = &self.process
        {
            event!(self.trace, "machine {} goes on", self.id);
            process.runtime.leap(now_ms - 1);
        }
    }

    /// The power goes in the middle of a write of the log or the blocks, after so many more calls of the disk.
    pub(crate) fn cut_power_in_write(&self, calls: u64) {
        event!(self.trace, "machine {} will lose power in a write", self.id);
        self.disk.arm(Fault::PowerCut, calls);
    }

    /// A sync will fail, and the process end for it.
    pub(crate) fn fail_sync(&self) {
        event!(self.trace, "machine {} will fail a sync", self.id);
        self.disk.arm(Fault::SyncError, 0);
    }

    /// Takes back what was armed and has not happened.
    pub(crate) fn disarm(&self) {
        self.disk.disarm();
    }

    /// Whether the power is on.
    pub(crate) fn has_power(&self) -> bool {
        self.disk.has_power()
    }

    /// Every later sync says that it went well and does nothing: a bug that the simulator must find.
    pub(crate) fn ignore_syncs(&self) {
        self.disk.ignore_syncs();
    }

    /// Keeps the whole log in one file: what is lost of its end is then never an end in the middle.
    pub(crate) fn keep_one_log_file(&mut self) {
        self.log_file_bytes = DISK_BYTES;
    }

    /// Every sync is what it says again.
    pub(crate) fn heed_syncs(&self) {
        self.disk.heed_syncs();
    }

    /// Flips one bit of what a process that has ended left on the disk. Not in the last file of either kind that the
    /// log has: a flipped bit near its end can't be told from a torn one.
    pub(crate) fn flip_bit(&self, random: &mut Random) -> io::Result<()> {
        let mut files = regular_files(&self.dir.join("blocks"), "")?;
        for kind in ["raftlog", "rewrite"] {
            let mut log = regular_files(&self.dir.join("log"), kind)?;
            log.pop();
            files.append(&mut log);
        }
        files.retain(|(_, bytes)| *bytes > 0);
        if files.is_empty() {
            return Ok(());
        }
        let (path, bytes) = &files[random.index(files.len())];
        let bit = random.within(0..=bytes * 8 - 1);
        let name = path.strip_prefix(&self.dir).unwrap_or(path).display();
        event!(self.trace, "machine {}: bit {bit} of {name} flips", self.id);
        levada_storage::fault::flip_bit(path, bit)
    }

    /// Empties the disk of a machine whose process has ended.
    pub(crate) fn wipe(&mut self) -> io::Result<()> {
        event!(self.trace, "machine {} is wiped", self.id);
        *lock(&self.checkpoints) = None;
        self.disk.let_go();
        match std::fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// Whether its node has heard that it was taken out of the cluster.
    pub(crate) fn was_removed(&self) -> bool {
        self.slot()
            .is_some_and(|slot| slot.removed.load(Ordering::Relaxed))
    }

    /// Sets the wall clock wrong by so much.
    pub(crate) fn set_skew(&self, skew_ms: i64) {
        event!(
            self.trace,
            "the clock of machine {} is {skew_ms} ms off",
            self.id
        );
        self.skew_ms.store(skew_ms, Ordering::Relaxed);
    }

    /// Sets how much room the disk says it has.
    pub(crate) fn set_free(&self, bytes: Option<u64>) {
        event!(self.trace, "machine {} has {bytes:?} bytes free", self.id);
        self.free_bytes
            .store(bytes.unwrap_or(DISK_BYTES), Ordering::Relaxed);
    }

    /// Has the node write a checkpoint of each partition, one after the other.
    pub(crate) fn checkpoint(&self) {
        let Some(process) = &self.process else { return };
        let Some(node) = process.slot.node() else {
            return;
        };
        event!(self.trace, "machine {} writes checkpoints", self.id);
        let (groups, trace, id) = (node.replicas().groups(), self.trace.clone(), self.id);
        process.runtime.spawn(async move {
            for group in groups {
                if let Err(error) = group.checkpoint().await {
                    event!(
                        trace,
                        "machine {id}: no checkpoint of {}: {error}",
                        group.id()
                    );
                }
            }
        });
    }

    /// Sets how long syncs take.
    pub(crate) fn set_pace(&mut self, pace: DiskPace) {
        event!(self.trace, "machine {} syncs in {pace:?}", self.id);
        self.pace = pace;
    }

    /// Whether a process is there.
    pub(crate) fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// How often it was started.
    pub(crate) fn boots(&self) -> u64 {
        self.boots
    }

    /// The process's slot and runtime, for who calls it.
    pub(crate) fn door(&self) -> Option<(tokio::runtime::Handle, Arc<Slot>)> {
        let process = self.process.as_ref()?;
        Some((process.runtime.handle().clone(), process.slot.clone()))
    }

    /// The slot of the process that runs.
    pub(crate) fn slot(&self) -> Option<&Slot> {
        self.process.as_ref().map(|process| &*process.slot)
    }
}

/// The files of a directory whose names end so, by name, and how long they are.
fn regular_files(dir: &Path, end: &str) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    if dir.is_dir() {
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.is_file() && entry.file_name().to_string_lossy().ends_with(end) {
                files.push((entry.path(), found.len()));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn open_stores(
    paths: &StorePaths,
    log_file_bytes: u64,
    disk: &Arc<FaultDisk>,
    checkpoints: &Mutex<Option<Arc<CheckpointStore>>>,
    ended: &Arc<AtomicBool>,
) -> Result<Stores, StartError> {
    let damaged = |error: &dyn std::fmt::Display| StartError::Damaged(error.to_string());
    // A directory that was set aside or emptied has no checkpoints yet.
    let fresh = !paths.checkpoints.join("db").exists();
    if fresh {
        disk.let_go();
    }
    let ended = ended.clone();
    let fatal: FatalHook = Arc::new(move |_reason| ended.store(true, Ordering::Relaxed));
    let log = LogOptions {
        file_bytes: log_file_bytes,
        purge_threshold_bytes: LOG_PURGE_BYTES,
        prefill_bytes: 0,
        cache_bytes: LOG_CACHE_BYTES,
        fatal: fatal.clone(),
        disk: disk.clone(),
        work: Work::OnCall,
    };
    let log = LogStore::open(&paths.log, log).map_err(|e| damaged(&e))?;
    let blocks = BlockOptions {
        unwritten_bytes: BLOCK_UNWRITTEN_BYTES,
        cache_bytes: BLOCK_CACHE_BYTES,
        segment_bytes: SEGMENT_BYTES,
        fatal,
        disk: disk.clone(),
        work: Work::OnCall,
    };
    let blocks = BlockStore::open(&paths.blocks, blocks).map_err(|e| damaged(&e))?;
    let mut kept = lock(checkpoints);
    let checkpoints = match &*kept {
        Some(open) if !fresh => open.clone(),
        _ => {
            *kept = None;
            let opened = CheckpointStore::open(&paths.checkpoints).map_err(|e| damaged(&e))?;
            kept.insert(Arc::new(opened)).clone()
        }
    };
    Ok(Stores {
        log: Arc::new(log),
        blocks: Arc::new(blocks),
        checkpoints,
    })
}
