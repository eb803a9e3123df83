//! What was seen of the topics, as the invariants are told of it. What came before what is the order of the events.

use levada_types::PartitionId;

/// One thing that was seen.
#[derive(Clone, Debug)]
pub(crate) enum TopicEvent {
    /// A subscribe leaves for the first time, or again because nobody had answered.
    SubscribeBegun {
        /// The queue that is to be a topic's subscriber.
        queue: &'static str,
    },
    /// A subscribe was answered: there is such a subscription, and every part knows it.
    Subscribed {
        /// The subscriber.
        queue: &'static str,
        /// The subscription's number, which no other ever has.
        subscription: u64,
        /// The filter that it has.
        filter: Filter,
    },
    /// A subscription is to have another filter. It leaves until it is answered.
    FilterBegun {
        /// Which.
        subscription: u64,
        /// The other one.
        filter: Filter,
    },
    /// The filter was changed, and every part knows.
    FilterSet {
        /// Of which subscription.
        subscription: u64,
    },
    /// A subscription is to go. It leaves until it is answered.
    UnsubscribeBegun {
        /// Which.
        subscription: u64,
    },
    /// It is gone, and every part knows.
    Unsubscribed {
        /// Which.
        subscription: u64,
    },
    /// A message leaves its publisher, for the first time or again.
    PublishBegun {
        /// The message; on a FIFO topic its deduplication id, too.
        number: u64,
        /// The topic's name.
        topic: &'static str,
    },
    /// A node has decided who is to get a message, and tells a part. Of several times for one id only the last may have had
    /// an effect.
    Addressed {
        /// The message.
        number: u64,
        /// The head of the id of this try.
        id: u64,
        /// Who is to get it.
        to: Vec<Address>,
    },
    /// A message was acknowledged.
    PublishAcknowledged {
        /// The message.
        number: u64,
        /// FIFO: its group.
        group: Option<u64>,
        /// The head of the id that it has, which may be that of an earlier try.
        id: u64,
        /// Where it is in its part of the topic.
        position: u64,
    },
    /// A queue gave copies of messages.
    Arrived {
        /// The queue.
        queue: &'static str,
        /// In the order of the answer.
        copies: Vec<Arrival>,
    },
}

/// Where one copy of a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    /// The queue.
    pub(crate) queue: &'static str,
    /// For which subscription.
    pub(crate) subscription: u64,
    /// In which form.
    pub(crate) form: u8,
}

/// A copy of a message, as it was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The message.
    pub(crate) number: u64,
    /// In which form.
    pub(crate) form: u8,
    /// For which subscription.
    pub(crate) subscription: u64,
    /// Where the message is in its part of the topic, as the copy says.
    pub(crate) published_at: u64,
    /// FIFO: its group.
    pub(crate) group: Option<u64>,
    /// Where the copy is in the queue.
    pub(crate) place: (PartitionId, u64),
}

/// Which messages a subscription lets through: about half of all, and of two filters not the same half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter(pub(crate) u64);

impl Filter {
    /// So many there are.
    pub(crate) const COUNT: u64 = 4;

    /// Whether a message is for whoever has this filter.
    pub(crate) fn lets_through(self, number: u64) -> bool {
        (number >> (self.0 % Self::COUNT)) & 1 == 0
    }
}
