//! A FIFO queue as a list of messages.

use super::{Ask, Changed, Claim, Got, Message, Settings, advance, change, counts, next_change};

/// Five minutes.
const WINDOW_MS: u64 = 300_000;

/// A deduplication id that was used.
#[derive(Debug)]
struct Used {
    at: u64,
    deduplication: u8,
    group: String,
    position: u64,
    id: [u8; 16],
}

/// A receive attempt that was made.
#[derive(Debug)]
struct Attempt {
    id: u8,
    first_at: u64,
    /// Position and generation of what it got.
    got: Vec<(u64, u32)>,
}

/// A FIFO queue.
#[derive(Debug)]
pub(crate) struct Fifo {
    settings: Settings,
    messages: Vec<Message>,
    last_position: u64,
    used: Vec<Used>,
    attempts: Vec<Attempt>,
}

impl Fifo {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            messages: Vec::new(),
            last_position: 0,
            used: Vec::new(),
            attempts: Vec::new(),
        }
    }

    /// Position and id of the message, or of the one that it duplicates.
    pub(crate) fn send(
        &mut self,
        at: u64,
        id: [u8; 16],
        group: &str,
        deduplication: u8,
    ) -> (u64, [u8; 16], bool) {
        let by_group = self.settings.deduplicate_by_group;
        let same = |used: &&Used| {
            at < used.at + WINDOW_MS
                && used.deduplication == deduplication
                && (!by_group || used.group == group)
        };
        if let Some(used) = self.used.iter().find(same) {
            return (used.position, used.id, true);
        }
        let position = self.add(at, id, group);
        self.used.push(Used {
            at,
            deduplication,
            group: group.into(),
            position,
            id,
        });
        (position, id, false)
    }

    /// What comes from another queue begins anew.
    pub(crate) fn deliver(&mut self, at: u64, message: &Message) {
        self.add(at, message.id, &message.group);
    }

    fn add(&mut self, at: u64, id: [u8; 16], group: &str) -> u64 {
        self.last_position += 1;
        self.messages.push(Message {
            position: self.last_position,
            id,
            group: group.into(),
            sent_at: at,
            due: at + self.settings.delay_ms,
            receive_count: 0,
            first_received_at: 0,
            claim: None,
        });
        self.last_position
    }

    pub(crate) fn configure(&mut self, at: u64, settings: Settings) {
        // The queue's delay is for what is there, too.
        for m in &mut self.messages {
            m.due = m.sent_at + settings.delay_ms;
        }
        self.settings = settings;
        self.advance(at);
    }

    pub(crate) fn advance(&mut self, at: u64) {
        advance(&mut self.messages, at, self.settings.retention_ms);
    }

    /// The first message of a group may be taken if it is not in flight and its delay is over; what this
    /// receive took itself does not count.
    fn next(&self, at: u64, taken: &[u64], group: Option<&str>) -> Option<usize> {
        let index = self.messages.iter().position(|m| {
            let first = self
                .messages
                .iter()
                .find(|o| o.group == m.group && !taken.contains(&o.position));
            let ours = self
                .messages
                .iter()
                .any(|o| o.group == m.group && taken.contains(&o.position));
            let allowed = group.map_or(!ours, |group| group == m.group);
            allowed && m.claim.is_none() && first == Some(m) && m.due <= at
        })?;
        Some(index)
    }

    pub(crate) fn receive(&mut self, at: u64, ask: Ask) -> Got {
        if let Some(got) = self.repeat(at, ask) {
            return got;
        }
        let visibility_ms = ask.visibility_ms.unwrap_or(self.settings.visibility_ms);
        let mut got = Got::default();
        let in_flight = self.messages.iter().filter(|m| m.claim.is_some()).count();
        let max = ask
            .max
            .min(self.settings.in_flight_max.saturating_sub(in_flight));
        let mut taken = Vec::new();
        let mut group: Option<String> = None;
        while got.claimed.len() < max {
            let next = self.next(at, &taken, group.as_deref());
            let Some(index) = next else {
                // This group is exhausted: on to the next, or the end.
                if group.take().is_none() {
                    break;
                }
                continue;
            };
            let m = &mut self.messages[index];
            group = Some(m.group.clone());
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
            let visible_at = at + visibility_ms;
            m.claim = Some(Claim {
                received_at: at,
                visible_at,
                attempt: ask.attempt,
            });
            taken.push(m.position);
            got.claimed.push(m.clone());
        }
        if ask.attempt != 0 && !got.claimed.is_empty() {
            let what = got.claimed.iter().map(|m| (m.position, m.receive_count));
            let attempt = Attempt {
                id: ask.attempt,
                first_at: at,
                got: what.collect(),
            };
            self.attempts.retain(|attempt| attempt.id != ask.attempt);
            self.attempts.push(attempt);
        }
        self.advance(at); // a visibility timeout of 0 ends at once
        got
    }

    /// The same again, if the attempt is younger than five minutes and all that it got is still its own.
    fn repeat(&mut self, at: u64, ask: Ask) -> Option<Got> {
        let same = |a: &&Attempt| a.id == ask.attempt && at < a.first_at + WINDOW_MS;
        let attempt = self
            .attempts
            .iter()
            .filter(|_| ask.attempt != 0)
            .find(same)?;
        let what = attempt.got.clone();
        let own = |&(position, generation): &(u64, u32)| {
            self.messages.iter().any(|m| {
                m.position == position
                    && m.receive_count == generation
                    && m.claim.is_some_and(|claim| claim.attempt == ask.attempt)
            })
        };
        if !what.iter().all(own) {
            return None;
        }
        let visible_at = at + ask.visibility_ms.unwrap_or(self.settings.visibility_ms);
        let mut got = Got::default();
        for (position, _) in what {
            let m = self.messages.iter_mut().find(|m| m.position == position)?;
            m.claim = Some(Claim {
                received_at: at,
                visible_at,
                attempt: ask.attempt,
            });
            got.claimed.push(m.clone());
        }
        self.advance(at);
        Some(got)
    }

    /// Whether the receipt is good: its message is claimed by it, or gone.
    pub(crate) fn delete(&mut self, position: u64, generation: u32) -> bool {
        let Some(index) = self.messages.iter().position(|m| m.position == position) else {
            return true;
        };
        let m = &self.messages[index];
        let good = m.claim.is_some() && m.receive_count == generation;
        if good {
            self.messages.remove(index);
        }
        good
    }

    pub(crate) fn change(
        &mut self,
        at: u64,
        position: u64,
        generation: u32,
        timeout_ms: u64,
    ) -> Changed {
        match self.messages.iter_mut().find(|m| m.position == position) {
            Some(m) if m.claim.is_some() && m.receive_count != generation => Changed::NotInFlight,
            Some(m) => change(m, timeout_ms, at),
            None => Changed::Gone,
        }
    }

    pub(crate) fn purge(&mut self) {
        self.messages.clear();
        self.used.clear();
    }

    /// Takes a ready message out, for a move task: the first of its group, if the group is free.
    pub(crate) fn take(&mut self, at: u64, position: u64) -> Option<Message> {
        let index = self.messages.iter().position(|m| m.position == position)?;
        let group = self.messages[index].group.clone();
        (self.next(at, &[], Some(&group)) == Some(index)).then(|| self.messages.remove(index))
    }

    pub(crate) fn counts(&self, at: u64) -> (u64, u64, u64) {
        counts(&self.messages, at)
    }

    pub(crate) fn claimable(&self, at: u64) -> bool {
        let (_, in_flight, _) = self.counts(at);
        in_flight < self.settings.in_flight_max as u64 && self.next(at, &[], None).is_some()
    }

    pub(crate) fn next_change(&self, at: u64) -> Option<u64> {
        next_change(&self.messages, at, self.settings.retention_ms)
    }

    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }
}
