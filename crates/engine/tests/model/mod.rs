//! Queues as one would explain them on a blackboard: a list of messages and nothing else.
//!
//! Every question is answered by looking at all messages. What is slow here is what the engine must
//! get right fast.

mod fifo;
mod standard;

pub(crate) use fifo::Fifo;
pub(crate) use standard::Standard;

/// Twelve hours.
const CLAIM_MS_MAX: u64 = 12 * 3_600 * 1_000;

/// The configuration of a queue for one run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) visibility_ms: u64,
    pub(crate) delay_ms: u64,
    pub(crate) retention_ms: u64,
    pub(crate) in_flight_max: usize,
    pub(crate) receive_count_max: Option<u32>,
    pub(crate) deduplicate_by_group: bool,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) position: u64,
    pub(crate) id: [u8; 16],
    pub(crate) group: String,
    pub(crate) sent_at: u64,
    /// Before this time it is delayed.
    pub(crate) due: u64,
    pub(crate) receive_count: u32,
    pub(crate) first_received_at: u64,
    pub(crate) claim: Option<Claim>,
}

/// Somebody has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Claim {
    pub(crate) received_at: u64,
    pub(crate) visible_at: u64,
    /// The attempt that made it, until the claim is changed.
    pub(crate) attempt: u8,
}

/// A receive as it is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) max: usize,
    pub(crate) visibility_ms: Option<u64>,
    /// 0: none.
    pub(crate) attempt: u8,
}

/// A receive as it is answered.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) claimed: Vec<Message>,
    pub(crate) over_limit: bool,
    pub(crate) dead: Vec<Message>,
}

/// What a change of visibility comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Changed {
    Done,
    NotInFlight,
    Gone,
    TooLong,
}

/// The time after which a message is not kept: `retention_ms` from the end of its second.
fn expiry(message: &Message, retention_ms: u64) -> u64 {
    (message.sent_at / 1_000 + 1) * 1_000 + retention_ms
}

/// Ends claims and drops what is too old.
fn advance(messages: &mut Vec<Message>, at: u64, retention_ms: u64) {
    messages.retain(|m| expiry(m, retention_ms) > at);
    for m in messages {
        m.claim = m.claim.filter(|claim| claim.visible_at > at);
    }
}

/// (ready, in flight, delayed).
fn counts(messages: &[Message], at: u64) -> (u64, u64, u64) {
    let in_flight = messages.iter().filter(|m| m.claim.is_some()).count() as u64;
    let delayed = messages
        .iter()
        .filter(|m| m.claim.is_none() && m.due > at)
        .count() as u64;
    (
        messages.len() as u64 - in_flight - delayed,
        in_flight,
        delayed,
    )
}

/// When time alone changes something next.
fn next_change(messages: &[Message], at: u64, retention_ms: u64) -> Option<u64> {
    let of = |m: &Message| match m.claim {
        Some(claim) => claim.visible_at.min(expiry(m, retention_ms)),
        None if m.due > at => m.due.min(expiry(m, retention_ms)),
        None => expiry(m, retention_ms),
    };
    messages.iter().map(of).min()
}

fn change(message: &mut Message, timeout_ms: u64, at: u64) -> Changed {
    match &mut message.claim {
        None => Changed::NotInFlight,
        Some(claim) if (at - claim.received_at) / 1_000 * 1_000 + timeout_ms > CLAIM_MS_MAX => {
            Changed::TooLong
        }
        Some(_) if timeout_ms == 0 => {
            message.claim = None;
            Changed::Done
        }
        Some(claim) => {
            claim.visible_at = at + timeout_ms;
            claim.attempt = 0;
            Changed::Done
        }
    }
}
