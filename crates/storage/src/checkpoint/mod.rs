//! Checkpoints: the last two consistent sets of metadata rows of each partition, in sled.
//!
//! A save goes to the older of a partition's two generations, ends with a manifest, and is flushed before it returns. What
//! has changed is one atomic batch, if it is not too much for that. A load takes the newest generation of which every checksum
//! fits, else the one before. So neither a crash in the middle of a save nor one bad row costs more than a
//! longer replay of the log.
//!
//! sled is beta software: everything it says is checked, and every call is guarded against a panic, after
//! which the store says that it is unusable, and the node can set the directory aside and refill from its
//! peers (see ADR 3). All calls block the thread: an async caller takes them to a blocking one.

mod difference;
mod row;

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use levada_types::PartitionId;
use sled::{Db, Tree};

use difference::{Difference, in_order};
use row::{MANIFEST_KEY, Manifest, ROW_PREFIX, RowsCrc};

/// Memory for sled's pages. Nothing on a request's path reads them.
const SLED_CACHE_BYTES: u64 = 32 << 20;
/// Directories set aside that may pile up before somebody must look.
const SET_ASIDE_MAX: u32 = 1_000;
const GENERATIONS: [u8; 2] = *b"AB";
const TREE_PREFIX: u8 = b'p';

/// For how long sled's own threads may keep a store that was closed in this process: they end what they have begun to
/// write, and sled waits for none of them. Another process can't have it, see `identity`.
const STILL_CLOSING_MAX: Duration = Duration::from_secs(5);
/// Between two looks whether they have ended.
const STILL_CLOSING_PAUSE: Duration = Duration::from_millis(2);

/// Waits until nobody has the store in `dir` open, but not for long: then sled says so.
fn wait_until_closed(dir: &Path) -> io::Result<()> {
    let file = match File::open(dir.join("db")) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let until = Instant::now() + STILL_CLOSING_MAX;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(STILL_CLOSING_PAUSE);
            }
            Ok(()) | Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(e)) => return Err(e),
        }
    }
}

/// Syncs what sled has written: its file, that of each large value (synced already) by their directory.
fn sync_files(dir: &Path) -> io::Result<()> {
    for name in ["db", "blobs", ""] {
        match File::open(dir.join(name)).and_then(|file| file.sync_all()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// What a checkpoint says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointMeta {
    /// The last entry of the log that is contained in the rows.
    pub applied_index: u64,
    /// Anything else that belongs to it, in the caller's form.
    pub opaque: Bytes,
}

/// Which of the two generations a checkpoint was loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The newest.
    Newest,
    /// The one before, because the newest is damaged.
    Previous {
        /// What is wrong with the newest.
        reason: String,
    },
}

/// A checkpoint that was verified completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// What it says of itself.
    pub meta: CheckpointMeta,
    /// Its rows, in the order of their keys.
    pub rows: Vec<(Bytes, Bytes)>,
    /// Where it came from.
    pub generation: Generation,
}

/// What a save had to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaveReport {
    /// Rows that were new or had changed since this generation was last written.
    pub written: usize,
    /// Rows that were as they are.
    pub unchanged: usize,
    /// Rows that are gone.
    pub removed: usize,
}

/// Why a checkpoint can't be had. Each sentence says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// sled can't be opened, has reported corruption, or has panicked.
    #[error(
        "the checkpoints in {path} are unusable ({reason}); a node of a cluster can set the directory aside \
         and be filled by its peers, a single node must be restored from a backup"
    )]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What sled said.
        reason: String,
    },
    /// What is found is older than what the log goes on from.
    #[error(
        "the checkpoint of partition {partition} ends at entry {applied_index} and the log begins at entry \
         {floor}: sled has lost the newer one; the partition must be filled by a peer or restored from a \
         backup"
    )]
    Behind {
        /// The partition.
        partition: PartitionId,
        /// The last entry that the checkpoint contains, zero if there is none.
        applied_index: u64,
        /// The first entry that the log can hold.
        floor: u64,
    },
    /// There are checkpoints of the partition, and none of them is whole.
    #[error(
        "no checkpoint of partition {partition} is whole ({reason}); the partition must be filled by a peer \
         or restored from a backup"
    )]
    Damaged {
        /// The partition.
        partition: PartitionId,
        /// What is wrong with each generation.
        reason: String,
    },
}

/// The checkpoints of all partitions of a node.
pub struct CheckpointStore {
    path: PathBuf,
    /// Gone after sled has failed: whatever it would say next is not to be believed.
    db: RwLock<Option<Db>>,
    failure: Mutex<String>,
    /// One save at a time: they share one disk, and sled.
    saving: Mutex<()>,
}

impl CheckpointStore {
    /// Opens the checkpoints in `dir`, and makes it if it is absent.
    pub fn open(dir: &Path) -> Result<Self, CheckpointError> {
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(SLED_CACHE_BYTES)
            // Saves flush by themselves; an idle node has nothing to flush.
            .flush_every_ms(None);
        let unusable = |reason| CheckpointError::Unusable {
            path: dir.to_owned(),
            reason,
        };
        wait_until_closed(dir).map_err(|e| unusable(e.to_string()))?;
        // It writes down how far its file reaches when it recovers: that must not be ahead of the file.
        sync_files(dir).map_err(|e| unusable(e.to_string()))?;
        // sled asserts while it recovers what a damaged file can make false.
        let db = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|panic| unusable(crate::fatal::panic_text(&*panic)))?
            .map_err(|e| unusable(e.to_string()))?;
        Ok(Self {
            path: dir.to_owned(),
            db: RwLock::new(Some(db)),
            failure: Mutex::new(String::new()),
            saving: Mutex::new(()),
        })
    }

    /// Renames a directory that can't be opened to `NAME.broken-N`, so that an empty one can take its
    /// place, and returns the new name. The store must not be open.
    pub fn set_aside(dir: &Path) -> io::Result<PathBuf> {
        let name = dir
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        for n in 1..=SET_ASIDE_MAX {
            let aside = dir.with_file_name(format!("{name}.broken-{n}"));
            if !aside.try_exists()? {
                std::fs::rename(dir, &aside)?;
                if let Some(parent) = dir.parent() {
                    crate::disk::sync_dir(parent)?;
                }
                return Ok(aside);
            }
        }
        Err(io::Error::other(format!(
            "{SET_ASIDE_MAX} broken checkpoint directories lie beside {}; remove what is not needed",
            dir.display()
        )))
    }

    /// Saves a checkpoint and makes it durable. The rows are all that the checkpoint holds; of two rows with
    /// one key the later counts. Values should stay below 64 KiB: sled is not made for large ones.
    pub fn save(
        &self,
        partition: PartitionId,
        meta: CheckpointMeta,
        rows: &[(Bytes, Bytes)],
    ) -> Result<SaveReport, CheckpointError> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = in_order(rows);
        self.guard(|db| {
            let trees = open_trees(db, partition)?;
            let saves = [save_number(&trees[0])?, save_number(&trees[1])?];
            let older = &trees[usize::from(saves[1] < saves[0])];
            let newest = saves.into_iter().flatten().max();
            let difference = Difference::between(older, &rows)?;
            let mut crc = RowsCrc::default();
            rows.iter().for_each(|(key, value)| crc.add(key, value));
            let manifest = Manifest {
                save: newest.map_or(1, |save| save + 1),
                meta,
                count: rows.len() as u64,
                rows_crc: crc.value(),
            };
            let mut last = difference.write(db, older, &rows)?;
            last.insert(MANIFEST_KEY, manifest.encode());
            older.apply_batch(last)?;
            self.flush(db)?;
            Ok(difference.report())
        })
    }

    /// The newest checkpoint that is whole, or nothing if the partition has none.
    pub fn load(&self, partition: PartitionId) -> Result<Option<Checkpoint>, CheckpointError> {
        let generations = self.guard(|db| {
            let known: BTreeSet<_> = db.tree_names().into_iter().collect();
            let mut generations = Vec::new();
            for name in GENERATIONS.map(|g| tree_name(partition, g)) {
                if known.contains(&sled::IVec::from(&name[..])) {
                    let tree = db.open_tree(name)?;
                    if let Some(bytes) = tree.get(MANIFEST_KEY)? {
                        generations.push((Manifest::decode(&bytes), tree));
                    }
                }
            }
            Ok(generations)
        })?;
        let (mut whole, mut reasons) = (Vec::new(), Vec::new());
        for (manifest, tree) in generations {
            match manifest {
                Ok(manifest) => whole.push((manifest, tree)),
                Err(reason) => reasons.push(reason),
            }
        }
        whole.sort_by_key(|(manifest, _)| std::cmp::Reverse(manifest.save));
        for (manifest, tree) in whole {
            match self.guard(|_| read_rows(&tree, &manifest))? {
                Ok(rows) => {
                    let generation = match reasons.is_empty() {
                        true => Generation::Newest,
                        false => Generation::Previous {
                            reason: reasons.join("; "),
                        },
                    };
                    return Ok(Some(Checkpoint {
                        meta: manifest.meta,
                        rows,
                        generation,
                    }));
                }
                Err(reason) => reasons.push(reason),
            }
        }
        if reasons.is_empty() {
            return Ok(None);
        }
        Err(CheckpointError::Damaged {
            partition,
            reason: reasons.join("; "),
        })
    }

    /// As [`Self::load`], but an error if the log, which holds nothing below `floor`, does not go on from
    /// what is found. sled can come up with an older state and not say so, see ADR 3.
    pub fn load_reaching(
        &self,
        partition: PartitionId,
        floor: u64,
    ) -> Result<Option<Checkpoint>, CheckpointError> {
        let found = self.load(partition)?;
        let applied_index = found.as_ref().map_or(0, |found| found.meta.applied_index);
        if applied_index.saturating_add(1) < floor {
            return Err(CheckpointError::Behind {
                partition,
                applied_index,
                floor,
            });
        }
        Ok(found)
    }

    /// Removes both generations of a partition.
    pub fn remove(&self, partition: PartitionId) -> Result<(), CheckpointError> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard(|db| {
            for generation in GENERATIONS {
                db.drop_tree(tree_name(partition, generation))?;
            }
            self.flush(db)?;
            Ok(())
        })
    }

    /// The partitions that have a checkpoint, whole or not.
    pub fn partitions(&self) -> Result<Vec<PartitionId>, CheckpointError> {
        self.guard(|db| {
            let mut partitions = BTreeSet::new();
            for name in db.tree_names() {
                if let [TREE_PREFIX, number @ .., _] = &*name
                    && let Ok(number) = number.try_into()
                    && db.open_tree(&name)?.contains_key(MANIFEST_KEY)?
                {
                    partitions.insert(PartitionId(u32::from_be_bytes(number)));
                }
            }
            Ok(partitions.into_iter().collect())
        })
    }

    /// Bytes that the directory takes.
    pub fn disk_bytes(&self) -> Result<u64, CheckpointError> {
        self.guard(Db::size_on_disk)
    }

    /// Makes everything durable. sled's own flush is `sync_file_range` on Linux, which leaves the length and the
    /// extents of the file to the file system's next commit.
    fn flush(&self, db: &Db) -> sled::Result<()> {
        db.flush()?;
        sync_files(&self.path)?;
        Ok(())
    }

    /// Calls sled. After an error that is not the caller's, or a panic, the store is closed for good.
    fn guard<T>(&self, call: impl FnOnce(&Db) -> sled::Result<T>) -> Result<T, CheckpointError> {
        let unusable = |reason| CheckpointError::Unusable {
            path: self.path.clone(),
            reason,
        };
        let reason = {
            let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
            let Some(db) = &*db else {
                let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                return Err(unusable(failure.clone()));
            };
            match catch_unwind(AssertUnwindSafe(|| call(db))) {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(e)) => e.to_string(),
                Err(panic) => crate::fatal::panic_text(&*panic),
            }
        };
        tracing::error!(
            reason,
            "sled has failed, checkpoints are unusable from here on"
        );
        reason.clone_into(&mut self.failure.lock().unwrap_or_else(PoisonError::into_inner));
        self.close();
        Err(unusable(reason))
    }

    fn close(&self) {
        let db = self
            .db
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The last handle flushes, which may panic on what is damaged.
        if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
            tracing::error!("sled has panicked while it was closed");
        }
    }
}

impl Drop for CheckpointStore {
    fn drop(&mut self) {
        self.close();
    }
}

fn tree_name(partition: PartitionId, generation: u8) -> [u8; 6] {
    let [a, b, c, d] = partition.0.to_be_bytes();
    [TREE_PREFIX, a, b, c, d, generation]
}

fn open_trees(db: &Db, partition: PartitionId) -> sled::Result<[Tree; 2]> {
    let open = |generation| db.open_tree(tree_name(partition, generation));
    Ok([open(GENERATIONS[0])?, open(GENERATIONS[1])?])
}

/// Which save wrote a generation. One whose manifest is damaged counts as empty, and is overwritten first.
fn save_number(tree: &Tree) -> sled::Result<Option<u64>> {
    let manifest = tree.get(MANIFEST_KEY)?;
    Ok(manifest
        .and_then(|bytes| Manifest::decode(&bytes).ok())
        .map(|manifest| manifest.save))
}

/// All rows of a generation, or what is wrong with them.
fn read_rows(
    tree: &Tree,
    manifest: &Manifest,
) -> sled::Result<Result<Vec<(Bytes, Bytes)>, String>> {
    let mut rows = Vec::new();
    let mut crc = RowsCrc::default();
    for stored in tree.scan_prefix(ROW_PREFIX) {
        let (key, value) = stored?;
        match row::decode(&key, &value) {
            Ok((key, value)) => {
                crc.add(&key, &value);
                rows.push((key, value));
            }
            Err(reason) => return Ok(Err(reason)),
        }
    }
    if rows.len() as u64 != manifest.count {
        return Ok(Err(format!(
            "{} of {} rows are there",
            rows.len(),
            manifest.count
        )));
    }
    if crc.value() != manifest.rows_crc {
        return Ok(Err("the rows are not those of the manifest".to_owned()));
    }
    Ok(Ok(rows))
}

#[cfg(test)]
mod tests;
