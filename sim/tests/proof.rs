//! The simulator proves itself: the same seed does the same, and a bug that is put in is found.

use std::process::{Command, Output};

fn simulate(args: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_levada-sim"))
        .args(args)
        .output()
        .expect("the simulator is built");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, said)
}

#[test]
fn a_seed_does_the_same_twice_and_every_promise_holds() {
    let args = ["--seeds", "2", "--fault-secs", "10", "--check-determinism"];
    let (output, said) = simulate(&args);
    assert!(output.status.success(), "{said}");
}

/// A broker that answers before its disk has synced loses what it acknowledged when the power goes.
#[test]
fn disks_that_lie_about_their_syncs_are_found() {
    let (output, said) = simulate(&["--canary", "--seeds", "10", "--fault-secs", "15"]);
    assert!(!output.status.success(), "nothing was found: {said}");
    assert!(said.contains("FAILED"), "{said}");
    let command = said
        .lines()
        .find_map(|line| line.strip_prefix("repeat it: "))
        .expect("a failure says how to repeat it");
    let (_, options) = command.split_once("-- ").expect("a command");
    let options: Vec<&str> = options
        .split_ascii_whitespace()
        .filter(|option| *option != "--trace")
        .collect();
    let (again, said_again) = simulate(&options);
    assert!(!again.status.success(), "{said_again}");
    let what = |said: &str| {
        let line = said.lines().find(|line| line.contains("FAILED"));
        line.map(str::to_owned)
    };
    assert_eq!(what(&said), what(&said_again));
}
