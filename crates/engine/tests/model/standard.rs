//! A standard queue as a list of messages.

use super::{Ask, Changed, Claim, Got, Message, Settings, advance, change, counts, next_change};

/// A standard queue.
#[derive(Debug)]
pub(crate) struct Standard {
    settings: Settings,
    messages: Vec<Message>,
    last_position: u64,
}

impl Standard {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            messages: Vec::new(),
            last_position: 0,
        }
    }

    pub(crate) fn send(
        &mut self,
        at: u64,
        id: [u8; 16],
        group: &str,
        delay_ms: Option<u64>,
    ) -> u64 {
        let due = at + delay_ms.unwrap_or(self.settings.delay_ms);
        self.add(id, group, at, due)
    }

    /// A dead letter keeps its time of sending, a moved message does not. Neither is delayed.
    pub(crate) fn deliver(&mut self, at: u64, message: &Message, dead_letter: bool) {
        let sent_at = if dead_letter { message.sent_at } else { at };
        self.add(message.id, &message.group, sent_at, 0);
    }

    fn add(&mut self, id: [u8; 16], group: &str, sent_at: u64, due: u64) -> u64 {
        self.last_position += 1;
        self.messages.push(Message {
            position: self.last_position,
            id,
            group: group.into(),
            sent_at,
            due,
            receive_count: 0,
            first_received_at: 0,
            claim: None,
        });
        self.last_position
    }

    pub(crate) fn configure(&mut self, at: u64, settings: Settings) {
        self.settings = settings;
        self.advance(at);
    }

    pub(crate) fn advance(&mut self, at: u64) {
        advance(&mut self.messages, at, self.settings.retention_ms);
    }

    /// The tenant with the fewest in flight, of these the one whose head is oldest; of a tenant's
    /// messages those that came back first.
    fn next(&self, at: u64, not_again: &[u64]) -> Option<usize> {
        let ready =
            |m: &&Message| m.claim.is_none() && m.due <= at && !not_again.contains(&m.position);
        let head = |group: &str| {
            let of_group = self
                .messages
                .iter()
                .filter(ready)
                .filter(|m| m.group == group);
            of_group.map(|m| (m.receive_count == 0, m.position)).min()
        };
        let busy = |group: &str| {
            self.messages
                .iter()
                .filter(|m| m.group == group && m.claim.is_some())
                .count()
                + self
                    .messages
                    .iter()
                    .filter(|m| m.group == group && not_again.contains(&m.position))
                    .count()
        };
        let heads = self
            .messages
            .iter()
            .filter_map(|m| Some((busy(&m.group), head(&m.group)?.1)));
        let (_, position) = heads.min()?;
        self.messages.iter().position(|m| m.position == position)
    }

    pub(crate) fn receive(&mut self, at: u64, ask: Ask) -> Got {
        let mut got = Got::default();
        let visibility_ms = ask.visibility_ms.unwrap_or(self.settings.visibility_ms);
        // With a timeout of 0 a message is visible again, but not to this same receive.
        let mut at_once = Vec::new();
        while got.claimed.len() < ask.max {
            let in_flight = self.messages.iter().filter(|m| m.claim.is_some()).count();
            if in_flight + at_once.len() >= self.settings.in_flight_max {
                got.over_limit = got.claimed.is_empty();
                break;
            }
            let Some(index) = self.next(at, &at_once) else {
                break;
            };
            let m = &mut self.messages[index];
            if self
                .settings
                .receive_count_max
                .is_some_and(|max| m.receive_count >= max)
            {
                got.dead.push(self.messages.remove(index));
                continue;
            }
            m.receive_count += 1;
            if m.receive_count == 1 {
                m.first_received_at = at;
            }
            if visibility_ms == 0 {
                at_once.push(m.position);
            } else {
                m.claim = Some(Claim {
                    received_at: at,
                    visible_at: at + visibility_ms,
                    attempt: 0,
                });
            }
            got.claimed.push(m.clone());
        }
        got
    }

    /// Any receipt of the message deletes it.
    pub(crate) fn delete(&mut self, position: u64) {
        self.messages.retain(|m| m.position != position);
    }

    pub(crate) fn change(
        &mut self,
        at: u64,
        position: u64,
        _generation: u32,
        timeout_ms: u64,
    ) -> Changed {
        match self.messages.iter_mut().find(|m| m.position == position) {
            Some(m) => change(m, timeout_ms, at),
            None => Changed::Gone,
        }
    }

    pub(crate) fn purge(&mut self) {
        self.messages.clear();
    }

    /// Takes a ready message out, for a move task.
    pub(crate) fn take(&mut self, at: u64, position: u64) -> Option<Message> {
        let ready = |m: &Message| m.position == position && m.claim.is_none() && m.due <= at;
        let index = self.messages.iter().position(ready)?;
        Some(self.messages.remove(index))
    }

    pub(crate) fn counts(&self, at: u64) -> (u64, u64, u64) {
        counts(&self.messages, at)
    }

    pub(crate) fn claimable(&self, at: u64) -> bool {
        let (ready, in_flight, _) = self.counts(at);
        ready > 0 && in_flight < self.settings.in_flight_max as u64
    }

    pub(crate) fn next_change(&self, at: u64) -> Option<u64> {
        next_change(&self.messages, at, self.settings.retention_ms)
    }

    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }
}
