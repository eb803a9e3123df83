//! Every bound of the peer protocol, by name.

use std::time::Duration;

/// Largest body of a call, a reply or a stream item, in bytes: a full batch of messages, or a
/// chunk of a snapshot, with room to spare.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of an error's message that travel.
pub const ERROR_BYTES_MAX: usize = 16 * 1024;

/// Frames of one HTTP/2 message are gathered until their bodies reach this many bytes, so that no
/// message keeps a link from its next frame for long.
pub const GATHER_BYTES: usize = 1024 * 1024;
/// Frames of one HTTP/2 message at most.
pub const GATHER_FRAMES_MAX: usize = 1024;
/// Largest HTTP/2 message in bytes: gathered frames, one largest body on top, and their headers.
pub const MESSAGE_BYTES_MAX: usize = BODY_BYTES_MAX + 2 * GATHER_BYTES;

/// What waits to leave on one link, in units of one frame and of [`OUTBOX_UNIT_BYTES`] of bodies:
/// 8,192 small frames or 32 MiB, a few times what leaves in a millisecond.
pub const OUTBOX_UNITS: usize = 8_192;
/// Bytes of body that count as one unit more.
pub const OUTBOX_UNIT_BYTES: usize = 4 * 1024;
/// Frames that wait on one link, those that need no room (cancellations, credits, ends of streams)
/// counted. A healthy peer can't cause that many; the link to one that does is broken.
pub const OUTBOX_FRAMES_MAX: usize = 4 * OUTBOX_UNITS;

/// Calls of one link that wait for an answer at the caller, and that the peer's handler has in its
/// hands. Parked long polls are calls too.
pub const CALLS_MAX: usize = 16_384;
/// Streams that are open on one link.
pub const STREAMS_MAX: usize = 4_096;
/// Links that a server has open: three for each peer, and those of peers that were just cut off.
pub const LINKS_MAX: usize = 1_024;

/// What one direction of a stream may have under way, in units of [`STREAM_UNIT_BYTES`], at least
/// one for each item: 256 small items or 4 MiB.
pub const STREAM_WINDOW_UNITS: u32 = 256;
/// Bytes of an item that count as one unit.
pub const STREAM_UNIT_BYTES: usize = 16 * 1024;
/// What the largest item counts, so that two of them are under way at most, and so that one fits
/// in the window while [`STREAM_CREDIT_UNITS`] are held back.
pub const STREAM_ITEM_UNITS_MAX: u32 = STREAM_WINDOW_UNITS / 2;
/// A receiver gives back its window when it has consumed this much of it.
pub const STREAM_CREDIT_UNITS: u32 = STREAM_WINDOW_UNITS / 4;

/// HTTP/2 window of one link, in bytes. A reader never waits, so it only has to cover the round trip.
pub const LINK_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// HTTP/2 window of a connection, in bytes: more than all links together, so that none starves another.
pub const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Largest HTTP/2 frame, in bytes. Links take turns frame by frame.
pub const HTTP2_FRAME_BYTES_MAX: u32 = 64 * 1024;
/// HTTP/2 streams that a peer may open on one connection. It needs three.
pub const HTTP2_STREAMS_MAX: u32 = 16;

/// The first wait after a failed dial. It doubles with each failure.
pub const BACKOFF_MIN: Duration = Duration::from_millis(20);
/// The longest wait between two dials.
pub const BACKOFF_MAX: Duration = Duration::from_millis(500);
/// A connection that lasted this long is redialled at once when it breaks. One that broke sooner
/// is treated as a failed dial, so that a peer that hangs up at once isn't dialled in a circle.
pub const STABLE_AFTER: Duration = Duration::from_secs(1);
/// How long a silent peer's connection is kept before it is dialled anew.
pub const SILENCE_MAX: Duration = Duration::from_secs(5);
/// A timer that fires later than this shows that this process itself was stopped, or had no time,
/// and that the peer's silence can't be judged.
pub const STALL: Duration = Duration::from_millis(150);
/// How long a server waits for its links to end when it is shut down.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// A server asks a caller from whom nothing comes for a sign of life this often, and gives it as
/// long to answer, to be rid of connections whose other end is gone.
pub const SERVER_KEEPALIVE: Duration = Duration::from_secs(10);
/// How long a server waits after a connection could not be accepted: without a pause, a process that
/// has no file descriptor left would try without end.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
