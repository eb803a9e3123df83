//! The simulator proves itself: the same seed does the same, and a bug that is put in is found, by the promise that it
//! breaks. And seeds that found a bug once: what they did is named here, because a seed means another course as soon as
//! anything changes.

use std::process::Command;

struct Ran {
    succeeded: bool,
    said: String,
}

fn simulate(args: &[&str]) -> Ran {
    simulate_with_log(args, None)
}

fn simulate_with_log(args: &[&str], log: Option<&str>) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_levada-sim"));
    command.args(args).env_remove("RUST_LOG");
    if let Some(log) = log {
        command.env("RUST_LOG", log);
    }
    let output = command.output().expect("the simulator is built");
    Ran {
        succeeded: output.status.success(),
        said: String::from_utf8_lossy(&output.stdout).into_owned(),
    }
}

/// The hash over everything that happened.
fn hash(ran: &Ran) -> &str {
    assert!(ran.succeeded, "{}", ran.said);
    let (_, after) = ran.said.split_once(": ").expect("a seed's line");
    let (hash, _) = after.split_once(',').expect("a hash");
    hash
}

#[test]
fn a_seed_does_the_same_twice_and_every_promise_holds() {
    let args = ["--seeds", "2", "--fault-secs", "10", "--check-determinism"];
    let ran = simulate(&args);
    assert!(ran.succeeded, "{}", ran.said);
}

/// Else what is seen with the log is not what is to be understood.
#[test]
fn the_log_changes_nothing() {
    let args = ["--seed", "2", "--fault-secs", "3"];
    let silent = simulate(&args);
    let loud = simulate_with_log(&args, Some("info,levada_cluster=debug"));
    assert_eq!(hash(&silent), hash(&loud));
}

/// Runs a canary until it fails, and repeats that by the command that it prints.
fn canary(name: &str) -> String {
    let args = ["--canary", name, "--seeds", "10", "--fault-secs", "15"];
    let ran = simulate(&args);
    assert!(!ran.succeeded, "nothing was found: {}", ran.said);
    let command = ran
        .said
        .lines()
        .find_map(|line| line.strip_prefix("repeat it: "))
        .expect("a failure says how to repeat it");
    let (_, options) = command.split_once("-- ").expect("a command");
    let options = options.split_ascii_whitespace();
    let options: Vec<&str> = options.filter(|option| *option != "--trace").collect();
    let again = simulate(&options);
    assert!(!again.succeeded, "{}", again.said);
    let found = |said: &str| {
        let (_, found) = said.split_once("FAILED: ").expect("a failure");
        let (found, _) = found.split_once("repeat it: ").expect("a command");
        found.to_owned()
    };
    assert_eq!(found(&ran.said), found(&again.said));
    found(&ran.said)
}

/// Raft itself stays whole here, so that nothing but the memory of the answers can tell.
#[test]
fn nodes_that_answer_before_they_sync_are_found_by_what_was_acknowledged_and_is_lost() {
    let found = canary("early-answers");
    for promise in [
        "broken: an acknowledged send is never lost: ",
        "broken: an acknowledged record is read at its sequence number: ",
        "broken: an acknowledged lease is there in the end: ",
        "broken: what is known of a lease is shown from then on: ",
        "broken: what was published arrives where it was addressed to: ",
    ] {
        assert!(found.contains(promise), "{found}");
    }
    assert!(!found.contains("stuck"), "{found}");
}

#[test]
fn disks_that_lie_about_their_syncs_are_found() {
    canary("lying-disks");
}

/// A leader that was cut off told where a shard ends without asking anybody whether it still led.
#[test]
fn the_end_of_a_shard_is_not_told_by_a_leader_that_was_cut_off() {
    let args = ["--only", "isolate", "--seeds", "12", "--fault-secs", "20"];
    let ran = simulate(&args);
    assert!(ran.succeeded, "{}", ran.said);
}

/// A node was ready while a group still counted the vote of whom it had replaced; the next replacement, begun at that
/// moment, left two of four voters.
#[test]
fn disks_are_replaced_one_after_the_other_as_soon_as_the_last_is_ready() {
    let args = [
        "--only",
        "wipe,power-loss-of-all",
        "--seeds",
        "4",
        "--fault-secs",
        "25",
    ];
    let ran = simulate(&args);
    assert!(ran.succeeded, "{}", ran.said);
}
