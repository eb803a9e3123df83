//! The bounds of the front, by name and with the reason.

use std::time::Duration;

/// Connections that are open at one time. One more is answered 503 and closed. An idle one that has been
/// used was measured to cost 25 KiB (hyper's buffers and room for a request), so all of them 400 MiB.
pub const CONNECTIONS_MAX: usize = 16_384;

/// Time from a connection to the end of its TLS handshake: two round trips of a slow line, and a lost packet.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// TLS handshakes under way at one time: each of these may be a client that says nothing, and costs memory before it has
/// said who it is. One more takes the place of the oldest one of the address that has the most, unless it comes from there.
pub const HANDSHAKES_MAX: usize = 2_048;

/// Bytes of a request's head, the request line included; a longer one is answered 431. It is also the
/// size of hyper's read buffer. The longest honest head is a Query GET with a message in its URL.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bodies longer than this count against [`BODIES_BYTES_MAX`]. Those of nearly all requests are shorter,
/// and are bounded by the number of connections.
pub const SMALL_BODY_BYTES_MAX: usize = 64 * 1024;

/// Bytes of long bodies that the process holds at one time; beyond it callers are throttled.
pub const BODIES_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes of long answers with records that the process holds at one time; beyond it readers are throttled.
pub const RECORD_ANSWERS_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bytes reserved for a body before any of it has arrived: what a client announces costs it nothing.
pub const BODY_RESERVE_BYTES_MAX: usize = 1024 * 1024 + 4096;

/// Time from the first byte of a head to its last. A client that dribbles its head is cut off.
pub const HEAD_READ_SECS_MAX: u32 = 15;

/// Time from the end of a head to the end of its body: 1 MiB at 300 kbit/s, 10 MiB of records at 4 Mbit/s.
pub const BODY_READ_MAX: Duration = Duration::from_secs(30);

/// Time that a client may take no bytes of an answer.
pub const WRITE_STALL_SECS_MAX: u32 = 30;

/// Time that a connection may be open without a request. Pools of AWS's SDKs let go after 10 s to 5 min.
pub const IDLE_SECS_MAX: u32 = 900;

/// Requests that one HTTP/2 connection may have under way.
pub const H2_STREAMS_MAX: u32 = 1_024;

/// Bytes of a decoded HTTP/2 head.
pub const H2_HEAD_BYTES_MAX: u32 = HEAD_BYTES_MAX as u32;

/// How often connections are looked at for having overstayed one of the times above.
pub const SWEEP_PERIOD: Duration = Duration::from_secs(1);

/// Pause after the system refused to accept a connection (no descriptors left), so as not to spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often a change that was made of a queue's or a stream's row as it was read is tried anew when another change
/// came between. Losing this often in a row needs more writers than either ever has.
pub const CHANGE_ATTEMPTS_MAX: usize = 16;

/// Replays of archives that a node carries out at one time: each reads up to a MiB at once. Others wait.
pub const REPLAYS_AT_ONCE_MAX: usize = 32;

/// Messages of an archive that one step of a replay looks at: one command has them all as destinations, some 200 bytes each.
pub const REPLAY_STEP_MESSAGES_MAX: usize = 500;

/// The same in bytes as they are read.
pub const REPLAY_STEP_BYTES_MAX: usize = 1024 * 1024;

/// Items that wait in a partition's outboxes before a replay waits for them to be shipped: a small part of what they may hold
/// before publishers are throttled.
pub const REPLAY_WAITING_ITEMS_MAX: usize = 20_000;

/// Between two looks of a replay at what it waits for.
pub const REPLAY_PAUSE: Duration = Duration::from_millis(50);

/// Between two tries of a replay that did not succeed.
pub const REPLAY_RETRY_PAUSE: Duration = Duration::from_millis(500);

/// How far a message's time may be from that of the part that took it: the clocks of two nodes.
pub const REPLAY_CLOCKS_APART_MS: u64 = 60_000;

/// How often a publish is addressed anew because the topic's subscriptions changed on its way. Losing this often in a row
/// needs a topic that is subscribed to without a pause.
pub const PUBLISH_ATTEMPTS_MAX: usize = 16;
