//! Backups of a live cluster, and directories made from them.
//!
//! Each partition is taken by itself, at one applied entry, from the replica of the node that is asked, after
//! that has caught up with the partition's leader, or at the leader if the node has none. Between partitions two things must hold. What crosses
//! them must not fall between two captures: a transfer that left its source must be at its destination
//! (`consistent`). And the catalog is taken last, so that it knows every queue that the others hold.

mod consistent;
mod elsewhere;
mod files;
mod restore;
mod session;

pub use consistent::{Captures, Seen};
pub(crate) use elsewhere::answer;
pub use files::{
    BackupError, FileSummary, Framer, MANIFEST_FILE, Manifest, PartitionWriter, Source,
};
pub use restore::{Restored, restore};
pub(crate) use session::Sessions;
pub use session::{Chunk, Opened};
