//! Where a flow goes on after it was away: each file of the checkpoint is looked for under its name, then by its inode
//! among the flow's files and beside its name, then by how it begins, since it may have been copied and emptied meanwhile.

use std::time::Instant;

use tracing::warn;

use super::Tailer;
use super::listing::{self, Found};
use super::source::WaitRule;
use crate::batch::SourceKey;
use crate::checkpoint::{Checkpoint, FilePosition};
use crate::identity::FileId;

impl Tailer {
    /// Takes up the files of a checkpoint.
    pub(super) fn restore(&mut self, checkpoint: Checkpoint, now: Instant) {
        let listing = self.list();
        let mut keys: Vec<(FileId, SourceKey)> = Vec::new();
        let mut waits: Vec<(SourceKey, FileId)> = Vec::new();
        for position in checkpoint.files {
            let taken = match find(&position, &listing) {
                Some(found) => self.resume(&found, &position, now),
                None => self.resume_copy(&position, now).map(|key| (key, key)),
            };
            match taken {
                Some((first, key)) => {
                    keys.push((position.id, key));
                    waits.extend(position.waits_on.map(|on| (first, on)));
                }
                None => {
                    warn!(
                        "{}, of which {} bytes were sent, is gone; what it held besides is not sent",
                        position.path.display(),
                        position.offset
                    );
                    self.ghosts.insert(position.path, position.modified_ns);
                }
            }
        }
        for (key, on) in waits {
            if let Some((_, on)) = keys.iter().find(|(id, _)| *id == on) {
                self.set_wait(key, Some(*on), WaitRule::Ended, now);
            }
        }
    }

    /// Takes up a file that is there, and what must be read before it: the key of what is first, and the file's own.
    fn resume(
        &mut self,
        found: &Found,
        position: &FilePosition,
        now: Instant,
    ) -> Option<(SourceKey, SourceKey)> {
        let key = self.register(found, &position.path, position.offset, now)?;
        let index = self.sources.len() - 1;
        let source = &mut self.sources[index];
        source.generation = position.generation;
        if position.head.fits(&source.head) && source.size >= position.offset {
            return Some((key, key));
        }
        if found.path != position.path {
            // Its inode was given to another file, which is new.
            self.sources.pop();
            return self.resume_copy(position, now).map(|key| (key, key));
        }
        // It was emptied, or another one has its name and inode.
        let copy = self.resume_copy(position, now);
        let known = self.sources.iter().find(|source| Some(source.key) == copy);
        let since_ns = known.map_or(position.modified_ns, |copy| copy.modified_ns);
        let before = self.take_between(&position.path, since_ns, Some(position.id), copy, now);
        let younger = self.next_key;
        self.next_key += 1;
        let source = &mut self.sources[index];
        source.key = younger;
        source.generation = source.generation.wrapping_add(1);
        source.offset = 0;
        source.acked = 0;
        self.set_wait(younger, before, WaitRule::Ended, now);
        let first = self
            .sources
            .get(index + 1)
            .map_or(younger, |first| first.key);
        Some((first, younger))
    }

    /// Takes up a copy of a file that is gone or was emptied.
    fn resume_copy(&mut self, position: &FilePosition, now: Instant) -> Option<SourceKey> {
        let sum = position.head;
        let copy = self.find_copy(&position.path, |head| sum.bytes > 0 && sum.fits(head))?;
        let offset = position.offset.min(copy.size);
        let key = self.register(&copy, &position.path, offset, now)?;
        if let Some(source) = self.sources.last_mut() {
            source.is_home = false;
        }
        Some(key)
    }
}

/// The file of a position, whatever its name is now.
fn find(position: &FilePosition, listing: &[Found]) -> Option<Found> {
    let is_it = |found: &Found| found.id == position.id;
    if let Some(found) = listing.iter().find(|found| is_it(found)) {
        return Some(found.clone());
    }
    listing::siblings(&position.path).into_iter().find(is_it)
}
