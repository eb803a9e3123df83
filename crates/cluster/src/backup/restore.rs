//! Makes a fresh data directory from a backup: that of the only node of a new cluster.
//!
//! It is made beside its place and renamed at the end, so that an interrupted restore leaves nothing that a
//! node could start on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use levada_engine::proto::{
    Catalog, ChangeMembers, Command, Done, MemberRow, PartitionRow, PlacePartitions, Proposal,
    RemoveMember, SetMember, catalog, change_members, command,
};
use levada_engine::{Effects, Partition};
use levada_replica::{block_id, lay_down};
use levada_storage::blocks::BlockId;
use levada_storage::{BlockOptions, BlockStore, CheckpointStore, DataDir, LogOptions, LogStore};
use levada_types::{NodeId, PartitionId};

use super::files::{BackupError, FileSummary, Manifest, PartitionReader, Source};
use crate::bootstrap::Membership;

/// Bytes of blocks that may wait in memory before they are written.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a restore made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The new node.
    pub node: NodeId,
    /// The new cluster.
    pub cluster: u64,
    /// Partitions.
    pub partitions: usize,
    /// Queues that the catalog knows.
    pub queues: usize,
    /// When the backup began, in milliseconds since the epoch.
    pub began_ms: u64,
}

/// The stores of the directory that is made.
struct Fresh {
    node: NodeId,
    address: String,
    log: LogStore,
    blocks: BlockStore,
    checkpoints: CheckpointStore,
}

/// Makes `to`, which must be absent or empty, from the backup in `from`. `peers_address` is where other nodes
/// will reach the node; empty for one that stays alone. Blocks the thread.
pub fn restore(from: &dyn Source, to: &Path, peers_address: &str) -> Result<Restored, BackupError> {
    let manifest = Manifest::read(from)?;
    expect_free(to)?;
    let mut name = to.as_os_str().to_owned();
    name.push(format!(".restoring-{}", std::process::id()));
    let beside = PathBuf::from(name);
    let made = make(from, &manifest, &beside, peers_address);
    let moved = made.and_then(|restored| {
        // An empty directory gives its place to the new one.
        std::fs::rename(&beside, to).map_err(BackupError::io(to))?;
        Ok(restored)
    });
    if moved.is_err()
        && beside.exists()
        && let Err(error) = std::fs::remove_dir_all(&beside)
    {
        tracing::warn!(path = %beside.display(), %error, "what was begun could not be deleted");
    }
    moved
}

/// Nothing is ever restored over anything.
fn expect_free(to: &Path) -> Result<(), BackupError> {
    match std::fs::read_dir(to) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(BackupError::io(to)(e)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(BackupError::Occupied(to.to_owned())),
        },
    }
}

fn make(
    from: &dyn Source,
    manifest: &Manifest,
    dir: &Path,
    peers_address: &str,
) -> Result<Restored, BackupError> {
    let failed = |e: &dyn std::fmt::Display| BackupError::Failed(e.to_string());
    let mut data = DataDir::open(dir).map_err(|e| failed(&e))?;
    let node = data.node_id();
    let fresh = Fresh {
        node,
        address: peers_address.to_owned(),
        log: LogStore::open(&data.log_path(), LogOptions::default()).map_err(|e| failed(&e))?,
        blocks: BlockStore::open(&data.blocks_path(), BlockOptions::default())
            .map_err(|e| failed(&e))?,
        checkpoints: CheckpointStore::open(&data.checkpoints_path()).map_err(|e| failed(&e))?,
    };
    let mut queues = 0;
    for summary in &manifest.partitions {
        let state = lay_partition_down(from, summary, &fresh)?;
        queues += state.catalog().map_or(0, |catalog| {
            let users = catalog.queues().filter(|row| row.subscription == 0);
            users.count()
        });
    }
    drop(fresh);
    let cluster = rand::random::<u64>().max(1);
    let membership = Membership {
        partitions: manifest.partitions.len() as u32,
        members: BTreeMap::from([(node.0, peers_address.to_owned())]),
        founder: false,
        joined: false,
        removed_at: None,
    };
    let text = serde_json::to_string(&membership).map_err(|e| failed(&e))?;
    data.set_cluster(cluster, &text).map_err(|e| failed(&e))?;
    Ok(Restored {
        node,
        cluster,
        partitions: manifest.partitions.len(),
        queues,
        began_ms: manifest.began_ms,
    })
}

fn lay_partition_down(
    from: &dyn Source,
    summary: &FileSummary,
    fresh: &Fresh,
) -> Result<Partition, BackupError> {
    let path = from.place().join(&summary.file);
    let partition = PartitionId(summary.partition);
    let mut reader = PartitionReader::open(from, summary)?;
    let mut rows: Vec<(Bytes, Bytes)> = Vec::new();
    let mut blocks = BTreeSet::new();
    while let Some(part) = reader.next()? {
        rows.extend(part.rows.into_iter().map(|row| (row.key, row.value)));
        for block in part.blocks {
            let name = block
                .name
                .ok_or_else(|| BackupError::damaged(&path, "a block has no name"))?;
            let id = BlockId {
                partition,
                log: name.queue,
                first: name.first,
            };
            let records = block.records.into_iter().map(|r| (r.position, r.record));
            fresh.blocks.put(id, records.collect());
            blocks.insert(id);
        }
        if fresh.blocks.unwritten_bytes() > UNWRITTEN_BYTES_MAX {
            fresh.blocks.sync_all().map_err(BackupError::io(&path))?;
        }
    }
    let mut state = Partition::restore(partition, rows)
        .map_err(|e| BackupError::damaged(&path, e.to_string()))?;
    let mut named = state.blocks().into_iter();
    if named.any(|block| !blocks.contains(&block_id(partition, block))) {
        return Err(BackupError::damaged(
            &path,
            "it lacks a block that it names",
        ));
    }
    if partition == PartitionId::CATALOG {
        found_anew(&mut state, fresh);
    }
    fresh.blocks.sync_all().map_err(BackupError::io(&path))?;
    lay_down(
        (fresh.node, &fresh.address),
        partition,
        summary.applied_index,
        state.snapshot(),
        &fresh.log,
        &fresh.checkpoints,
    )
    .map_err(BackupError::io(&path))?;
    Ok(state)
}

/// The new node is the only member: by the catalog's own commands.
fn found_anew(state: &mut Partition, fresh: &Fresh) {
    let Some(catalog) = state.catalog() else {
        return;
    };
    let old: Vec<u64> = catalog.members().map(|member| member.node).collect();
    let mut changes = Vec::new();
    for kind in [
        catalog
            .members_change()
            .map(|_| change_members::Kind::Finish(Done {})),
        Some(change_members::Kind::ClearLeaders(Done {})),
    ]
    .into_iter()
    .flatten()
    {
        changes.push(catalog::Kind::ChangeMembers(ChangeMembers {
            if_version: catalog.members_version() + changes.len() as u64,
            kind: Some(kind),
        }));
    }
    changes.extend(
        old.into_iter()
            .map(|node| catalog::Kind::RemoveMember(RemoveMember { node })),
    );
    let member = MemberRow {
        node: fresh.node.0,
        peer_address: fresh.address.clone(),
        ..MemberRow::default()
    };
    changes.push(catalog::Kind::SetMember(SetMember {
        member: Some(member),
    }));
    let rows: Vec<PartitionRow> = catalog
        .all_placed()
        .map(|row| PartitionRow {
            nodes: vec![fresh.node.0],
            leader: fresh.node.0,
            begun: true,
            ..row.clone()
        })
        .collect();
    if !rows.is_empty() {
        changes.push(catalog::Kind::ChangeMembers(ChangeMembers {
            if_version: catalog.members_version() + changes.len() as u64,
            kind: Some(change_members::Kind::Place(PlacePartitions {
                rows,
                if_version: None,
            })),
        }));
    }
    let commands = changes.into_iter().map(|kind| Command {
        kind: Some(command::Kind::Catalog(Catalog { kind: Some(kind) })),
    });
    let proposal = Proposal {
        commands: commands.collect(),
        ..Proposal::default()
    };
    // The catalog's partition holds no queue, so that there is nothing to see to.
    state.apply(state.last_applied_at(), proposal, &mut Effects::default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_restored_over_anything_or_from_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("backup"), dir.path().join("data"));
        std::fs::create_dir(&from).unwrap();
        let error = restore(&from, &to, "").unwrap_err();
        assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
        let mut manifest = Manifest::new("1".into(), 1);
        manifest.partitions = vec![FileSummary {
            file: "partition-0.backup".into(),
            ..FileSummary::default()
        }];
        manifest.write(&from).unwrap();
        drop(DataDir::open(&to).unwrap());
        let error = restore(&from, &to, "").unwrap_err();
        assert!(matches!(error, BackupError::Occupied(_)), "{error}");
        let elsewhere = dir.path().join("other");
        assert!(restore(&from, &elsewhere, "").is_err(), "a file is missing");
        assert!(!elsewhere.exists());
        let left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .flatten()
            .map(|e| e.file_name())
            .collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }
}
