//! Numbers of what nodes ask of each other; those below belong to Raft.

pub(crate) const PROPOSE: u32 = 64;
pub(crate) const COUNTS: u32 = 65;
pub(crate) const HELLO: u32 = 66;
pub(crate) const ADOPT: u32 = 67;
pub(crate) const JOIN: u32 = 68;
pub(crate) const FETCH_BLOCK: u32 = 69;
pub(crate) const SPARE: u32 = 70;
pub(crate) const REPORT: u32 = 71;
pub(crate) const HAND_OVER: u32 = 72;
pub(crate) const STANDING: u32 = 73;
pub(crate) const LED: u32 = 74;
pub(crate) const RELEASE: u32 = 75;
pub(crate) const AWAIT: u32 = 76;
pub(crate) const BACKUP: u32 = 77;
pub(crate) const LOOK: u32 = 78;
pub(crate) const PEEK: u32 = 79;
pub(crate) const READ_SHARD: u32 = 80;
pub(crate) const SHARD_ENDS: u32 = 81;
pub(crate) const SUBSCRIBE: u32 = 82;
pub(crate) const READ_ITEMS: u32 = 90;
pub(crate) const QUERY_TABLE: u32 = 91;
pub(crate) const TABLE_SIZE: u32 = 92;
