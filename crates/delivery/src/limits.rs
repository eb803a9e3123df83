//! Every bound of what leaves the broker, with its reason. Settings may lower those that say so; nothing raises them.

use std::time::Duration;

/// An endpoint's time for one delivery, from the first look at its name to the end of its answer. AWS's.
pub const ATTEMPT_TIME_MAX: Duration = Duration::from_secs(15);
/// For how long an attempt waits for a socket. It is put off after that, which is no failure of the endpoint.
pub const SOCKET_WAIT_MAX: Duration = Duration::from_secs(20);
/// When an attempt that got no socket is made again.
pub const SOCKET_BUSY_DELAY: Duration = Duration::from_secs(5);
/// The whole of a delivery: waits for sockets, a credential that is fetched or renewed, and the requests.
pub const DELIVERY_TIME_MAX: Duration = Duration::from_secs(50);
/// An inbox's claims must hold for no less: a delivery, and the word that it is over.
pub const CLAIM_TIME_MIN: Duration = Duration::from_secs(60);
/// What is read of an answer. The rest is not read, and its connection is closed.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Headers of an answer. hyper's own bound for their bytes is below 512 KiB.
pub const ANSWER_HEADERS_MAX: usize = 64;
/// What is kept of an answer or an error, to be shown.
pub const DETAIL_BYTES_MAX: usize = 512;

/// Attempts under way on a node, and so sockets that are in use.
pub const SOCKETS_MAX: usize = 256;
/// Those of endpoints that fail: however many there are, three quarters of the sockets are for the others.
pub const SOCKETS_FAILING_MAX: usize = 64;
/// To one host, whosever subscriptions they are.
pub const SOCKETS_PER_HOST_MAX: usize = 32;
/// Connections that are kept open, on a node.
pub const IDLE_MAX: usize = 128;
/// And to one origin.
pub const IDLE_PER_ORIGIN_MAX: usize = 8;
/// For how long. Servers close them after 5 s (Node.js) to 75 s (nginx).
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(15);
/// Connections of HTTP/2 that are kept, an origin and a credential each. They carry many requests.
pub const SHARED_CONNECTIONS_MAX: usize = 64;
/// Credentials of platforms whose tokens and connections are remembered.
pub const CREDENTIALS_MAX: usize = 256;
/// Addresses of one name that are tried, one after the other.
pub const ADDRESSES_MAX: usize = 8;

/// Deliveries under way for one subscription.
pub const IN_FLIGHT_MAX: usize = 32;
/// And while its endpoint fails.
pub const IN_FLIGHT_FAILING_MAX: usize = 1;
/// Failures in a row after which an endpoint counts as failing.
pub const FAILURES_TO_FAILING: u32 = 3;
/// Messages of one claim: that many become known in one command.
pub const CLAIM_MAX: usize = 10;
/// Between two messages to an endpoint that fails: the first pause, doubled with each failure.
pub const FAILING_PAUSE_MIN: Duration = Duration::from_millis(50);
/// And the last. A dead endpoint costs a try a second, and it is seen within a second that it lives.
pub const FAILING_PAUSE_MAX: Duration = Duration::from_secs(1);
/// After an inbox that could not be asked.
pub const INBOX_PAUSE: Duration = Duration::from_secs(1);
/// How often an inbox is told what became of a message before the message is left to its claim's end.
pub const SETTLE_TRIES: u32 = 3;
/// For how long deliveries may go on after the node was told to stop.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Bits of a signing key. AWS's certificates have as many, and validators in old languages take no elliptic curves.
pub const SIGNING_KEY_BITS: usize = 2048;
/// A self-signed certificate is good from so long before it was made, for those whose clock is late.
pub const CERTIFICATE_BEGUN_BEFORE: Duration = Duration::from_secs(86_400);
/// And for so long after: nobody renews it, and validators mostly look at the key alone.
pub const CERTIFICATE_GOOD_FOR: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Bytes of a push message's payload. Apple's bound for calls is the highest of all platforms' (5 KiB); AWS's is 8 KiB for Baidu.
pub const PUSH_PAYLOAD_BYTES_MAX: usize = 8 * 1024;
/// A token of Apple's is taken for an hour, and must not be renewed within twenty minutes.
pub const APNS_TOKEN_AGE_MAX: Duration = Duration::from_secs(40 * 60);
/// An access token is renewed so long before its end.
pub const ACCESS_TOKEN_MARGIN: Duration = Duration::from_secs(120);
/// The end of an access token whose answer does not tell one.
pub const ACCESS_TOKEN_AGE_DEFAULT: Duration = Duration::from_secs(30 * 60);
