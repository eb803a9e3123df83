//! One session of AppendEntries to a follower: requests are drawn from openraft, sent, and their answers
//! handed back. Made by `network` for each stream that openraft opens.
//!
//! Requests are drawn only while someone waits for answers, and not by a task of their own. Such a task would
//! outlive the session by a moment, and openraft gives all sessions to a follower one source: what it drew in
//! that moment would be missing from the next session, and the follower would never hear of it.
//!
//! A session that has nothing more to send ends without an error when all of it was answered. openraft takes
//! an error for news of whatever it has in flight to that follower by then, which is already the next session:
//! it would begin that anew and pass over its answers, again and again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _};
use levada_rpc::{StreamReceiver, StreamSender};
use openraft::OptionalSend;
use openraft::raft::{AppendEntriesRequest, StreamAppendResult};
use tokio::time::{Instant, timeout};

use crate::config::TypeConfig;
use crate::network::{RpcError, append_reply_from, append_to, lost, unreadable};

/// A request that only says how far is committed waits so long for entries that would say it too. In a busy
/// group they follow at once, and each request that is saved saves its answer as well.
const COMMIT_HOLD: Duration = Duration::from_millis(1);
/// A group is busy while its entries follow each other within this. In a quiet one the followers hear of a
/// commit at once, and so does a poll that is parked there.
const BUSY_INTERVAL: Duration = Duration::from_millis(4);

type BoxFuture<'a, T> = futures::future::BoxFuture<'a, T>;
type BoxStream<'a, T> = futures::stream::BoxStream<'a, T>;
type Request = AppendEntriesRequest<TypeConfig>;

/// What is sent and what is answered, driven by whoever waits for answers.
pub(crate) struct Session {
    replies: StreamReceiver,
    /// None when there is nothing more to send.
    feed: Option<BoxFuture<'static, ()>>,
    sent: Arc<AtomicU64>,
    answered: u64,
}

/// What a session has to tell.
enum News {
    Reply(Bytes),
    /// All is sent and answered.
    Complete,
    /// Answers will be missing.
    Lost,
}

impl Session {
    /// Sends what `requests` gives to the member `target`.
    pub(crate) fn new<S>(
        requests: S,
        target: u64,
        sender: StreamSender,
        replies: StreamReceiver,
    ) -> Self
    where
        S: Stream<Item = Request> + OptionalSend + Unpin + 'static,
    {
        let sent = Arc::new(AtomicU64::new(0));
        Self {
            replies,
            feed: Some(feed(requests, target, sender, sent.clone()).boxed()),
            sent,
            answered: 0,
        }
    }

    /// The answers, up to the first that is not "they match", or to the last.
    pub(crate) fn answers(
        self,
    ) -> BoxStream<'static, Result<StreamAppendResult<TypeConfig>, RpcError>> {
        futures::stream::unfold(Some(self), |session| async move {
            let mut session = session?;
            match session.news().await {
                News::Complete => None,
                News::Lost => Some((Err(lost()), None)),
                News::Reply(reply) => match append_reply_from(reply) {
                    Ok(Ok(matched)) => Some((Ok(Ok(matched)), Some(session))),
                    Ok(Err(refused)) => Some((Ok(Err(refused)), None)),
                    Err(error) => Some((Err(unreadable(error)), None)),
                },
            }
        })
        .boxed()
    }

    async fn news(&mut self) -> News {
        let reply = loop {
            let Some(feed) = &mut self.feed else {
                if self.answered == self.sent.load(Ordering::Relaxed) {
                    return News::Complete;
                }
                break self.replies.next().await;
            };
            tokio::select! {
                biased;
                reply = self.replies.next() => break reply,
                () = feed => self.feed = None,
            }
        };
        match reply {
            Some(reply) => {
                self.answered += 1;
                News::Reply(reply)
            }
            None => News::Lost,
        }
    }
}

async fn feed<S>(mut requests: S, target: u64, sender: StreamSender, sent: Arc<AtomicU64>)
where
    S: Stream<Item = Request> + Unpin,
{
    let mut pace = Pace::default();
    while let Some(request) = next_request(&mut requests, &pace).await {
        if !request.entries.is_empty() {
            pace.entries_leave(Instant::now());
        }
        // Before it leaves: one that could not leave is one that is not answered.
        sent.fetch_add(1, Ordering::Relaxed);
        if sender.send(append_to(request, target)).await.is_err() {
            return;
        }
    }
}

/// The next request that is worth sending: one that only says how far is committed gives way to the one after
/// it, which says so too.
async fn next_request<S>(requests: &mut S, pace: &Pace) -> Option<Request>
where
    S: Stream<Item = Request> + Unpin,
{
    let request = requests.next().await?;
    if !request.entries.is_empty() || !pace.is_busy() {
        return Some(request);
    }
    match timeout(COMMIT_HOLD, requests.next()).await {
        Ok(Some(next)) => Some(next),
        Ok(None) | Err(_) => Some(request),
    }
}

/// How closely entries follow each other.
#[derive(Default)]
struct Pace {
    last: Option<Instant>,
    interval: Option<Duration>,
}

impl Pace {
    fn entries_leave(&mut self, now: Instant) {
        self.interval = self.last.map(|last| now - last);
        self.last = Some(now);
    }

    fn is_busy(&self) -> bool {
        self.interval
            .is_some_and(|interval| interval < BUSY_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use openraft::EntryPayload;
    use openraft::Vote;
    use openraft::vote::RaftLeaderId as _;

    use super::*;
    use crate::codec::{Entry, LogId};

    fn request(committed: u64, entries: usize) -> Request {
        let id = |index| {
            LogId::new(
                openraft::vote::leader_id_adv::CommittedLeaderId::new(1, 1),
                index,
            )
        };
        let entries = (0..entries as u64)
            .map(|n| Entry {
                log_id: id(committed + n),
                payload: EntryPayload::Blank,
            })
            .collect();
        Request {
            vote: Vote::new_committed(1, 1),
            prev_log_id: None,
            entries,
            leader_commit: Some(id(committed)),
        }
    }

    fn busy() -> Pace {
        let mut pace = Pace::default();
        let now = Instant::now();
        pace.entries_leave(now);
        pace.entries_leave(now + BUSY_INTERVAL / 2);
        pace
    }

    fn committed(request: Option<Request>) -> Option<u64> {
        request.and_then(|r| r.leader_commit).map(|id| id.index)
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_busy_group_a_bare_commit_gives_way_to_what_follows() {
        let follow = futures::stream::iter([request(1, 0), request(2, 1), request(3, 0)]);
        let mut requests = follow.chain(futures::stream::pending()).boxed();
        assert_eq!(
            committed(next_request(&mut requests, &busy()).await),
            Some(2)
        );
        // Nothing follows: it leaves after the hold, and what comes later is not lost.
        assert_eq!(
            committed(next_request(&mut requests, &busy()).await),
            Some(3)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_quiet_group_it_leaves_at_once_and_at_the_end_it_is_not_lost() {
        let mut requests = futures::stream::iter([request(1, 0), request(2, 1)]);
        assert_eq!(
            committed(next_request(&mut requests, &Pace::default()).await),
            Some(1)
        );
        assert_eq!(
            committed(next_request(&mut requests, &busy()).await),
            Some(2)
        );
        let mut last = futures::stream::iter([request(4, 0)]);
        assert_eq!(committed(next_request(&mut last, &busy()).await), Some(4));
        assert_eq!(committed(next_request(&mut last, &busy()).await), None);
    }

    #[test]
    fn a_group_is_busy_while_its_entries_follow_each_other() {
        assert!(!Pace::default().is_busy());
        let mut pace = busy();
        assert!(pace.is_busy());
        pace.entries_leave(Instant::now() + 2 * BUSY_INTERVAL);
        assert!(!pace.is_busy());
    }
}
