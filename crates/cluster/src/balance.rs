//! Hands partitions to the nodes that should lead them, a few at a time, when those are well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use levada_replica::Group;
use levada_rpc::PeerState;
use levada_types::NodeId;

use crate::core::Core;
use crate::leaders;

/// How often the balance is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A preferred leader gets its partition back when it has been up for so many looks.
const LOOKS_BEFORE_HANDING_BACK: u32 = 3;
/// Partitions handed over at one look: each costs its clients a moment.
const HANDED_OVER_AT_ONCE: usize = 4;

/// Runs until the node goes down.
pub(crate) async fn balance(core: Arc<Core>) {
    let mut looks_up: BTreeMap<NodeId, u32> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for node in core.members.all().into_keys().filter(|n| *n != core.node) {
            let up = core.members.state(node) == Some(PeerState::Up);
            let looks = looks_up.entry(node).or_default();
            *looks = if up { looks.saturating_add(1) } else { 0 };
        }
        if core.leaving.load(Ordering::Relaxed) {
            return;
        }
        core.replicas.set_passive(core.passive());
        let hosted = core.hosted();
        let due = hosted
            .iter()
            .filter(|group| group.is_leader())
            .filter_map(|group| Some((group, heir(&core, group, &looks_up)?)));
        for (group, heir) in due.take(HANDED_OVER_AT_ONCE) {
            tracing::debug!(partition = %group.id(), %heir, "another node should lead");
            group.transfer_leader(heir).await;
        }
    }
}

/// Who should lead instead of this node, if it can now.
fn heir(core: &Core, group: &Group, looks_up: &BTreeMap<NodeId, u32>) -> Option<NodeId> {
    let preferred = core.preferred_leader(group.id())?;
    if preferred == core.node {
        return None;
    }
    let is_well = looks_up
        .get(&preferred)
        .is_some_and(|looks| *looks >= LOOKS_BEFORE_HANDING_BACK);
    if is_well && leaders::can_lead(core, group, preferred).is_ok() {
        return Some(preferred);
    }
    // A node that should lead nothing does not wait for the best.
    let passive = core.passive();
    if !passive.contains(&core.node) {
        return None;
    }
    // One that is about to lose its vote would hand it back, to go itself, and the change would never be made.
    let set = core.set_of(group.id());
    let may_lead = |node: &NodeId| !passive.contains(node) && set.contains(node);
    leaders::heirs(core, group)
        .into_iter()
        .find(|node| may_lead(node) && leaders::can_lead(core, group, *node).is_ok())
}
