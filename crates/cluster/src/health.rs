//! Whether each partition has a leader that lives, as far as this node sees.
//!
//! One task for each partition says so and nobody else: of two that looked at one time the earlier could have the last
//! word, and a loss that was over before one of them looked would stay.

use std::sync::Arc;

use levada_types::NodeId;
use tokio::sync::{Notify, watch};

use crate::core::{Core, Route};
use crate::place::Place;

/// Keeps a route's health. Runs as long as the node.
pub(crate) async fn watch(core: Arc<Core>, route: Arc<Route>) {
    let lives = |leader| core.is_healthy(leader);
    keep(&route.place, &route.look, lives, &route.healthy).await;
}

async fn keep(
    place: &Place,
    look: &Notify,
    lives: impl Fn(Option<NodeId>) -> bool,
    healthy: &watch::Sender<bool>,
) {
    loop {
        let leader = place.leader();
        let now = lives(leader);
        healthy.send_if_modified(|was| std::mem::replace(was, now) != now);
        tokio::select! {
            _ = place.leader_changed(leader) => {}
            () = look.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use levada_types::PartitionId;

    use super::*;

    #[tokio::test]
    async fn what_was_lost_and_found_is_healthy_however_often_it_is_looked_at() {
        let (place, look) = (Place::new(PartitionId(1), None), Notify::new());
        let (healthy, is_up) = (watch::Sender::new(false), AtomicBool::new(true));
        let lives = |leader: Option<NodeId>| leader.is_some() && is_up.load(Ordering::Relaxed);
        let keeping = keep(&place, &look, lives, &healthy);
        let story = async {
            let mut seen = healthy.subscribe();
            let leader = NodeId(1);
            place.heard(leader, 5);
            seen.wait_for(|healthy| *healthy).await.unwrap();
            // Lost and found: once so fast that nobody saw it, once with a look in between.
            place.heard_not(leader);
            place.heard(leader, 5);
            place.heard_not(leader);
            look.notify_one();
            seen.wait_for(|healthy| !healthy).await.unwrap();
            place.heard(leader, 5);
            seen.wait_for(|healthy| *healthy).await.unwrap();
            is_up.store(false, Ordering::Relaxed);
            look.notify_one();
            seen.wait_for(|healthy| !healthy).await.unwrap();
        };
        tokio::select! {
            () = keeping => unreachable!("it runs for ever"),
            () = story => {}
        }
    }
}
