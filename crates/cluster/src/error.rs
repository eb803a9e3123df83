//! Why the cluster could not carry out a request. The gateway gives each its AWS code.

use thiserror::Error;

/// A request that was not carried out, or whose outcome is not known.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteError {
    /// No leader of the partition could be reached before the deadline. What was asked may or may
    /// not happen; a send that is retried can be delivered twice on a standard queue.
    #[error("no leader of the partition answered before the deadline")]
    Unavailable,
    /// A bounded queue in this process is full; nothing was done.
    #[error("too many requests are waiting")]
    Overloaded,
    /// The disk has less free space than the node keeps in reserve; nothing was done.
    #[error("the disks are nearly full")]
    DiskFull,
    /// The queue was deleted meanwhile.
    #[error("the queue does not exist")]
    NoSuchQueue,
    /// The stream was deleted meanwhile.
    #[error("the stream does not exist")]
    NoSuchStream,
    /// The topic was deleted meanwhile.
    #[error("the topic does not exist")]
    NoSuchTopic,
    /// The table was deleted meanwhile.
    #[error("the table does not exist")]
    NoSuchTable,
    /// A message that the index names could not be read from any replica.
    #[error("a stored message could not be read: {0}")]
    Unreadable(String),
}
