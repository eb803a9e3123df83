//! Every bound of the agent, with its reason. What a flow may set instead is in `config`.

use std::time::Duration;

/// Flows of one agent. Each holds two batches at most, so this bounds memory together with [`BUFFER_BYTES_MAX`].
pub(crate) const FLOWS_MAX: usize = 64;
/// Files that a flow follows at one time. Each is an open file.
pub(crate) const FILES_MAX: usize = 10_000;
/// Directories below a `**`.
pub(crate) const GLOB_DEPTH_MAX: usize = 32;
/// Patterns that the braces of one pattern make.
pub(crate) const GLOB_BRACES_MAX: usize = 64;

/// Bytes of a file by which it is known, besides its device and inode. A line with a time in it fits.
pub(crate) const HEAD_BYTES: usize = 1024;
/// Bytes at the end of a file that tell a copy of another file from one that only begins alike.
pub(crate) const COPY_TAIL_BYTES: u64 = 4096;
/// Bytes that are read of one file before it is another one's turn: about a batch of lines.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// Records of a batch, and of a call of PutRecords.
pub(crate) const BUFFER_RECORDS_MAX: usize = 500;
/// Bytes of a batch. Together with their keys they are less than the 5 MiB that every version of PutRecords takes.
pub(crate) const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Time that a record may wait for others.
pub(crate) const BUFFER_AGE_MAX: Duration = Duration::from_secs(900);
/// See [`BUFFER_AGE_MAX`].
pub(crate) const BUFFER_AGE_DEFAULT: Duration = Duration::from_secs(1);

/// Bytes of a stream's record, if it is not said: what fits into a stream that was made without a limit of its own.
pub(crate) const RECORD_BYTES_DEFAULT: usize = 1_000_000;
/// 10 MiB with room for the key and a line's end.
pub(crate) const STREAM_RECORD_BYTES_MAX: usize = 10 * 1024 * 1024 - 1024;
/// What SQS takes as a message.
pub(crate) const QUEUE_RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Entries of a call of SendMessageBatch.
pub(crate) const QUEUE_ENTRIES_MAX: usize = 10;
/// Bytes of a call of SendMessageBatch.
pub(crate) const QUEUE_BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Characters of a partition key.
pub(crate) const PARTITION_KEY_CHARS_MAX: usize = 256;

/// How often files are looked at, if it is not said.
pub(crate) const POLL_DEFAULT: Duration = Duration::from_millis(250);
/// See [`POLL_DEFAULT`].
pub(crate) const POLL_MIN: Duration = Duration::from_millis(10);
/// See [`POLL_DEFAULT`].
pub(crate) const POLL_MAX: Duration = Duration::from_secs(60);

/// For how long a line without an end may stand still before it is sent as it is, if it is not said.
pub(crate) const TORN_LINE_WAIT_DEFAULT: Duration = Duration::from_secs(60);
/// For how long a record of several lines waits for another line, if it is not said.
pub(crate) const MULTILINE_WAIT_DEFAULT: Duration = Duration::from_secs(2);
/// The longest of either wait.
pub(crate) const LINE_WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// A rotated file that did not change for so long is at its end, and the next one is begun. A program that was told to
/// open its file anew does it within this.
pub(crate) const ROTATED_QUIET: Duration = Duration::from_secs(1);
/// The next file waits no longer than this, though the rotated one is still written to.
pub(crate) const ROTATED_WAIT_MAX: Duration = Duration::from_secs(30);
/// A deleted file that did not change for so long is let go, and with it its space on the disk.
pub(crate) const DELETED_QUIET: Duration = Duration::from_secs(60);
/// The same for a file that was renamed to a name that the flow does not ask for.
pub(crate) const RENAMED_QUIET: Duration = Duration::from_secs(24 * 3600);

/// Time between two checkpoints while records are sent. What was sent since the last one is sent again after a kill.
pub(crate) const CHECKPOINT_EVERY: Duration = Duration::from_millis(200);
/// Bytes of a checkpoint: ten thousand files with long names.
pub(crate) const CHECKPOINT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The first wait after a failed call. It doubles each time.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait between two calls.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Time to connect to the broker.
pub(crate) const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Time of a call. What is not answered by then is sent again.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer: 500 entries, each with a long message.
pub(crate) const ANSWER_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Characters of a cause that are told.
pub(crate) const CAUSE_CHARS_MAX: usize = 300;

/// Time to send what was read when the agent is told to end.
pub(crate) const STOP_MAX: Duration = Duration::from_secs(10);
/// How often a line says how things stand.
pub(crate) const STATUS_EVERY: Duration = Duration::from_secs(60);
/// A failure that goes on is told this often.
pub(crate) const FAILURE_TOLD_EVERY: Duration = Duration::from_secs(30);
