//! Every bound that AWS documents, and every bound of our own, by name.
//!
//! Source: the SQS API reference and quotas page, and the public `sqs-2012-11-05` model; what is of another
//! service says so.

/// Characters in a queue's name, the `.fifo` suffix counted.
pub const QUEUE_NAME_LEN_MAX: usize = 80;
/// Entries in a batch request.
pub const BATCH_ENTRIES_MAX: usize = 10;
/// Characters in a batch entry's id.
pub const BATCH_ENTRY_ID_LEN_MAX: usize = 80;
/// Bytes of one message, body and attributes, and of all messages of one batch.
pub const MESSAGE_BYTES_MAX: usize = 1_048_576;
/// The least that `MaximumMessageSize` can be set to, in bytes.
pub const MAXIMUM_MESSAGE_SIZE_BYTES_MIN: u32 = 1_024;
/// Attributes of one message.
pub const MESSAGE_ATTRIBUTES_MAX: usize = 10;
/// Characters in a message attribute's name, and in its type.
pub const MESSAGE_ATTRIBUTE_NAME_LEN_MAX: usize = 256;
/// Longest delay of a message or a queue, in seconds.
pub const DELAY_SECS_MAX: u32 = 900;
/// Longest visibility timeout, in seconds.
pub const VISIBILITY_TIMEOUT_SECS_MAX: u32 = 43_200;
/// Visibility timeout of a queue that sets none, in seconds.
pub const VISIBILITY_TIMEOUT_SECS_DEFAULT: u32 = 30;
/// Shortest retention of a queue's messages, in seconds.
pub const MESSAGE_RETENTION_SECS_MIN: u32 = 60;
/// Longest retention of a queue's messages, in seconds.
pub const MESSAGE_RETENTION_SECS_MAX: u32 = 1_209_600;
/// Retention of a queue that sets none, in seconds.
pub const MESSAGE_RETENTION_SECS_DEFAULT: u32 = 345_600;
/// Longest wait of a long poll, in seconds.
pub const WAIT_TIME_SECS_MAX: u32 = 20;
/// Messages that one receive returns at most.
pub const RECEIVE_MESSAGES_MAX: u32 = 10;
/// Messages of one queue that may be claimed at one time.
pub const IN_FLIGHT_MAX: u64 = 120_000;
/// Characters in a message group id, a deduplication id, and a receive attempt id.
pub const GROUP_ID_LEN_MAX: usize = 128;
/// For how long a FIFO queue remembers a deduplication id or an attempt id, in milliseconds.
pub const DEDUPLICATION_WINDOW_MS: u64 = 300_000;
/// Bounds of a redrive policy's `maxReceiveCount`.
pub const MAX_RECEIVE_COUNT_MAX: u32 = 1_000;
/// Source queues that a redrive allow policy may name.
pub const REDRIVE_ALLOW_SOURCES_MAX: usize = 10;
/// For how long after a purge another one is refused, in milliseconds.
pub const PURGE_INTERVAL_MS: u64 = 60_000;
/// For how long after its deletion a queue's name stays taken, in milliseconds.
pub const DELETED_NAME_REUSE_MS: u64 = 60_000;
/// Queues and move tasks that one page of a listing holds at most.
pub const LIST_RESULTS_MAX: u32 = 1_000;
/// Messages a second that a move task can be told to keep to.
pub const MOVE_TASK_RATE_MAX: u32 = 500;
/// Tags of one queue.
pub const QUEUE_TAGS_MAX: usize = 50;
/// Characters in a tag's key.
pub const TAG_KEY_LEN_MAX: usize = 128;
/// Characters in a tag's value.
pub const TAG_VALUE_LEN_MAX: usize = 256;

// Kinesis Data Streams. Source: the public `kinesis-2013-12-02` model and the service's quotas page.

/// Characters in a stream's name, and in a consumer's.
pub const STREAM_NAME_LEN_MAX: usize = 128;
/// Characters in an ARN that Kinesis is given.
pub const STREAM_ARN_LEN_MAX: usize = 2_048;
/// Characters in a shard's id, as a client may write it.
pub const SHARD_ID_LEN_MAX: usize = 128;
/// The highest number that a shard's id can carry.
pub const SHARD_NUMBER_MAX: u64 = 2_147_483_647;
/// Characters in a partition key.
pub const PARTITION_KEY_LEN_MAX: usize = 256;
/// Bytes of one record, and of one `PutRecords` with its partition keys.
pub const RECORDS_BYTES_MAX: usize = 10_485_760;
/// Open shards that the streams of an account in a region may have together.
pub const SHARDS_MAX: u32 = 20_000;
/// Open shards that `UpdateShardCount` gives a stream at most.
pub const SHARD_COUNT_MAX: u32 = 10_000;
/// Streams in on-demand mode that an account may have in a region.
pub const ON_DEMAND_STREAMS_MAX: u32 = 1_000;
/// Shards that a stream in on-demand mode begins with.
pub const ON_DEMAND_SHARDS: u32 = 4;
/// Shards that a stream in on-demand mode grows to: 200 MiB a second, as AWS has it by default.
pub const ON_DEMAND_SHARDS_MAX: u32 = 200;
/// For how many days a stream in on-demand mode remembers what came at most.
pub const ON_DEMAND_MEMORY_DAYS: u64 = 30;
/// Calls of `GetRecords` that a shard answers in a second, where AWS's limits are kept.
pub const SHARD_READS_PER_S: u32 = 5;
/// Bytes that `GetRecords` reads of a shard in a second, where AWS's limits are kept.
pub const SHARD_READ_BYTES_PER_S: u64 = 2_097_152;
/// Consumers with enhanced fan-out of one stream.
pub const STREAM_CONSUMERS_MAX: usize = 20;
/// Tags of one stream or consumer.
pub const TAGS_OF_STREAM_MAX: usize = 50;
/// Bytes of the policy of a stream or a consumer.
pub const RESOURCE_POLICY_BYTES_MAX: usize = 20_480;
/// Records that a shard takes in a second, where AWS's limits are kept.
pub const SHARD_RECORDS_PER_S: u64 = 1_000;
/// Bytes that a shard takes in a second, partition keys included, where AWS's limits are kept.
pub const SHARD_BYTES_PER_S: u64 = 1_048_576;
/// Records in one `PutRecords`.
pub const PUT_RECORDS_MAX: usize = 500;
/// Records that one `GetRecords` returns at most.
pub const GET_RECORDS_MAX: u32 = 10_000;
/// Characters in a shard iterator.
pub const SHARD_ITERATOR_LEN_MAX: usize = 512;
/// Characters in a page token of Kinesis.
pub const STREAM_TOKEN_LEN_MAX: usize = 1_048_576;
/// Shards, streams and consumers that one page of a listing holds at most.
pub const STREAM_LIST_RESULTS_MAX: u32 = 10_000;
/// The least that a stream's `MaxRecordSizeInKiB` can be set to.
pub const MAX_RECORD_SIZE_KIB_MIN: u32 = 1_024;
/// The most that it can be set to.
pub const MAX_RECORD_SIZE_KIB_MAX: u32 = 10_240;
/// Shortest retention of a stream, in hours, and that of a stream that sets none.
pub const STREAM_RETENTION_HOURS_MIN: u32 = 24;
/// Longest retention of a stream, in hours.
pub const STREAM_RETENTION_HOURS_MAX: u32 = 8_760;
/// Tags that one request may give a stream.
pub const STREAM_TAGS_MAX: usize = 200;
/// Tag keys that one request may take from a stream, and tags that one page lists.
pub const STREAM_TAG_KEYS_MAX: usize = 50;
/// Metrics that a request can switch on or off: each of the seven, or `ALL`.
pub const SHARD_LEVEL_METRICS_MAX: usize = 7;
/// Characters in the name of an encryption key.
pub const ENCRYPTION_KEY_ID_LEN_MAX: usize = 2_048;
/// Characters in the receipt handle of a record that a queue on streams gave.
pub const STREAM_RECEIPT_LEN_MAX: usize = 1_024;
/// Streams of one such queue.
pub const QUEUE_STREAMS_MAX: usize = 10_000;
/// Records that one call receives from it, acknowledges, hides or restores.
pub const QUEUE_RECORDS_MAX: u32 = 10;

// DynamoDB, as far as tables are served. Source: the public `dynamodb-2012-08-10` model and the service's quotas page.

/// Least characters of a table's or an index's name.
pub const TABLE_NAME_LEN_MIN: usize = 3;
/// Characters in a table's or an index's name.
pub const TABLE_NAME_LEN_MAX: usize = 255;
/// Characters in a table's ARN, where one may stand for its name.
pub const TABLE_ARN_LEN_MAX: usize = 1_024;
/// Tables that an account may have in a region.
pub const TABLES_MAX: usize = 2_500;
/// Tables of one page of a listing.
pub const TABLES_LISTED_MAX: u32 = 100;
/// Global secondary indexes of a table.
pub const TABLE_INDEXES_MAX: usize = 20;
/// Attributes that an index may hold beside its keys.
pub const INDEX_ATTRIBUTES_MAX: usize = 100;
/// Tags of a table.
pub const TABLE_TAGS_MAX: usize = 50;
/// Bytes of an item, names and values.
pub const ITEM_BYTES_MAX: usize = 400 * 1_024;
/// Bytes of a hash key's value.
pub const HASH_KEY_BYTES_MAX: usize = 2_048;
/// Bytes of a range key's value.
pub const RANGE_KEY_BYTES_MAX: usize = 1_024;
/// Bytes of items that one query or scan looks at, before its filter.
pub const TABLE_PAGE_BYTES_MAX: usize = 1_048_576;
/// Bytes of an expression.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// Operators and functions in an expression.
pub const EXPRESSION_OPERATORS_MAX: usize = 300;
/// Bytes of the values and names that an expression is given.
pub const EXPRESSION_VARIABLES_BYTES_MAX: usize = 2 * 1_024 * 1_024;
/// Operands of `IN`.
pub const IN_OPERANDS_MAX: usize = 100;
/// Items of one `BatchGetItem`.
pub const BATCH_GET_MAX: usize = 100;
/// Bytes of the items that one `BatchGetItem` answers.
pub const BATCH_GET_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Items of one `BatchWriteItem`.
pub const BATCH_WRITE_MAX: usize = 25;
/// Items of one transaction.
pub const TRANSACTION_ITEMS_MAX: usize = 100;
/// Bytes of the items of one transaction.
pub const TRANSACTION_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Characters in a transaction's token.
pub const TRANSACTION_TOKEN_LEN_MAX: usize = 36;
/// For how long a transaction's token is remembered, in milliseconds.
pub const TRANSACTION_TOKEN_MS: u64 = 600_000;
/// Segments of a parallel scan.
pub const SCAN_SEGMENTS_MAX: u32 = 1_000_000;
/// Bytes of the items of all tables in one partition: ours, as they are held in memory.
pub const PARTITION_TABLES_BYTES_MAX: u64 = 512 * 1_024 * 1_024;
/// Records of one queue on a stream that may be in flight at one time in each shard; the model knows no such bound.
pub const STREAM_QUEUE_IN_FLIGHT_MAX: usize = 120_000;
/// For how long a receive from such a queue waits that does not say, in seconds.
pub const STREAM_QUEUE_WAIT_SECS_DEFAULT: u32 = 9;
/// How often a record of such a queue is received before it becomes a dead letter, where nothing else is said.
pub const STREAM_QUEUE_RECEIVE_COUNT_DEFAULT: u32 = 6;

// SNS. Source: the public `sns-2010-03-31` model, the API reference and the service's quotas page.

/// Characters in a topic's name, the `.fifo` suffix counted.
pub const TOPIC_NAME_LEN_MAX: usize = 256;
/// Characters in a topic's display name.
pub const TOPIC_DISPLAY_NAME_LEN_MAX: usize = 100;
/// The longest message of a topic that sets no `MaximumMessageSize`, and its longest batch, in bytes.
pub const TOPIC_MESSAGE_BYTES_DEFAULT: u32 = 262_144;
/// The least that a topic's `MaximumMessageSize` can be set to, in bytes.
pub const TOPIC_MESSAGE_BYTES_MIN: u32 = 1_024;
/// The most that it can be set to, in bytes.
pub const TOPIC_MESSAGE_BYTES_MAX: u32 = 1_048_576;
/// Characters in a message's subject.
pub const SUBJECT_LEN_MAX: usize = 100;
/// Characters in a text message to a phone.
pub const SMS_LEN_MAX: usize = 1_600;
/// Tags of one topic.
pub const TOPIC_TAGS_MAX: usize = 50;
/// Characters in the ARN of what has tags.
pub const TAGGED_ARN_LEN_MAX: usize = 1_011;
/// Days for which a FIFO topic's archive can keep messages.
pub const ARCHIVE_RETENTION_DAYS_MAX: u32 = 365;
/// Bytes of a topic's access policy. The documentation has 30 KB.
pub const TOPIC_POLICY_BYTES_MAX: usize = 30_720;
/// Statements in a topic's access policy.
pub const TOPIC_POLICY_STATEMENTS_MAX: usize = 100;
/// Characters in a topic's data protection policy.
pub const DATA_PROTECTION_POLICY_LEN_MAX: usize = 30_720;
/// Retries of a delivery over HTTP that a delivery policy can ask for.
pub const DELIVERY_RETRIES_MAX: u32 = 100;
/// The longest delay between two of them, and the longest that all of them may take together, in seconds.
pub const DELIVERY_RETRY_SECS_MAX: u32 = 3_600;
/// For how long a subscription waits to be confirmed, and its token is good, in milliseconds.
pub const CONFIRMATION_TOKEN_MS: u64 = 172_800_000;
/// Topics and subscriptions that one page of a listing holds.
pub const SNS_LIST_RESULTS: usize = 100;
/// Phone numbers of the sandbox that one page can be asked to hold.
pub const SANDBOX_NUMBERS_MAX: u32 = 100;
/// Origination numbers that one page can be asked to hold.
pub const ORIGINATION_NUMBERS_MAX: u32 = 30;
/// Characters in a phone number of the sandbox.
pub const SANDBOX_NUMBER_LEN_MAX: usize = 20;
/// Least characters of a one-time password.
pub const ONE_TIME_PASSWORD_LEN_MIN: usize = 5;
/// Characters in a one-time password.
pub const ONE_TIME_PASSWORD_LEN_MAX: usize = 8;
/// Characters in the name of a platform application.
pub const PLATFORM_APPLICATION_NAME_LEN_MAX: usize = 256;
/// Bytes of the data that a caller keeps with an endpoint of a platform.
pub const CUSTOM_USER_DATA_BYTES_MAX: usize = 2_048;
/// Characters in the label of a permission on a topic.
pub const TOPIC_LABEL_LEN_MAX: usize = 80;
/// Bytes of a filter policy. Source, as of the next ones: SNS, "Filter policy constraints".
pub const FILTER_POLICY_BYTES_MAX: usize = 256 * 1_024;
/// Keys of a filter policy that have conditions.
pub const FILTER_KEYS_MAX: usize = 5;
/// Combinations of values of a filter policy, and so of the nesting of one.
pub const FILTER_COMBINATIONS_MAX: u64 = 150;
/// What a number in a filter policy may be, up or down from nought.
pub const FILTER_NUMBER_MAX: i64 = 1_000_000_000;
/// Digits after the point of a number by which messages are filtered.
pub const FILTER_NUMBER_DECIMALS: usize = 5;
/// Wildcards in one pattern.
pub const FILTER_WILDCARDS_MAX: usize = 3;
/// Points of all patterns with wildcards of a filter policy: one for a single wildcard, three for each of several; those of a
/// key are taken times its patterns.
pub const FILTER_WILDCARD_POINTS_MAX: u64 = 100;
/// Keys that one alternative of a filter policy may have conditions on, one in several `$or` counted each time: ours.
pub const FILTER_TERMS_MAX: usize = 8;
/// How deep JSON may be nested that is looked into: ours, and that of the parser that AWS uses.
pub const JSON_DEPTH_MAX: usize = 1_000;
/// Bytes of an access policy: those of a topic's, which is the largest that a service takes. Source: SNS's quotas.
pub const IAM_POLICY_BYTES_MAX: usize = 30 * 1_024;
/// How deep an access policy can be nested: ours, a few more than the language needs.
pub const IAM_POLICY_DEPTH_MAX: usize = 16;
