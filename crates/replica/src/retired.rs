//! Copies that this node had and gave away.
//!
//! A node that forgets how it voted, or what it had acknowledged, breaks the promise that a majority made. So
//! of a copy that is deleted a *mark* stays: the group's vote and the last entry. If the copy comes back, it
//! takes the vote over, and votes for nobody until its log reaches again what it reached before: then it is as
//! good as if it had never been away. The mark stands in the log under a number that no partition has, so that it
//! is durable before anything goes.

use std::io;
use std::sync::Arc;

use levada_storage::blocks::BlockStore;
use levada_storage::checkpoint::CheckpointStore;
use levada_storage::log::{LogStore, StateKey};
use levada_types::PartitionId;
use openraft::Raft;
use openraft::async_runtime::watch::WatchReceiver as _;
use prost::Message as _;
use tokio::sync::oneshot;

use crate::codec::{self, LogId};
use crate::config::TypeConfig;
use crate::log_store::GroupLog;
use crate::machine::Machine;
use crate::proto;

/// Set in the number of a mark, and in no partition's.
const MARK: u32 = 1 << 31;
/// Where a mark keeps the last entry. Purged is what it is, in a way.
const LAST: StateKey = StateKey::PURGED;

/// Whether what the log holds under this number is the mark of a copy that was given away.
pub fn is_mark(partition: PartitionId) -> bool {
    partition.0 & MARK != 0
}

fn mark_of(partition: PartitionId, log: &Arc<LogStore>) -> GroupLog {
    GroupLog::new(PartitionId(partition.0 | MARK), log.clone())
}

/// Whether the log holds a copy of the partition: one that has taken part in its group.
pub(crate) fn has_copy(partition: PartitionId, log: &LogStore) -> bool {
    log.state(partition, StateKey::VOTE).is_some() || log.bounds(partition).is_some()
}

/// Whether a copy of the partition was given away once.
pub(crate) fn has_mark(partition: PartitionId, log: &LogStore) -> bool {
    log.state(PartitionId(partition.0 | MARK), StateKey::VOTE)
        .is_some()
}

/// Before a copy is opened: takes the vote over from its mark, if it comes back. Answers the entry that its log
/// must reach before it votes.
pub(crate) async fn come_back(
    partition: PartitionId,
    log: &Arc<LogStore>,
    checkpoints: &CheckpointStore,
) -> io::Result<Option<LogId>> {
    let mark = mark_of(partition, log);
    let last: Option<proto::LogId> = mark.stored(LAST, "mark")?;
    let vote: Option<proto::Vote> = mark.stored(StateKey::VOTE, "mark")?;
    let Some(vote) = vote else {
        return Ok(None);
    };
    if !has_copy(partition, log) {
        // The process may have ended before it went.
        checkpoints.remove(partition).map_err(io::Error::other)?;
        let vote = vote.encode_to_vec().into();
        GroupLog::new(partition, log.clone())
            .put(StateKey::VOTE, vote)
            .await?;
    }
    Ok(last.as_ref().map(codec::log_id_from))
}

/// Whether the log holds at least what it held before.
pub(crate) fn reaches(
    partition: PartitionId,
    must_reach: LogId,
    log: &Arc<LogStore>,
) -> io::Result<bool> {
    Ok(GroupLog::new(partition, log.clone()).last()? >= Some(must_reach))
}

/// Waits for that; false if the replica ends before.
pub(crate) async fn has_reached(
    partition: PartitionId,
    must_reach: LogId,
    raft: &Raft<TypeConfig, Machine>,
    log: Arc<LogStore>,
) -> bool {
    let mut metrics = raft.data_metrics();
    loop {
        match reaches(partition, must_reach, &log) {
            Ok(true) => return true,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(%partition, %error, "the log cannot be read");
                return false;
            }
        }
        if metrics.changed().await.is_err() {
            return false;
        }
    }
}

/// Deletes a copy whose replica has been shut down. `before`: what it had to reach before it voted.
pub(crate) async fn give_away(
    partition: PartitionId,
    before: Option<LogId>,
    log: &Arc<LogStore>,
    blocks: &BlockStore,
    checkpoints: &CheckpointStore,
) -> io::Result<()> {
    if let Some(vote) = log.state(partition, StateKey::VOTE) {
        let last = GroupLog::new(partition, log.clone()).last()?.max(before);
        let mark = mark_of(partition, log);
        if let Some(last) = last {
            let last = codec::log_id_to(&last).encode_to_vec();
            mark.put(LAST, last.into()).await?;
        }
        mark.put(StateKey::VOTE, vote).await?;
    }
    let (tx, rx) = oneshot::channel();
    let done = move |result| {
        // The receiver waits right below.
        let _ = tx.send(result);
    };
    log.remove_partition(partition, Box::new(done));
    rx.await
        .unwrap_or_else(|_| Err(io::Error::other("the log's writer has stopped")))?;
    checkpoints.remove(partition).map_err(io::Error::other)?;
    blocks.retain(partition, &std::collections::BTreeSet::new());
    Ok(())
}

#[cfg(test)]
mod tests {
    use levada_storage::{BlockOptions, LogOptions};

    use super::*;

    const P: PartitionId = PartitionId(7);

    fn id(term: u64, index: u64) -> LogId {
        let id = proto::LogId {
            term,
            node: 1,
            index,
        };
        codec::log_id_from(&id)
    }

    #[tokio::test]
    async fn a_copy_that_comes_back_has_its_vote_and_knows_how_far_it_was() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("blocks")).unwrap();
        let open = |log: &str| LogStore::open(&dir.path().join(log), LogOptions::default());
        let log = Arc::new(open("log").unwrap());
        let blocks = BlockStore::open(&dir.path().join("blocks"), BlockOptions::default()).unwrap();
        let checkpoints = CheckpointStore::open(&dir.path().join("checkpoints")).unwrap();
        assert_eq!(come_back(P, &log, &checkpoints).await.unwrap(), None);
        assert!(!has_copy(P, &log));
        let vote = proto::Vote {
            term: 3,
            node: 2,
            committed: true,
        };
        let group = GroupLog::new(P, log.clone());
        let bytes: bytes::Bytes = vote.encode_to_vec().into();
        group.put(StateKey::VOTE, bytes.clone()).await.unwrap();
        let purged = codec::log_id_to(&id(2, 40)).encode_to_vec();
        group.put(StateKey::PURGED, purged.into()).await.unwrap();
        assert!(has_copy(P, &log));

        give_away(P, Some(id(1, 90)), &log, &blocks, &checkpoints)
            .await
            .unwrap();
        assert!(!has_copy(P, &log));
        drop(group);
        drop(log);
        let log = Arc::new(open("log").unwrap());
        assert!(!has_copy(P, &log), "nor after a restart");
        assert!(log.partitions().iter().all(|p| is_mark(*p) || *p != P));
        let must_reach = come_back(P, &log, &checkpoints).await.unwrap();
        assert_eq!(must_reach, Some(id(2, 40)), "the later of the two");
        assert_eq!(log.state(P, StateKey::VOTE), Some(bytes));
        // Given away again before it got that far.
        give_away(P, must_reach, &log, &blocks, &checkpoints)
            .await
            .unwrap();
        let must_reach = come_back(P, &log, &checkpoints).await.unwrap();
        assert_eq!(must_reach, Some(id(2, 40)));
    }
}
