//! One file that is open: what is known of it, and how far it was read and answered for.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::batch::SourceKey;
use crate::identity::{self, FileId, modified_ns};
use crate::limits::ROTATED_QUIET;

/// A file that is followed.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) key: SourceKey,
    pub(super) id: FileId,
    /// The name under which it was found first. It keeps it when it is renamed: it is the name of the log.
    pub(super) home: PathBuf,
    pub(super) file: File,
    /// Its first bytes.
    pub(super) head: Vec<u8>,
    /// How many of them the checkpoint knows.
    pub(super) saved_head_bytes: usize,
    /// How often the file was emptied and begun anew.
    pub(super) generation: u32,
    /// What stands before was put into a batch.
    pub(super) offset: u64,
    /// What stands before was answered for. At most `offset`.
    pub(super) acked: u64,
    pub(super) size: u64,
    pub(super) modified_ns: i64,
    pub(super) links: u64,
    /// When a change was seen last.
    pub(super) changed_at: Instant,
    /// Whether it has its home's name now.
    pub(super) is_home: bool,
    /// Since when it has no name that the flow asks for.
    pub(super) out_since: Option<Instant>,
    /// Another file has taken its place.
    pub(super) has_successor: bool,
    /// When all that was there had been read, for the last time.
    pub(super) reached_end_at: Option<Instant>,
    pub(super) waits: Option<Wait>,
}

/// A file that must be read first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) on: SourceKey,
    pub(super) since: Instant,
    pub(super) rule: WaitRule,
}

/// Until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitRule {
    /// What it holds was read once.
    ReachedEnd,
    /// It was read, and nobody writes to it any more.
    Ended,
}

/// What a look at a file showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// It is as it was, or longer.
    None,
    /// It was emptied, and perhaps written anew.
    Rewritten,
}

impl Source {
    /// A file that was just opened.
    pub(super) fn new(
        key: SourceKey,
        home: PathBuf,
        file: File,
        offset: u64,
        now: Instant,
    ) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            key,
            id: FileId::of(&metadata),
            home,
            head: identity::head(&file)?,
            saved_head_bytes: 0,
            file,
            generation: 0,
            offset,
            acked: offset,
            size: metadata.len(),
            modified_ns: modified_ns(&metadata),
            links: metadata.nlink(),
            changed_at: now,
            is_home: true,
            out_since: None,
            has_successor: false,
            reached_end_at: None,
            waits: None,
        })
    }

    /// Looks at the file again.
    pub(super) fn look(&mut self, now: Instant) -> io::Result<Change> {
        let metadata = self.file.metadata()?;
        self.links = metadata.nlink();
        let size = metadata.len();
        if size < self.offset {
            return Ok(Change::Rewritten);
        }
        let modified = modified_ns(&metadata);
        if size == self.size && modified == self.modified_ns {
            return Ok(Change::None);
        }
        let head = identity::head(&self.file)?;
        if !head.starts_with(&self.head) {
            return Ok(Change::Rewritten);
        }
        self.head = head;
        self.size = size;
        self.modified_ns = modified;
        self.changed_at = now;
        Ok(Change::None)
    }

    /// For how long it has not changed.
    pub(super) fn quiet(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.changed_at)
    }

    /// Nobody writes to it any more, as far as one can tell: a line without an end stays without one.
    pub(super) fn is_final(&self, now: Instant) -> bool {
        (self.has_successor || self.links == 0) && self.quiet(now) >= ROTATED_QUIET
    }

    /// It was read to its end, and nobody writes to it any more.
    pub(super) fn has_ended(&self, now: Instant) -> bool {
        self.waits.is_none() && !self.is_behind_of_reading() && self.quiet(now) >= ROTATED_QUIET
    }

    /// There are bytes that were not read.
    pub(super) fn is_behind_of_reading(&self) -> bool {
        self.offset < self.size
    }

    /// Bytes that were not answered for.
    pub(super) fn behind(&self) -> u64 {
        self.size.saturating_sub(self.acked)
    }
}
