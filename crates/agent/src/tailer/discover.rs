//! What happened to the files since the last look, told from names, inodes and first bytes:
//!
//! - a name has another file: the log was rotated by renaming. The new file waits until the old one, which is still open,
//!   is read to its end, and so do files between the two, if the log was rotated more than once.
//! - a file is shorter than what was read, or begins otherwise: it was emptied after it was copied (`copytruncate`), or
//!   rewritten. The copy is found by how it begins, and read from where the file was read to.
//! - a file that is the beginning of another: a copy that is made. It is left alone until the other is emptied.
//! - a file without a name: it was deleted, and is read to its end.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tracing::{info, warn};

use super::Tailer;
use super::listing::{self, Found};
use super::source::{Change, Source, Wait, WaitRule};
use crate::batch::SourceKey;
use crate::identity::{self, FileId};
use crate::{limits, series};

impl Tailer {
    /// Looks at all files, and for new ones.
    pub(super) fn scan(&mut self, now: Instant) {
        self.scanned = Some(now);
        self.look(now);
        let listing = self.list();
        self.follow_names(&listing, now);
        self.let_go(now);
        let known: HashSet<FileId> = self.sources.iter().map(|source| source.id).collect();
        let mut new: Vec<&Found> = listing
            .iter()
            .filter(|found| !known.contains(&found.id))
            .filter(|found| !self.is_copy_of_known(found))
            .collect();
        // The name of the log itself is the shortest; files between it and the old one are found with it.
        new.sort_by_key(|found| found.path.as_os_str().len());
        for found in &new {
            self.take_place(found, now);
        }
        // Others are not in anybody's place; the older ones first.
        new.sort_by_cached_key(|found| by_age(found));
        for found in new {
            if !self.is_known(found.id) {
                self.register(found, &found.path, 0, now);
            }
        }
        self.count();
    }

    /// Takes up the files that there are when the flow begins for the first time.
    pub(super) fn begin(&mut self, now: Instant) {
        self.scanned = Some(now);
        let mut listing = self.list();
        listing.sort_by_cached_key(by_age);
        for found in listing {
            let Some(key) = self.register(&found, &found.path, 0, now) else {
                continue;
            };
            let index = self.sources.len() - 1;
            if self.flow.starts_at_end {
                match self.last_line(index) {
                    Ok(offset) => {
                        self.sources[index].offset = offset;
                        self.sources[index].acked = offset;
                    }
                    Err(e) => self.tell(&found.path, "cannot be read", &e),
                }
            }
            // Older files of a log come before younger ones.
            let before = self.sources[..index]
                .iter()
                .rfind(|other| listing::are_of_one_series(&other.home, &found.path));
            let before = before.map(|other| other.key);
            self.set_wait(key, before, WaitRule::ReachedEnd, now);
        }
        self.count();
    }

    /// Where the last line begins, or ends if it has an end.
    fn last_line(&self, index: usize) -> io::Result<u64> {
        let source = &self.sources[index];
        let len_max = self.flow.splitter.record_bytes_max as u64;
        let from = source.size.saturating_sub(len_max);
        let mut bytes = vec![0; usize::try_from(source.size - from).unwrap_or(0)];
        let count = identity::read_at(&source.file, &mut bytes, from)?;
        let end = memchr::memrchr(b'\n', &bytes[..count]).map_or(0, |at| at + 1);
        Ok(from + end as u64)
    }

    pub(super) fn list(&mut self) -> Vec<Found> {
        let mut problems = Vec::new();
        let listing = listing::list(&self.flow.files, &mut |path, e| {
            problems.push((path.to_owned(), e));
        });
        for (path, e) in problems {
            self.tell(&path, "cannot be read", &e);
        }
        listing
    }

    fn look(&mut self, now: Instant) {
        let mut rewritten = Vec::new();
        let mut failed = Vec::new();
        for source in &mut self.sources {
            match source.look(now) {
                Ok(Change::None) => {}
                Ok(Change::Rewritten) => rewritten.push(source.key),
                Err(e) => failed.push((source.home.clone(), e)),
            }
        }
        for key in rewritten {
            self.rewritten(key, now);
        }
        for (path, e) in failed {
            self.tell(&path, "cannot be looked at", &e);
        }
    }

    fn follow_names(&mut self, listing: &[Found], now: Instant) {
        let named: HashMap<FileId, &Path> = listing
            .iter()
            .map(|found| (found.id, found.path.as_path()))
            .collect();
        for source in &mut self.sources {
            let name = named.get(&source.id);
            source.is_home = name.is_some_and(|path| *path == source.home);
            source.out_since = match name {
                Some(_) => None,
                None => source.out_since.or(Some(now)),
            };
        }
    }

    /// Closes files of which nothing more is to be expected.
    fn let_go(&mut self, now: Instant) {
        let before = self.sources.len();
        self.sources.retain(|source| {
            let is_done = source.acked >= source.size;
            let quiet = source.quiet(now);
            let is_out = source.out_since.is_some();
            let is_deleted = source.links == 0 && quiet >= limits::DELETED_QUIET;
            let is_renamed = is_out && quiet >= limits::RENAMED_QUIET;
            !(is_done && (is_deleted || is_renamed))
        });
        self.is_dirty |= self.sources.len() != before;
    }

    fn is_known(&self, id: FileId) -> bool {
        self.sources.iter().any(|source| source.id == id)
    }

    /// Takes up a file that has the name that another one had.
    fn take_place(&mut self, found: &Found, now: Instant) {
        if self.is_known(found.id) {
            return;
        }
        // Of several that had the name, the youngest.
        let formers = self.sources.iter();
        let former = formers
            .filter(|source| source.home == found.path)
            .max_by_key(|source| source.key);
        let (before, modified_ns) = match (former, self.ghosts.get(&found.path)) {
            (Some(former), _) => (Some(former.key), former.modified_ns),
            (None, Some(modified_ns)) => (None, *modified_ns),
            (None, None) => return,
        };
        let before = self.take_between(&found.path, modified_ns, None, before, now);
        if let Some(key) = self.register(found, &found.path, 0, now) {
            self.set_wait(key, before, WaitRule::Ended, now);
        }
        self.ghosts.remove(&found.path);
    }

    /// Takes up the files of a log that were written since, and before `until` if there is one, and are not known: it was
    /// rotated more than once. Each waits for the one before; the last one's key is returned.
    pub(super) fn take_between(
        &mut self,
        home: &Path,
        since_ns: i64,
        until: Option<FileId>,
        mut before: Option<SourceKey>,
        now: Instant,
    ) -> Option<SourceKey> {
        let mut between = listing::siblings(home);
        let last = between.iter().find(|sibling| Some(sibling.id) == until);
        let last = last.map(by_age);
        between.retain(|sibling| {
            sibling.modified_ns >= since_ns
                && last.as_ref().is_none_or(|last| by_age(sibling) < *last)
                && !self.is_known(sibling.id)
        });
        between.sort_by_cached_key(by_age);
        for next in between {
            if let Some(key) = self.register(&next, home, 0, now) {
                self.set_wait(key, before, WaitRule::Ended, now);
                before = Some(key);
            }
        }
        before
    }

    /// Lets a file wait for another, if there is one.
    pub(super) fn set_wait(
        &mut self,
        key: SourceKey,
        on: Option<SourceKey>,
        rule: WaitRule,
        now: Instant,
    ) {
        for source in &mut self.sources {
            if source.key == key {
                source.waits = on.map(|on| Wait {
                    on,
                    since: now,
                    rule,
                });
            }
            if Some(source.key) == on && rule == WaitRule::Ended {
                source.has_successor = true;
            }
        }
    }

    /// Takes up a file from an offset on.
    pub(super) fn register(
        &mut self,
        found: &Found,
        home: &Path,
        offset: u64,
        now: Instant,
    ) -> Option<SourceKey> {
        if self.sources.len() >= limits::FILES_MAX {
            let e = io::Error::other(format!("more than {} files", limits::FILES_MAX));
            let pattern = PathBuf::from(self.flow.files[0].text());
            self.tell(&pattern, "matches too much", &e);
            return None;
        }
        let key = self.next_key;
        let opened = found.open().and_then(|file| match file {
            Some(file) => Source::new(key, home.to_owned(), file, offset, now).map(Some),
            None => Ok(None),
        });
        match opened {
            Ok(Some(source)) if !series::is_compressed_head(&source.head) => {
                self.next_key += 1;
                self.sources.push(source);
                self.is_dirty = true;
                Some(key)
            }
            Ok(_) => None,
            Err(e) => {
                self.tell(&found.path, "cannot be opened", &e);
                None
            }
        }
    }

    /// Whether a new file begins as one does that still has its name, and is like it at its own end: then it is a copy, or
    /// becomes one. Also while that cannot be said, because the other one is just being emptied.
    fn is_copy_of_known(&self, found: &Found) -> bool {
        let mut others = self.sources.iter().filter(|source| {
            source.is_home
                && !source.head.is_empty()
                && source.home != found.path
                && listing::are_of_one_series(&source.home, &found.path)
        });
        others.any(|source| is_copy(found, source).unwrap_or(false))
    }

    /// A file does not hold any more what was read of it.
    pub(super) fn rewritten(&mut self, key: SourceKey, now: Instant) {
        let Some(index) = self.sources.iter().position(|source| source.key == key) else {
            return;
        };
        let source = &self.sources[index];
        let home = source.home.clone();
        // A copy of less than what was read begins as it did, too.
        let copy = self.find_copy(&home, |head| {
            let common = head.len().min(source.head.len());
            common > 0 && head[..common] == source.head[..common]
        });
        let own_key = self.next_key;
        self.next_key += 1;
        let source = &mut self.sources[index];
        let (offset, acked, lost) = (source.offset, source.acked, source.is_behind_of_reading());
        let (size, modified_ns) = (source.size, source.modified_ns);
        let (id, waits) = (source.id, source.waits);
        let begun = source
            .file
            .try_clone()
            .and_then(|file| Source::new(own_key, home.clone(), file, 0, now));
        let begun = match begun {
            Ok(begun) => begun,
            Err(e) => return self.tell(&home, "was emptied and cannot be looked at", &e),
        };
        let (generation, is_home) = (source.generation.wrapping_add(1), source.is_home);
        *source = Source {
            generation,
            is_home,
            ..begun
        };
        self.is_dirty = true;
        let path = home.display();
        match &copy {
            Some(copy) => {
                info!(
                    "{path} was emptied; the rest of it is read from {}",
                    copy.path.display()
                );
            }
            None if lost => warn!(
                "{path} was emptied when {} of its bytes were not read, and there is no copy of it beside it that could be told",
                size - offset
            ),
            None => info!("{path} was emptied"),
        }
        let since_ns = copy.as_ref().map_or(modified_ns, |copy| copy.modified_ns);
        let count = self.sources.len();
        let copy = copy.and_then(|copy| self.take_copy(&copy, &home, key, (offset, acked), now));
        let before = self.take_between(&home, since_ns, Some(id), copy, now);
        // The youngest of all that had its name.
        let new_key = self.next_key;
        self.next_key += 1;
        self.sources[index].key = new_key;
        self.set_wait(new_key, before, WaitRule::Ended, now);
        // What is read first of these waits for what it waited for.
        let first = self.sources.get(count).map_or(new_key, |first| first.key);
        for source in &mut self.sources {
            if source.key == first {
                source.waits = waits;
            }
        }
    }

    /// Goes on with a copy under the key that its original had.
    fn take_copy(
        &mut self,
        copy: &Found,
        home: &Path,
        key: SourceKey,
        (offset, acked): (u64, u64),
        now: Instant,
    ) -> Option<SourceKey> {
        self.register(copy, home, 0, now)?;
        let source = self.sources.last_mut()?;
        source.key = key;
        source.is_home = false;
        // What was written between the copy and the emptying may have been read already.
        source.offset = offset.min(source.size);
        source.acked = acked.min(source.size);
        Some(key)
    }

    /// The youngest file beside one that begins as it should.
    pub(super) fn find_copy(
        &self,
        home: &Path,
        begins_so: impl Fn(&[u8]) -> bool,
    ) -> Option<Found> {
        let fits = |found: &Found| {
            let file = found.open().ok().flatten();
            let head = file.and_then(|file| identity::head(&file).ok());
            head.is_some_and(|head| begins_so(&head))
        };
        listing::siblings(home)
            .into_iter()
            .filter(|found| !self.is_known(found.id) && fits(found))
            .max_by_key(|found| found.modified_ns)
    }
}

/// Older files first. Where the clock of the file system was too coarse: `app.log.2`, `app.log.1`, `app.log`.
fn by_age(found: &Found) -> (i64, Reverse<PathBuf>) {
    (found.modified_ns, Reverse(found.path.clone()))
}

/// See [`Tailer::is_copy_of_known`].
fn is_copy(found: &Found, source: &Source) -> io::Result<bool> {
    let Some(file) = found.open()? else {
        return Ok(true);
    };
    let size = file.metadata()?.len();
    let now = identity::head(&source.file)?;
    if source.file.metadata()?.len() < source.offset || !now.starts_with(&source.head) {
        return Ok(true);
    }
    let head = identity::head(&file)?;
    let common = head.len().min(now.len());
    if head[..common] != now[..common] {
        return Ok(false);
    }
    let from = size.saturating_sub(limits::COPY_TAIL_BYTES);
    let tail = |file: &std::fs::File| {
        let mut bytes = vec![0; usize::try_from(size - from).unwrap_or(0)];
        let count = identity::read_at(file, &mut bytes, from)?;
        bytes.truncate(count);
        io::Result::Ok(bytes)
    };
    Ok(tail(&file)? == tail(&source.file)?)
}
