//! Every bound of the library, by name, with its reason.

use std::time::Duration;

/// Records of a call of PutRecords: AWS's bound.
pub const CALL_RECORDS_MAX: usize = 500;
/// Bytes of a call of PutRecords, keys included. AWS's bound was this for years and is 10 MiB now; half of it is enough.
pub const CALL_BYTES_MAX: usize = 5 << 20;
/// Characters of a partition key: AWS's bound.
pub const KEY_CHARS_MAX: usize = 256;
/// Bytes of a record with its key, unless a stream is set to larger ones: AWS's default.
pub const RECORD_BYTES: usize = 1 << 20;
/// Bytes of a record with its key at most, however the stream is set: AWS's bound is 10 MiB; this much fits into a call.
pub const RECORD_BYTES_MAX: usize = 4 << 20;
/// Bytes of an aggregated record, the KPL's default: a loss of one costs little to put again.
pub const AGGREGATE_BYTES: usize = 51_200;
/// What a waiting user record costs besides its key and its data.
pub const ENTRY_BYTES: usize = 256;
/// Waiting and flying user records of a producer, by what they cost.
pub const BUFFER_BYTES: usize = 32 << 20;
/// Messages on their way to a producer's task. What they hold is counted by [`BUFFER_BYTES`].
pub const MESSAGES_MAX: usize = 1_024;
/// Calls of PutRecords of a producer at one time. Each shard is in one of them at most.
pub const CALLS_MAX: usize = 16;
/// User records that are looked through for keys that are not in a call yet, where nothing is aggregated.
pub const LOOKED_THROUGH_MAX: usize = 4 * CALL_RECORDS_MAX;
/// User records of one aggregated record that a consumer takes apart; AWS's records hold 10 MiB.
pub const UNPACKED_RECORDS_MAX: usize = 1 << 20;
/// How long one call may take before it counts as lost.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// The first and the last pause between tries of a call.
pub const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// See [`BACKOFF_MIN`].
pub const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Pages of ListShards or of a scan of leases that are asked for: 1,000 shards a page.
pub const PAGES_MAX: usize = 100;
/// Records of a call of GetRecords: AWS's bound.
pub const GET_RECORDS_MAX: i32 = 10_000;
/// How long a table or a consumer may take to become active.
pub const ACTIVE_TIMEOUT: Duration = Duration::from_secs(120);
/// A subscription is silent for five seconds at most; one that says nothing for so long is made anew.
pub const SUBSCRIPTION_SILENCE_MAX: Duration = Duration::from_secs(20);
/// SubscribeToShard may be called once a second for a consumer and a shard: AWS's bound.
pub const SUBSCRIBE_PAUSE: Duration = Duration::from_secs(1);
/// A lease lasts for at least so long: it has to be renewed three times in it.
pub const LEASE_DURATION_MIN: Duration = Duration::from_secs(1);
/// The least time between two calls of GetRecords of a shard.
pub const POLL_PAUSE_MIN: Duration = Duration::from_millis(10);
/// Checkpoints that wait for their turn in a lease. A processor asks for one at a time.
pub const ASKS_MAX: usize = 4;
