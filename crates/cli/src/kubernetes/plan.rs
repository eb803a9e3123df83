//! What should be done next, from the cluster's status and the StatefulSet's replicas. Decides, and does nothing.

use serde_json::Value;

use crate::cluster::{list, text};

/// How the pods of a StatefulSet are named.
#[derive(Debug)]
pub(super) struct Names {
    /// The StatefulSet.
    pub(super) set: String,
    /// This pod's ordinal.
    pub(super) own: u64,
    /// What follows the pod's name in its peer address.
    rest: String,
}

/// One operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Expect a member at this address.
    Add(String),
    /// Take the member at this address out.
    Remove(String),
    /// The pod at this address was expected, and is not wanted any more.
    Cancel(String),
}

impl Names {
    /// None if `pod` does not end in an ordinal.
    pub(super) fn new(
        pod: &str,
        service: &str,
        namespace: &str,
        domain: &str,
        port: u16,
    ) -> Option<Self> {
        let (set, ordinal) = pod.rsplit_once('-')?;
        Some(Self {
            set: set.to_owned(),
            own: ordinal.parse().ok()?,
            rest: format!(".{service}.{namespace}.svc.{domain}:{port}"),
        })
    }

    fn address(&self, ordinal: u64) -> String {
        format!("{}-{ordinal}{}", self.set, self.rest)
    }

    /// None for a member that is no pod of this StatefulSet: an operator added it, and an operator takes it out.
    fn ordinal(&self, address: &str) -> Option<u64> {
        let pod = address.strip_suffix(&self.rest)?;
        let ordinal = pod.strip_prefix(&self.set)?.strip_prefix('-')?;
        ordinal.parse().ok()
    }
}

fn ordinals<'a>(
    status: &'a Value,
    names: &'a Names,
    which: impl Fn(&Value) -> bool + 'a,
) -> impl Iterator<Item = u64> + 'a {
    list(&status["members"])
        .filter(move |member| which(member))
        .filter_map(|member| names.ordinal(member["peer_address"].as_str()?))
}

/// Whether this pod is the one that acts: it is the lowest member that is up. Two that believe so at once do no harm,
/// as each operation is on the version of the members that it looked at.
pub(super) fn acts(status: &Value, names: &Names) -> bool {
    let is_up = |member: &Value| member["state"] == "up" || member["state"] == "self";
    ordinals(status, names, is_up).min() == Some(names.own)
}

/// The next step towards `wanted` members; None if there is nothing to do, or a change is under way.
pub(super) fn step(status: &Value, wanted: u64, names: &Names) -> Option<Step> {
    // None at all is a cluster that is put away: whoever stops every pod means to lose none.
    if wanted == 0 {
        return None;
    }
    let change = &status["change"];
    if change.is_object() {
        let address = text(&change["address"]);
        let is_unwanted = names.ordinal(&address).is_some_and(|n| n >= wanted);
        let has_not_come = change["kind"] == "add" && change["node"].is_null();
        return (is_unwanted && has_not_come).then_some(Step::Cancel(address));
    }
    let members: Vec<u64> = ordinals(status, names, |_| true).collect();
    if let Some(last) = members.iter().max().filter(|last| **last >= wanted) {
        return Some(Step::Remove(names.address(*last)));
    }
    (0..wanted)
        .find(|ordinal| !members.contains(ordinal))
        .map(|ordinal| Step::Add(names.address(ordinal)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(own: u64) -> Names {
        Names::new(
            &format!("lev-{own}"),
            "lev-peers",
            "ns",
            "cluster.local",
            7100,
        )
        .unwrap()
    }

    fn status(members: &[(u64, &str)], change: Value) -> Value {
        let members: Vec<Value> = members
            .iter()
            .map(|(n, state)| json!({ "peer_address": names(0).address(*n), "state": state }))
            .collect();
        json!({ "members": members, "change": change })
    }

    const THREE: &[(u64, &str)] = &[(0, "self"), (1, "up"), (2, "up")];

    #[test]
    fn a_pod_has_a_name_that_ends_in_its_ordinal() {
        let names = Names::new("a-b-12", "s", "n", "d", 1).unwrap();
        assert_eq!((names.set.as_str(), names.own), ("a-b", 12));
        assert_eq!(names.address(3), "a-b-3.s.n.svc.d:1");
        assert_eq!(names.ordinal("a-b-3.s.n.svc.d:1"), Some(3));
        assert_eq!(names.ordinal("a-b-3.other.n.svc.d:1"), None);
        assert!(Names::new("levada", "s", "n", "d", 1).is_none());
        assert!(Names::new("levada-x", "s", "n", "d", 1).is_none());
    }

    #[test]
    fn the_lowest_member_that_is_up_acts() {
        let none = Value::Null;
        assert!(acts(&status(THREE, none.clone()), &names(0)));
        let second = status(&[(0, "up"), (1, "self")], none.clone());
        assert!(!acts(&second, &names(1)));
        let alone = status(&[(0, "refused"), (1, "self")], none);
        assert!(acts(&alone, &names(1)));
        assert!(!acts(&json!({ "ready": false }), &names(0)));
    }

    #[test]
    fn members_follow_the_replicas_one_at_a_time() {
        let now = |members, wanted| step(&status(members, Value::Null), wanted, &names(0));
        assert_eq!(now(THREE, 3), None);
        assert_eq!(now(THREE, 0), None, "put away");
        assert_eq!(now(THREE, 5), Some(Step::Add(names(0).address(3))));
        assert_eq!(now(THREE, 1), Some(Step::Remove(names(0).address(2))));
        let gap = &[(0, "self"), (2, "up")];
        assert_eq!(now(gap, 3), Some(Step::Add(names(0).address(1))));
        let both = &[(0, "self"), (4, "up")];
        assert_eq!(now(both, 3), Some(Step::Remove(names(0).address(4))));
    }

    #[test]
    fn a_change_is_waited_for_unless_nobody_is_to_come() {
        let change = |kind: &str, ordinal, node: Value| {
            let address = names(0).address(ordinal);
            status(
                THREE,
                json!({ "kind": kind, "address": address, "node": node }),
            )
        };
        let now = |status: &Value, wanted| step(status, wanted, &names(0));
        let expected = change("add", 3, Value::Null);
        assert_eq!(now(&expected, 5), None);
        assert_eq!(now(&expected, 3), Some(Step::Cancel(names(0).address(3))));
        assert_eq!(now(&change("add", 3, json!("n9")), 3), None);
        assert_eq!(now(&change("remove", 2, json!("n9")), 1), None);
    }

    #[test]
    fn an_operators_own_members_are_left_alone() {
        let mut with_stranger = status(THREE, Value::Null);
        with_stranger["members"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "peer_address": "10.0.0.9:7100", "state": "up" }));
        assert_eq!(step(&with_stranger, 3, &names(0)), None);
    }
}
