//! Reads every block of a directory and checks it, without a store and without writing anything. For
//! `levada doctor`, on a directory that no process uses.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use super::index::Found;
use super::{BlockId, scan};
use crate::disk::RealDisk;

/// What a directory of blocks holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifiedBlocks {
    /// Blocks that are whole.
    pub whole: BTreeSet<BlockId>,
    /// Blocks that are not, with what is wrong.
    pub damaged: Vec<(BlockId, String)>,
}

/// Reads and checks them all. Blocks the thread for as long as reading every file takes.
pub fn verify(dir: &Path) -> io::Result<VerifiedBlocks> {
    let (mut index, _) = scan::scan(dir, &RealDisk)?;
    let mut verified = VerifiedBlocks::default();
    let ids: Vec<BlockId> = index
        .partitions()
        .into_iter()
        .flat_map(|partition| index.ids(partition))
        .collect();
    for id in ids {
        let Found::OnDisk { place, .. } = index.find(id) else {
            continue;
        };
        match scan::read_block(id, &place) {
            Ok(_) => {
                verified.whole.insert(id);
            }
            Err(error) => verified.damaged.push((id, error.to_string())),
        }
    }
    Ok(verified)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use levada_types::PartitionId;

    use super::*;
    use crate::{BlockOptions, BlockStore};

    #[test]
    fn a_flipped_bit_is_found_and_the_rest_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = BlockStore::open(dir.path(), BlockOptions::default()).unwrap();
        let id = |first| BlockId {
            partition: PartitionId(1),
            log: 7,
            first,
        };
        for first in [1, 2] {
            store.put(id(first), vec![(first, Bytes::from_static(b"a message"))]);
        }
        store.sync_all().unwrap();
        drop(store);
        assert_eq!(verify(dir.path()).unwrap().whole.len(), 2);
        let file = std::fs::read_dir(dir.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let mut bytes = std::fs::read(file.path()).unwrap();
        let at = bytes.windows(9).rposition(|w| w == b"a message").unwrap();
        bytes[at] ^= 1;
        std::fs::write(file.path(), bytes).unwrap();
        let verified = verify(dir.path()).unwrap();
        assert_eq!((verified.whole.len(), verified.damaged.len()), (1, 1));
    }
}
